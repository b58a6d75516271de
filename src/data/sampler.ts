// Which examples make up each batch, and which negatives they get: seeded, resumable, the same on every machine. Each
// epoch is a permutation of all rows computed position by position (assembly/sampling/permutation.ts), so a set of a
// billion rows needs no table, and the whole state is five integers. The order of one epoch does not depend on what was
// drawn in another.
import { checkInteger, checkSame, LARGEST_SET, putRows, startSampling } from './sampling.js'
import { type Draws, drawsOf } from './sampling-draws.js'

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

/** Plain JSON. `epoch` and `batch` are those of the next batch. */
export interface SamplerState extends SamplerSettings {
  readonly epoch: number
  readonly batch: number
  readonly draws: number
}

export interface Sampler extends Draws {
  readonly batchesPerEpoch: number
  /** The next batch; epochs follow one another without end. */
  next(): SampledBatch
  save(): SamplerState
  /** Continues as the saved sampler would have; refuses a state of other settings. */
  restore(state: SamplerState): void
}

export function createSampler(settings: SamplerSettings): Sampler {
  const { seed, examples, batchSize, dropLast } = settings
  checkSettings(settings)
  const own = { seed, examples, batchSize, dropLast }
  const batchesPerEpoch = dropLast ? Math.floor(examples / batchSize) : Math.ceil(examples / batchSize)
  const sampling = startSampling(seed)
  let epoch = 0
  let batch = 0
  return {
    batchesPerEpoch,
    ...drawsOf(sampling),
    next() {
      const first = batch * batchSize
      const indices = new Int32Array(Math.min(batchSize, examples - first))
      putRows(sampling, indices, 0, epoch, examples, first)
      const sampled = { epoch, batch, lastOfEpoch: batch + 1 === batchesPerEpoch, indices }
      epoch += sampled.lastOfEpoch ? 1 : 0
      batch = sampled.lastOfEpoch ? 0 : batch + 1
      return sampled
    },
    save: () => ({ ...own, epoch, batch, draws: sampling.drawCount() }),
    restore(state) {
      checkSame('sampler', state, own)
      checkInteger("the saved sampler's epoch", state.epoch, 0, Number.MAX_SAFE_INTEGER)
      checkInteger("the saved sampler's batch", state.batch, 0, batchesPerEpoch - 1)
      checkInteger("the saved sampler's number of draws", state.draws, 0, Number.MAX_SAFE_INTEGER)
      epoch = state.epoch
      batch = state.batch
      sampling.setDrawCount(state.draws)
    },
  }
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
