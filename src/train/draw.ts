// What a batch is made of, drawn: examples, one of their forms each, and their negatives; the same for whoever goes through the same stream.
import type { ExampleBatches } from '../data/example-batches.js'
import { type PackedBatch, selectSequences } from '../model/batch.js'
import { type ContrastiveBatch, candidatesOf } from './contrastive.js'
import type { Example, LoopSettings } from './loop.js'

/** A batch before its texts are put together: rows of the store. */
export interface DrawnRows {
  /** (Q) */
  readonly queries: readonly number[]
  /** [positive, negatives …] for each query. */
  readonly passages: readonly number[]
  /** A teacher's scores of them, where examples have any. */
  readonly teacher: readonly number[]
  readonly epoch: number
  /** Queries of which negatives were drawn twice. */
  readonly repeated: number
  /** Of several training sets: that of each query. */
  readonly sets?: Int32Array
}

export interface Drawn extends Pick<DrawnRows, 'epoch' | 'repeated' | 'sets'> {
  readonly batch: ContrastiveBatch
}

export function drawRows(
  sampler: ExampleBatches,
  examples: readonly Example[],
  { hardNegatives, teacher: withTeacher }: Pick<LoopSettings, 'hardNegatives' | 'teacher'>,
): DrawnRows {
  const { indices, epoch, sets } = sampler.next()
  const chosen = Array.from(indices, index => {
    const { variants, ...own } = examples[index]!
    return variants ? variants[sampler.drawInteger(variants.length)]! : own
  })
  let repeated = 0
  const teacher: number[] = []
  const passages = chosen.flatMap(({ positive, negatives, scores }) => {
    if (withTeacher && !scores) throw new Error('an example has no scores of a teacher, but the loss needs them')
    if (scores) teacher.push(scores.positive)
    if (hardNegatives === 0) return [positive]
    if (negatives.length === 0)
      throw new Error(
        `an example has no hard negatives, but ${hardNegatives} are asked for; set train.negatives.hard = 0 or mine some`,
      )
    const draw = sampler.drawNegatives(hardNegatives, negatives.length)
    if (draw.repeated) repeated++
    if (scores) teacher.push(...Array.from(draw.indices, i => scores.negatives[i]!))
    return [positive, ...Array.from(draw.indices, i => negatives[i]!)]
  })
  return { queries: chosen.map(({ query }) => query), passages, teacher, epoch, repeated, ...(sets && { sets }) }
}

export function drawBatch(
  sampler: ExampleBatches,
  texts: PackedBatch,
  examples: readonly Example[],
  settings: Pick<LoopSettings, 'hardNegatives' | 'teacher' | 'inBatch' | 'accumulation'>,
): Drawn {
  const { queries, passages, teacher, ...rest } = drawRows(sampler, examples, settings)
  const { targets, weights } = candidatesOf(queries.length, 1 + settings.hardNegatives, settings.inBatch)
  const batch = {
    query: selectSequences(texts, queries),
    passage: selectSequences(texts, passages),
    targets,
    weights: weights.map(weight => weight / settings.accumulation),
    labels: Int32Array.from(passages),
    ...(settings.teacher && { teacher: Float32Array.from(teacher) }),
  }
  return { batch, ...rest }
}
