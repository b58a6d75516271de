// What a training step will hold, found from its plan before anything runs.
import type { Backend } from '../backend/backend.js'
import type { ExampleOrder } from '../data/example-batches.js'
import { batchArrays, type PackedBatch, selectSequences } from '../model/batch.js'
import { encoderWidth } from '../model/encoder.js'
import { checkLimits, createPlan, memoryFigure, type Plan } from '../tensor/plan.js'
import type { Tensor, Values } from '../tensor/tensor.js'
import { createTrace, runTape, type Trace } from '../tensor/trace.js'
import { type ContrastiveBatch, type ContrastiveSettings, candidatesOf } from './contrastive.js'
import { lossShape } from './contrastive-loss.js'
import {
  chunksOf,
  recordCachedLoss,
  recordChunkBackward,
  recordForwardAndLoss,
  rowsOf,
  sidesOf,
} from './contrastive-trace.js'
import { lateValues } from './late-loss.js'
import type { Example } from './loop.js'

/**
 * Bytes of activations, inputs and cached representations of a step over this batch. Fails where a tensor of it does not fit the backend,
 * naming it.
 */
export function stepMemory(backend: Backend, settings: ContrastiveSettings, batch: ContrastiveBatch): number {
  const { chunkSize, query } = settings
  const sides = sidesOf(batch, settings)
  const sequences = batch.query.offsets.length + batch.passage.offsets.length - 2
  const bytesOf = (name: string, values: Values, record: (trace: Trace) => void): number => {
    const trace = createTrace({ training: true })
    record(trace)
    return planBytes(createPlan(name, trace), values, backend)
  }
  const loss = placeholder('loss', [1])
  const shape = settings.late
    ? { values: { ...lossShape(batch).values, ...lateValues(batch) }, tiles: 1 }
    : lossShape(batch, settings)
  const valuesOf = (part: PackedBatch, side: (typeof sides)[number]) =>
    batchArrays(part, side.prefix, side.encoder).values
  if (chunkSize === undefined || sequences <= chunkSize) {
    const values = Object.assign({ ...shape.values }, ...sides.map(side => valuesOf(side.batch, side)))
    return bytesOf('step', values, trace => {
      recordForwardAndLoss(trace, settings, loss, shape.tiles)
      runTape(trace)
    })
  }
  const rows = sides.reduce((sum, side) => sum + rowsOf(side), 0)
  const cached = [rows, encoderWidth(query)]
  const [reps, dreps] = [placeholder('cache', cached), placeholder('dcache', cached)]
  const chunks = sides.flatMap(side =>
    chunksOf(side.batch, chunkSize).map(({ part }) =>
      bytesOf('chunk', valuesOf(part, side), trace => recordChunkBackward(trace, side, settings, dreps)),
    ),
  )
  const onLoss = bytesOf('loss', shape.values, trace =>
    recordCachedLoss(trace, settings, reps, dreps, loss, shape.tiles),
  )
  return Math.max(onLoss, ...chunks) + 2 * 4 * rows * encoderWidth(query)
}

/** Batches of which no batch that is drawn needs more than one of these. */
export function heaviestBatches(
  texts: PackedBatch,
  examples: readonly Example[],
  settings: HeaviestSettings & { readonly order?: ExampleOrder },
): ContrastiveBatch[] {
  const { order, batchSize } = settings
  if (order?.kind !== 'by_length') return [heaviestBatch(texts, examples, settings)]
  // At the two ends of the budget: few long examples, and as many short ones as there is room for.
  const sorted = Array.from(order.lengths).sort((a, b) => a - b)
  const fitting = (lengths: readonly number[]) => {
    let [count, sum] = [0, 0]
    while (count < Math.min(batchSize, lengths.length) && sum + lengths[count]! <= order.tokens)
      sum += lengths[count++]!
    return count
  }
  const [most, fewest] = [fitting(sorted), fitting(sorted.toReversed())]
  const shortest = sorted[Math.max(0, most - 1)]!
  const short = examples.filter((_, i) => order.lengths[i]! <= shortest)
  return [
    heaviestBatch(texts, examples, { ...settings, batchSize: fewest }),
    heaviestBatch(texts, short, { ...settings, batchSize: most }),
  ]
}

interface HeaviestSettings {
  readonly batchSize: number
  readonly hardNegatives: number
  readonly inBatch: boolean
}

/** The batch of `size` examples with the longest texts of all: no batch that is drawn holds more. */
export function heaviestBatch(
  texts: PackedBatch,
  examples: readonly Example[],
  { batchSize, hardNegatives, inBatch }: HeaviestSettings,
): ContrastiveBatch {
  const length = (text: number) => texts.offsets[text + 1]! - texts.offsets[text]!
  const longest = (rows: number[], count: number) => {
    const sorted = rows.sort((a, b) => length(b) - length(a))
    return Array.from({ length: count }, (_, i) => sorted[Math.min(i, sorted.length - 1)]!)
  }
  const queries = Math.min(batchSize, examples.length)
  const passages = examples.flatMap(({ positive, negatives }) =>
    hardNegatives > 0 ? [positive, ...negatives] : [positive],
  )
  const perQuery = 1 + hardNegatives
  return {
    query: selectSequences(
      texts,
      longest(
        examples.map(example => example.query),
        queries,
      ),
    ),
    passage: selectSequences(texts, longest(passages, queries * perQuery)),
    ...candidatesOf(queries, perQuery, inBatch),
  }
}

const placeholder = (name: string, shape: readonly number[]): Tensor => ({
  name,
  shape,
  dtype: 'f32',
  role: 'external',
  needsGradient: false,
})

function planBytes(plan: Plan, values: Values, backend: Backend): number {
  checkLimits(plan, values, backend.limits)
  const { temporaries, inputs, outputs } = memoryFigure(plan, values)
  return temporaries + inputs + outputs
}
