// Seeded random starts: a whole model (normal weights, zero biases, unit norms, as transformers does) and LoRA's A and B (Kaiming-uniform with
// a = √5, which is U(−1/√in, 1/√in); B zero).
import { seedWords, threefry2x32 } from '../backend/random.js'
import type { ModelConfig } from './config.js'

export interface NamedTensor {
  readonly name: string
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** A random word as a number in (0, 1). */
const uniform = (word: number): number => (word + 0.5) / 2 ** 32

/** Standard normal numbers by Box and Muller, times `scale`; pair i a function of (seed, stream, i) alone. */
export function normalArray(count: number, scale: number, seed: number, stream: number): Float32Array {
  const out = new Float32Array(count)
  const [key0, key1] = seedWords(seed, 0x6e6f726d)
  for (let i = 0; i < count; i += 2) {
    const [a, b] = threefry2x32(i, stream, key0, key1)
    const radius = scale * Math.sqrt(-2 * Math.log(uniform(a)))
    const angle = 2 * Math.PI * uniform(b)
    out[i] = radius * Math.cos(angle)
    if (i + 1 < count) out[i + 1] = radius * Math.sin(angle)
  }
  return out
}

/** Uniform numbers in (−bound, bound), each a function of (seed, stream, index) alone. */
export function uniformArray(count: number, bound: number, seed: number, stream: number): Float32Array {
  const out = new Float32Array(count)
  const [key0, key1] = seedWords(seed, 0x756e6966)
  for (let i = 0; i < count; i++) out[i] = (2 * uniform(threefry2x32(i, stream, key0, key1)[0]) - 1) * bound
  return out
}

/** The values of one of a model's tensors, which are all given: each has a stream of random numbers of its own. */
export function randomWeight(
  config: ModelConfig,
  tensors: readonly Pick<NamedTensor, 'name' | 'shape'>[],
  name: string,
  seed: number,
): Float32Array {
  const stream = tensors.findIndex(tensor => tensor.name === name)
  const count = tensors[stream]!.shape.reduce((product, n) => product * n, 1)
  if (name.endsWith('.bias')) return new Float32Array(count)
  // Where norms multiply by 1 + weight, zeros stand for one.
  if (tensors[stream]!.shape.length === 1) return new Float32Array(count).fill(config.form.norm.addOne ? 0 : 1)
  const data = normalArray(count, config.initializerRange, seed, stream)
  if (name === config.form.words && config.padId !== undefined)
    data.fill(0, config.padId * config.hidden, (config.padId + 1) * config.hidden)
  return data
}

/** LoRA's start for one linear layer (out, in): A (r, in) and B (out, r). */
export function lowRankStart(outputs: number, inputs: number, rank: number, seed: number, stream: number) {
  return { A: uniformArray(rank * inputs, 1 / Math.sqrt(inputs), seed, stream), B: new Float32Array(outputs * rank) }
}
