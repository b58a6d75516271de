// What the training loop takes its batches from: one of the samplers, told by how examples are put together. All are seeded, the same on every
// machine, and go on from a saved state with the same batches.
import { createSetBatches, type ExampleSet, type SetBatchesState } from './batches.js'
import { createLengthBatches, type LengthBatchesState } from './batches-by-length.js'
import { createSampler, type SamplerState } from './sampler.js'
import type { Draws } from './sampling-draws.js'

/** A training set of several, and which of all examples are its. */
export interface SetOfExamples extends Omit<ExampleSet, 'rows'> {
  readonly examples: ArrayLike<number>
}

export type ExampleOrder =
  /** Every example once an epoch, in random order, `batchSize` a batch. */
  | { readonly kind: 'uniform' }
  /**
   * Every example once an epoch, in batches of about equally long examples, of at most so many tokens and `batchSize`
   * examples. `lengths`: tokens of each example. (examples)
   */
  | {
      readonly kind: 'by_length'
      readonly tokens: number
      readonly lengths: ArrayLike<number>
      readonly leastRows: 1 | 2
    }
  /** mixed: the set of each example is drawn by weight; homogeneous: that of each batch. Smaller sets come around. */
  | { readonly kind: 'mixed' | 'homogeneous'; readonly sets: readonly SetOfExamples[] }

export interface ExampleBatchesSettings {
  readonly seed: number
  readonly examples: number
  readonly batchSize: number
  /** Uniform and homogeneous batches: what does not fill a batch is left out. */
  readonly dropLast: boolean
  readonly order: ExampleOrder
}

export interface ExampleBatch {
  /** From 0; of several sets: how often as many examples as there are have been drawn. */
  readonly epoch: number
  /** Rows of all examples. */
  readonly indices: Int32Array
  /** Where there are several sets: the set of each example, an index of `sets`. */
  readonly sets?: Int32Array
}

/** Plain JSON. */
export type ExampleBatchesState = SamplerState | LengthBatchesState | SetBatchesState

export interface ExampleBatches extends Draws {
  /** The next batch; there is always one. */
  next(): ExampleBatch
  /** Batches of so many epochs: what does not fill one is left out or not, as they are drawn. */
  batchesIn(epochs: number): number
  save(): ExampleBatchesState
  /** Continues as the saved batches would have; refuses a state of other settings. */
  restore(state: ExampleBatchesState): void
}

export function createExampleBatches(settings: ExampleBatchesSettings): ExampleBatches {
  const { order } = settings
  switch (order.kind) {
    case 'uniform':
      return uniformBatches(settings)
    case 'by_length':
      return batchesByLength(settings, order)
    case 'mixed':
    case 'homogeneous':
      return batchesOfSets(settings, order)
    default:
      return order satisfies never
  }
}

function uniformBatches({ seed, examples, batchSize, dropLast }: ExampleBatchesSettings): ExampleBatches {
  const sampler = createSampler({ seed, examples, batchSize, dropLast })
  return {
    ...sampler,
    batchesIn: epochs => epochs * sampler.batchesPerEpoch,
    restore: state => sampler.restore(state as SamplerState),
  }
}

/** Rows sorted at once; a window of a single row would be a batch of one. */
const WINDOW = 16384
const windowFor = (rows: number): number => (rows % WINDOW === 1 ? WINDOW - 1 : WINDOW)

function batchesByLength(
  { seed, examples, batchSize }: ExampleBatchesSettings,
  { lengths, tokens, leastRows }: Extract<ExampleOrder, { kind: 'by_length' }>,
): ExampleBatches {
  const batches = createLengthBatches({ seed, lengths, tokens, batchSize, leastRows, window: windowFor(examples) })
  return { ...batches, restore: state => batches.restore(state as LengthBatchesState) }
}

function batchesOfSets(
  { seed, examples, batchSize, dropLast }: ExampleBatchesSettings,
  { kind, sets }: Extract<ExampleOrder, { kind: 'mixed' | 'homogeneous' }>,
): ExampleBatches {
  const counted = sets.map(({ examples: own, ...set }) => ({ ...set, rows: own.length }))
  const batches = createSetBatches({ seed, sets: counted, batchSize, mode: kind, dropLast })
  return {
    ...batches,
    next() {
      const { step, sets: chosen, rows } = batches.next()
      const indices = Int32Array.from(chosen, (set, i) => sets[set]!.examples[rows[i]!]!)
      return { epoch: Math.floor((step * batchSize) / examples), indices, sets: chosen }
    },
    batchesIn: epochs => Math.max(1, Math.floor((examples * epochs) / batchSize)),
    restore: state => batches.restore(state as SetBatchesState),
  }
}
