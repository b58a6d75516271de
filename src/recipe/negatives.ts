// Where a training's hard negatives come from, and what is left out of those that are mined.
import * as v from 'valibot'
import { above, choice, flag, integer, list } from './fields.js'
import { display, type Problem } from './problems.js'

export const negativeSources = ['own', 'none', 'bm25', 'self', 'both'] as const

export const negatives = v.strictObject({
  /** The other pairs' documents. */
  in_batch: v.optional(flag(), true),
  /** Hard negatives drawn for each pair. */
  hard: v.optional(integer(0), 0),
  /** Whether a query's own document, there again as that of another pair of the batch, is left out of its negatives. */
  mask_duplicates: v.optional(flag(), false),
  /**
   * own (the default): the data set's; none: there are no hard ones; bm25: what BM25 ranks highest of the other documents of the pair's set; self: what the model
   * ranks highest, found again every `refresh` steps; both: each query counts twice, once with BM25's and once with the model's.
   */
  source: v.optional(choice(negativeSources)),
  /** self and both: steps after which the model mines again; default: before the first step only. */
  refresh: v.optional(integer(1)),
  /** Documents that are looked at for a query when negatives are mined; default 50. */
  depth: v.optional(integer(1, 1000)),
  /** Mined negatives kept of a query, of which `hard` are drawn each time; default: `hard`. */
  pool: v.optional(integer(1, 1000)),
  /** Ranks among what was found that are taken, positives not counted, such as [10, 50]; default: all. */
  ranks: v.optional(list(integer(1, 1000), 'two ranks such as [10, 50]')),
  /** Of mined negatives: they score at least so much less than the positive. */
  margin: v.optional(above(0)),
  /** Of mined negatives: they score at most this share of the positive's score, 0.95 say. */
  share: v.optional(above(0)),
})

export type NegativeSettings = v.InferOutput<typeof negatives>

export const isMined = ({ source }: Pick<NegativeSettings, 'source'>): boolean =>
  source === 'bm25' || source === 'self' || source === 'both'
export const minesItself = ({ source }: Pick<NegativeSettings, 'source'>): boolean =>
  source === 'self' || source === 'both'

const problem = (key: string, message: string): Problem => ({ key: `train.negatives.${key}`, message })

export function* negativeProblems(settings: NegativeSettings, batches: string, loss: string): Generator<Problem> {
  const { source = 'own', hard, ranks, depth = 50 } = settings
  const own = display(source)
  if (isMined(settings) && hard === 0)
    yield problem('source', `is ${own}, but train.negatives.hard is 0: none would be used; set hard to 1 or more`)
  if (source === 'none' && hard > 0) yield problem('source', `is "none", but hard is ${hard}; set hard to 0`)
  if (settings.refresh !== undefined && !minesItself(settings))
    yield problem('refresh', `is for source = "self" or "both", found ${own}; leave it out`)
  for (const key of ['depth', 'pool', 'ranks', 'margin', 'share'] as const)
    if (settings[key] !== undefined && !isMined(settings))
      yield problem(key, `is for mined negatives, but source is ${own}; leave it out`)
  if (ranks && (ranks.length !== 2 || ranks[0]! > ranks[1]! || ranks[1]! > depth))
    yield problem('ranks', `is ${display(ranks)}, expected two ranks in order, up to depth (${depth})`)
  if (minesItself(settings) && batches === 'by_length')
    yield problem('source', `is ${own}, which goes with train.batches = "uniform" only: lengths change as negatives do`)
  if (isMined(settings) && (loss === 'kl' || loss === 'margin_mse'))
    yield problem('source', `is ${own}, but train.loss = ${display(loss)} needs a teacher's scores of its negatives`)
}
