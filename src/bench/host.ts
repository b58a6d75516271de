// Inputs of a kernel on the host, made from a seed, and one kernel call on a backend with memory of its own.
import { type Backend, wholeView } from '../backend/backend.js'
import { type KernelName, kernelSpec, type Params } from '../backend/kernels.js'
import { tensorSizes } from '../backend/sizes.js'
import { type TimingOptions, timeCalls } from './timing.js'

export type Data = Float32Array | Int32Array | Uint32Array
export type HostTensors = Readonly<Record<string, Data>>

/** `count` values in (−1, 1), by mulberry32: quick, for millions of them. */
export function uniformValues(count: number, seed: number): Float32Array {
  const out = new Float32Array(count)
  let state = seed >>> 0
  for (let i = 0; i < count; i++) {
    state = (state + 0x6d2b79f5) | 0
    let word = Math.imul(state ^ (state >>> 15), 1 | state)
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word
    out[i] = ((word ^ (word >>> 14)) >>> 0) / 2 ** 31 - 1
  }
  return out
}

/** `count` whole numbers below `end`. */
export const integersBelow = (count: number, end: number, seed: number): number[] =>
  Array.from(uniformValues(count, seed), value => Math.min(Math.floor(((value + 1) / 2) * end), end - 1))

/** Every tensor of a call by name: those given, random values for the others, none for one given as undefined. */
export function hostTensors(
  kernel: KernelName,
  params: Params,
  given: Readonly<Record<string, Data | undefined>>,
): HostTensors {
  const sizes = tensorSizes(kernel, params)
  const tensors: Record<string, Data> = {}
  Object.keys(kernelSpec(kernel).tensors).forEach((name, i) => {
    const data = name in given ? given[name] : uniformValues(sizes[i]!, i + 1)
    if (data) tensors[name] = data
  })
  return tensors
}

export interface OpenCall {
  /** The tensors that the kernel writes, after one run from the values at the start. */
  readonly after: HostTensors
  /** The median of one run, in milliseconds. */
  time(options: TimingOptions): Promise<number>
  release(): void
}

/** Short runs are handed over so many at once that handing over, and hearing of the end, do not count: on a large card some take 5 µs. */
const AT_ONCE = { milliseconds: 10, most: 1024 }

/** Uploads, runs once, and keeps the memory for timing. */
export async function openCall(
  backend: Backend,
  kernel: KernelName,
  params: Params,
  tensors: HostTensors,
): Promise<OpenCall> {
  const specs = Object.entries(kernelSpec(kernel).tensors)
  const memories = specs.map(([name]) => tensors[name] && backend.allocate(tensors[name].byteLength, name))
  memories.forEach((memory, i) => {
    if (memory) backend.write(wholeView(memory), tensors[specs[i]![0]]!)
  })
  const bound = { kernel, views: memories.map(memory => memory && wholeView(memory)) }
  const ready = async (count: number) => {
    const prepared = await backend.prepare(Array.from({ length: count }, () => bound))
    const records = prepared.calls.map(() => params)
    const run = async () => {
      backend.run(prepared, records)
      await backend.finish()
    }
    return { run, release: () => prepared.release() }
  }
  const once = await ready(1)
  await once.run()
  const after: Record<string, Data> = {}
  for (const [i, [name, { access, dtype }]] of specs.entries()) {
    const memory = memories[i]
    if (!memory || access === 'read') continue
    const bytes = await backend.read(wholeView(memory))
    after[name] = dtype === 'f32' ? new Float32Array(bytes) : new Int32Array(bytes)
  }
  // By the time of one, then of some: that of one may be all overhead.
  let [repeats, many] = [1, once]
  for (let step = 0; step < 3; step++) {
    const each = (await timeCalls(many.run, { seconds: 0, atMost: 3 })) / repeats
    const enough = Math.min(Math.ceil(AT_ONCE.milliseconds / each), AT_ONCE.most)
    if (enough < 2 * repeats) break
    if (many !== once) many.release()
    repeats = enough
    many = await ready(repeats)
  }
  return {
    after,
    time: async options => (await timeCalls(many.run, options)) / repeats,
    release() {
      many.release()
      if (many !== once) once.release()
      for (const memory of memories) if (memory) backend.free(memory)
    },
  }
}
