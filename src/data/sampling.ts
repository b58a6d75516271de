// The compiled samplers (assembly/sampling): one instance is one stream of draws, seeded, with the number of draws as
// its whole state.
import { samplingModule } from '../../build/sampling.js'

export interface Sampling {
  readonly memory: WebAssembly.Memory
  drawCount(): number
  setDrawCount(count: number): void
  below(bound: number): number
  epochRows(set: number, epoch: number, total: number, first: number, count: number): number
  drawRepeated(count: number, bound: number): number
  drawDistinct(count: number, bound: number): number
  weightRoom(count: number): number
  setWeights(): void
  drawWeighted(count: number): number
  reservoirSkip(size: number): number
  reservoirShare(): number
  setReservoirShare(share: number): void
}

interface SamplingExports extends Sampling {
  start(seed: number, stream: number): void
}

/** Rows of a set that is held as an array of examples. */
export const LARGEST_SET = 2 ** 31 - 1

/** Numbers of one call: 128 MiB. */
export const LARGEST_BLOCK = 2 ** 24

let compiled: WebAssembly.Module | undefined

// Compiled synchronously: browsers allow that on the main thread below 4 KiB, and this module stays below.
function instantiate(): SamplingExports {
  compiled ??= new WebAssembly.Module(Uint8Array.from(atob(samplingModule), character => character.charCodeAt(0)))
  return new WebAssembly.Instance(compiled).exports as unknown as SamplingExports
}

/**
 * `seed`: 0 to 2^53 − 1. `stream`: draws of one seed that know nothing of one another; permutations are the same in all
 * of them.
 */
export function startSampling(seed: number, stream = 0): Sampling {
  checkInteger('the seed', seed, 0, Number.MAX_SAFE_INTEGER)
  checkInteger('the stream of draws', stream, 0, 2 ** 31 - 1)
  const sampling = instantiate()
  sampling.start(seed, stream)
  return sampling
}

/**
 * What a call left in memory, to be copied at once: the next call overwrites it, and may grow the memory, which
 * detaches views. (count)
 */
export const numbersAt = (sampling: Sampling, address: number, count: number): Float64Array =>
  new Float64Array(sampling.memory.buffer, address >>> 0, count)

/**
 * Fills `rows` with those at positions from `first` on of the permutation of `total` rows that a set has in an epoch.
 */
export function putRows<Rows extends Float64Array | Int32Array>(
  sampling: Sampling,
  rows: Rows,
  set: number,
  epoch: number,
  total: number,
  first: number,
): Rows {
  for (let done = 0; done < rows.length; done += LARGEST_BLOCK) {
    const count = Math.min(LARGEST_BLOCK, rows.length - done)
    rows.set(numbersAt(sampling, sampling.epochRows(set, epoch, total, first + done, count), count), done)
  }
  return rows
}

export function checkInteger(what: string, value: unknown, least: number, most: number): void {
  if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most)
    throw new Error(`${what} must be an integer from ${least} to ${most}, found ${value}`)
}

/** Refuses a saved state whose settings are not these: it would go on with other rows. */
export function checkSame(what: string, saved: object, own: object): void {
  for (const [name, value] of Object.entries(own)) {
    const found = JSON.stringify((saved as Record<string, unknown>)[name])
    if (found !== JSON.stringify(value))
      throw new Error(
        `the saved ${what} has ${name} = ${found}, this run has ${JSON.stringify(value)}: resume with the data and settings of the saved run, or start anew`,
      )
  }
}
