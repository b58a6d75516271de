// Counter-based randomness shared by the host and the kernels: Threefry-2x32 with 20 rounds (Salmon et al. 2011, "Parallel random numbers:
// as easy as 1, 2, 3"). Additions, rotations and exclusive ors of u32 only, so that WGSL, wasm and JavaScript give the same words.

const rotations = [13, 15, 26, 6, 17, 29, 16, 24] as const
const rotateLeft = (x: number, by: number) => (x << by) | (x >>> (32 - by))

/** Two random u32 words for a counter of two u32 words under a key of two u32 words. */
export function threefry2x32(counter0: number, counter1: number, key0: number, key1: number): [number, number] {
  const keys = [key0, key1, 0x1bd11bda ^ key0 ^ key1] as const
  let x0 = (counter0 + key0) | 0
  let x1 = (counter1 + key1) | 0
  for (let round = 0; round < 20; round++) {
    x0 = (x0 + x1) | 0
    x1 = rotateLeft(x1, rotations[round % 8]!) ^ x0
    if (round % 4 === 3) {
      const injection = (round + 1) / 4
      x0 = (x0 + keys[(injection % 3) as 0 | 1 | 2]) | 0
      x1 = (x1 + keys[((injection + 1) % 3) as 0 | 1 | 2] + injection) | 0
    }
  }
  return [x0 >>> 0, x1 >>> 0]
}

/**
 * A seed of 0 to 2^53 − 1 as two words: its low one, and its high one worked into a constant that keeps one use of the seed apart from
 * another.
 */
export const seedWords = (seed: number, use: number): [number, number] => [
  seed >>> 0,
  (use ^ Math.floor(seed / 2 ** 32)) >>> 0,
]

/** The parameters of a dropout kernel: which elements fall and what the others are multiplied by. `rate` is in [0, 1). */
export function dropoutParams(rate: number, seed: number, step: number, site: number) {
  const [low, high] = seedWords(seed, 0x64726f70)
  const [key0, key1] = threefry2x32(low, step >>> 0, site >>> 0, high)
  return { threshold: Math.min(Math.round(rate * 2 ** 32), 2 ** 32 - 1), scale: 1 / (1 - rate), key0, key1 }
}

/** The dropout key of one token: its sequence's row in the batch, and its position in the sequence (both below 65,536). */
export const tokenKey = (row: number, position: number): number => ((row << 16) | position) >>> 0
