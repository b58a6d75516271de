// How a recipe's [train] puts training pairs into batches, as the loop is told.
import { createExampleBatches, type ExampleOrder } from '../data/example-batches.js'
import type { PackedBatch } from '../model/batch.js'
import type { TrainSettings } from '../recipe/schema.js'
import type { Example } from '../train/loop.js'

/** What batches are made of. */
export interface BatchedPairs {
  readonly texts: PackedBatch
  readonly examples: readonly Example[]
  /** The training sets, by the names of the recipe. */
  readonly sets: readonly string[]
  /** The set of each example. (examples) */
  readonly setOf: Int32Array
}

/** Fails where a batch cannot be made as the recipe says. */
export function orderOf(train: TrainSettings, pairs: BatchedPairs): ExampleOrder {
  if (train.batches === 'by_length') return orderByLength(train, pairs)
  if (train.sets === 'together') return { kind: 'uniform' }
  const members: number[][] = pairs.sets.map(() => [])
  for (const [example, set] of pairs.setOf.entries()) members[set]!.push(example)
  const { weights } = train
  return {
    kind: train.sets,
    sets: pairs.sets.map((name, i) => ({ name, weight: weights?.[i] ?? 1, examples: members[i]! })),
  }
}

function orderByLength(train: TrainSettings, { texts, examples }: BatchedPairs): ExampleOrder {
  const { hard } = train.negatives
  const lengths = Int32Array.from(examples, example => tokensOf(example, texts, hard))
  const longest = lengths.reduce((a, b) => Math.max(a, b), 0)
  const tokens = train.tokens_per_batch!
  // With in-batch negatives alone no batch may have a single pair: room for any three leaves none over.
  const needed = hard > 0 ? longest : 3 * longest
  if (tokens < needed)
    throw new Error(
      `train.tokens_per_batch is ${tokens}, but the longest training pair has ${longest} tokens${hard > 0 ? '' : ', and three have to fit'}; ` +
        `set it to ${needed} or more, or lower train.max_length`,
    )
  if (hard === 0 && examples.length < 2)
    throw new Error(
      'a single training pair has no negatives, and InfoNCE needs at least one; set train.negatives.hard to 1 or more',
    )
  return { kind: 'by_length', tokens, lengths, leastRows: hard > 0 ? 1 : 2 }
}

/** Of its query, its positive and the longest negatives that may be drawn. */
function tokensOf({ query, positive, negatives }: Example, { offsets }: PackedBatch, hard: number): number {
  const length = (text: number) => offsets[text + 1]! - offsets[text]!
  const longest = negatives.map(length).sort((a, b) => b - a)
  let sum = length(query) + length(positive)
  // Where there are fewer than asked for, some are drawn twice.
  for (let i = 0; i < hard; i++) sum += (negatives.length < hard ? longest[0] : longest[i]) ?? 0
  return sum
}

/** Updates of so many passes over the examples: a rest that is no whole update is left out. */
export function stepsIn(
  epochs: number,
  { batch_size: batchSize, accumulation, drop_last: dropLast }: TrainSettings,
  examples: number,
  seed: number,
  order: ExampleOrder,
): number {
  const batches = createExampleBatches({ seed, examples, batchSize, dropLast, order }).batchesIn(epochs)
  return Math.max(1, Math.floor(batches / accumulation))
}
