// Which examples make up each batch, and which negatives they get: seeded, resumable, the same on every machine. Each epoch is a
// permutation of all rows computed position by position (assembly/sampling/index.ts), so a set of a billion rows needs no table,
// and the whole state is five integers. The order of one epoch does not depend on what was drawn in another.
import { samplingModule } from '../../build/sampling.js'

export interface SamplerSettings {
  /** 0 to 2^53 − 1. */
  readonly seed: number
  /** Rows of the training set, 1 to 2^31 − 1. */
  readonly examples: number
  readonly batchSize: number
  /** Leaves out the incomplete batch at the end of an epoch (other rows each epoch). */
  readonly dropLast: boolean
}

export interface SampledBatch {
  /** From 0. */
  readonly epoch: number
  /** Within the epoch, from 0. */
  readonly batch: number
  /** Whether the next batch begins another epoch. */
  readonly lastOfEpoch: boolean
  /** Rows of the training set. (batchSize), or fewer in a last batch that is kept incomplete */
  readonly indices: Int32Array
}

export interface DrawnNegatives {
  /** Below `available`, in random order. (count) */
  readonly indices: Int32Array
  /** True where fewer than `count` were there, so that they were drawn with replacement. */
  readonly repeated: boolean
}

/** Plain JSON. `epoch` and `batch` are those of the next batch. */
export interface SamplerState extends SamplerSettings {
  readonly epoch: number
  readonly batch: number
  readonly draws: number
}

export interface Sampler {
  readonly batchesPerEpoch: number
  /** The next batch; epochs follow one another without end. */
  next(): SampledBatch
  /**
   * Draws `count` of the numbers 0 … available − 1 that are not in `exclude`: without replacement, or with it when fewer than
   * `count` are left (said in the result).
   */
  drawNegatives(count: number, available: number, exclude?: Iterable<number>): DrawnNegatives
  /** One uniform integer from 0 to bound − 1; bound ≤ 2^31 − 1. */
  drawInteger(bound: number): number
  save(): SamplerState
  /** Continues as the saved sampler would have; refuses a state of other settings. */
  restore(state: SamplerState): void
}

interface SamplingExports {
  readonly memory: WebAssembly.Memory
  start(seed: number): void
  drawCount(): number
  setDrawCount(count: number): void
  below(bound: number): number
  epochRows(epoch: number, total: number, first: number, count: number): number
  drawRepeated(count: number, bound: number): number
  drawDistinct(count: number, bound: number): number
}

const LARGEST_SET = 2 ** 31 - 1

let compiled: WebAssembly.Module | undefined

// Compiled synchronously: browsers allow that on the main thread below 4 KiB, and this module stays below.
function instantiate(): SamplingExports {
  compiled ??= new WebAssembly.Module(Uint8Array.from(atob(samplingModule), character => character.charCodeAt(0)))
  return new WebAssembly.Instance(compiled).exports as unknown as SamplingExports
}

export function createSampler(settings: SamplerSettings): Sampler {
  const { seed, examples, batchSize, dropLast } = settings
  checkSettings(settings)
  const batchesPerEpoch = dropLast ? Math.floor(examples / batchSize) : Math.ceil(examples / batchSize)
  const wasm = instantiate()
  wasm.start(seed)
  let epoch = 0
  let batch = 0
  // The address is into memory that the next call overwrites and may grow (which detaches older views): copied at once.
  const numbersAt = (address: number, count: number) => new Int32Array(wasm.memory.buffer, address, count).slice()

  return {
    batchesPerEpoch,
    next() {
      const first = batch * batchSize
      const count = Math.min(batchSize, examples - first)
      const indices = numbersAt(wasm.epochRows(epoch, examples, first, count), count)
      const sampled = { epoch, batch, lastOfEpoch: batch + 1 === batchesPerEpoch, indices }
      epoch += sampled.lastOfEpoch ? 1 : 0
      batch = sampled.lastOfEpoch ? 0 : batch + 1
      return sampled
    },
    drawNegatives(count, available, exclude = []) {
      checkInteger('the number of negatives to draw', count, 0, LARGEST_SET)
      checkInteger('the number of available negatives', available, 0, LARGEST_SET)
      const excluded = [...new Set(exclude)].sort((a, b) => a - b)
      for (const row of excluded) checkInteger('an excluded negative', row, 0, available - 1)
      const left = available - excluded.length
      if (count > 0 && left === 0) {
        throw new Error(
          `cannot draw ${count} negatives: none of ${available} is left after ${excluded.length} excluded; leave this example out or give it negatives`,
        )
      }
      const repeated = left < count
      const address = repeated ? wasm.drawRepeated(count, left) : wasm.drawDistinct(count, left)
      const indices = numbersAt(address, count)
      if (excluded.length > 0) for (const [i, index] of indices.entries()) indices[i] = stepOver(index, excluded)
      return { indices, repeated }
    },
    drawInteger(bound) {
      checkInteger('the bound of a drawn integer', bound, 1, LARGEST_SET)
      return wasm.below(bound)
    },
    save: () => ({ seed, examples, batchSize, dropLast, epoch, batch, draws: wasm.drawCount() }),
    restore(state) {
      checkState(state, settings, batchesPerEpoch)
      epoch = state.epoch
      batch = state.batch
      wasm.setDrawCount(state.draws)
    },
  }
}

/** The index-th number that is not in `excluded` (ascending). */
function stepOver(index: number, excluded: readonly number[]): number {
  let number = index
  for (const row of excluded) {
    if (row > number) break
    number++
  }
  return number
}

function checkSettings({ seed, examples, batchSize, dropLast }: SamplerSettings): void {
  checkInteger('the seed', seed, 0, Number.MAX_SAFE_INTEGER)
  if (examples === 0)
    throw new Error('the training set has no examples: nothing can be sampled; check the training file')
  checkInteger('the number of training examples', examples, 1, LARGEST_SET)
  checkInteger('the batch size', batchSize, 1, LARGEST_SET)
  if (dropLast && batchSize > examples) {
    throw new Error(
      `a batch of ${batchSize} cannot be filled from ${examples} training examples: set batch_size to ${examples} or less, or drop_last = false to train on incomplete batches`,
    )
  }
}

function checkState(state: SamplerState, settings: SamplerSettings, batchesPerEpoch: number): void {
  for (const name of ['seed', 'examples', 'batchSize', 'dropLast'] as const) {
    if (state[name] !== settings[name]) {
      throw new Error(
        `the saved sampler has ${name} = ${state[name]}, this run has ${settings[name]}: resume with the data and settings of the saved run, or start anew`,
      )
    }
  }
  checkInteger("the saved sampler's epoch", state.epoch, 0, Number.MAX_SAFE_INTEGER)
  checkInteger("the saved sampler's batch", state.batch, 0, batchesPerEpoch - 1)
  checkInteger("the saved sampler's number of draws", state.draws, 0, Number.MAX_SAFE_INTEGER)
}

function checkInteger(what: string, value: unknown, least: number, most: number): void {
  if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most) {
    throw new Error(`${what} must be an integer from ${least} to ${most}, found ${value}`)
  }
}
