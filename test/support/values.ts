// Seeded numbers for tests: the same on every machine. Threefry's words, so that no second generator needs trust.
import { threefry2x32 } from '../../src/backend/random.js'

export interface Values {
  /** In [low, high). */
  uniform(count: number, low?: number, high?: number): Float32Array
  /** Normally distributed (Box–Muller). */
  normal(count: number, deviation?: number, mean?: number): Float32Array
  /** Whole numbers in [0, bound). */
  integers(count: number, bound: number): Int32Array
  /** u32 words, for dropout keys. */
  words(count: number): Uint32Array
}

export function seededValues(seed: number): Values {
  let counter = 0
  let spare: number | undefined
  const word = () => {
    const given = spare
    if (given !== undefined) {
      spare = undefined
      return given
    }
    const words = threefry2x32(counter++, 0, seed, 0x76616c75)
    spare = words[1]
    return words[0]
  }
  const fraction = () => (word() + 0.5) / 2 ** 32
  const gaussian = () => Math.sqrt(-2 * Math.log(fraction())) * Math.cos(2 * Math.PI * fraction())
  return {
    uniform: (count, low = -1, high = 1) => new Float32Array(count).map(() => low + (high - low) * fraction()),
    normal: (count, deviation = 1, mean = 0) => new Float32Array(count).map(() => mean + deviation * gaussian()),
    integers: (count, bound) => new Int32Array(count).map(() => Math.floor(fraction() * bound)),
    words: count => new Uint32Array(count).map(word),
  }
}

/** 0 and the running sums: where packed sequences of these lengths begin, and where the last ends. */
export function offsetsOf(lengths: readonly number[]): Int32Array {
  const offsets = new Int32Array(lengths.length + 1)
  for (const [i, length] of lengths.entries()) offsets[i + 1] = offsets[i]! + length
  return offsets
}
