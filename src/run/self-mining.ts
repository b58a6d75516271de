// Negatives that a model finds itself while it is trained: the queries of its training pairs are searched for among the passages of their set, under the
// model as it is at that step.
import type { Backend } from '../backend/backend.js'
import { type PackedBatch, selectSequences } from '../model/batch.js'
import type { NegativeSettings } from '../recipe/negatives.js'
import { type MiningRules, mineQuery } from '../retrieve/mining.js'
import { type RankingModel, rankTexts } from '../retrieve/rank.js'
import { MOST_RESULTS } from '../retrieve/search.js'
import type { Example } from '../train/loop.js'
import type { BatchedPairs } from './batches.js'

/** What a recipe's [train.negatives] keeps of mined ones. */
export const miningRules = ({ hard, pool = hard, ranks, margin, share }: NegativeSettings): MiningRules => ({
  count: pool,
  choose: 'top',
  ...(ranks && { ranks: { first: ranks[0]!, last: ranks[1]! } }),
  ...(margin !== undefined && { margin }),
  ...(share !== undefined && { share }),
})

/** Documents looked at for a query. */
export const miningDepth = ({ depth = 50 }: Pick<NegativeSettings, 'depth'>): number => depth

export interface SelfMined {
  /** (examples) */
  readonly negatives: readonly (readonly number[])[]
  /** Positives among what was found: none of them is a negative. */
  readonly positives: number
  /** Examples of which the filters left nothing, so that they have the best of what they left out, or their own. */
  readonly fallbacks: number
}

/** Distinct passages of the examples, one row for each sequence of ids. */
export function passagesOf(texts: PackedBatch, examples: readonly Example[]): number[] {
  const known = new Map<string, number>()
  for (const { positive, negatives } of examples)
    for (const row of [positive, ...negatives]) {
      const key = keyOf(texts, row)
      if (!known.has(key)) known.set(key, row)
    }
  return [...known.values()].sort((a, b) => a - b)
}

const keyOf = ({ ids, offsets }: PackedBatch, row: number): string =>
  ids.subarray(offsets[row]!, offsets[row + 1]!).join()

/** Mines for all examples, each set by itself. A passage that is a positive of the same query on any line is none of its negatives. */
export async function mineItself(
  backend: Backend,
  model: RankingModel,
  { texts, examples, setOf }: Pick<BatchedPairs, 'texts' | 'examples' | 'setOf'>,
  settings: NegativeSettings,
  signal?: AbortSignal,
): Promise<SelfMined> {
  const rules = miningRules(settings)
  const negatives = examples.map((): readonly number[] => [])
  const counts = { positives: 0, fallbacks: 0 }
  for (const set of new Set(setOf)) {
    const members = examples.flatMap((_, i) => (setOf[i] === set ? [i] : []))
    const own = members.map(i => examples[i]!)
    const passages = passagesOf(texts, own)
    const place = new Map(passages.map((row, i) => [keyOf(texts, row), i]))
    const positives = positivesOf(texts, own, place)
    const queries = [...positives.keys()]
    const most = Math.max(...[...positives.values()].map(({ size }) => size))
    const k = Math.min(miningDepth(settings) + most, passages.length, MOST_RESULTS)
    const [asked, corpus] = [selectSequences(texts, queries), selectSequences(texts, passages)]
    const { found, scoresOf } = await rankTexts(backend, model, asked, corpus, { k, ...(signal && { signal }) })
    const mined = queries.map((query, q) => {
      const mine = positives.get(query)!
      const range = [q * found.k, (q + 1) * found.k] as const
      const rows = found.rows.subarray(...range)
      const scores = found.scores.subarray(...range)
      const isPositive = (row: number) => mine.has(row)
      const result = mineQuery({ rows, scores, positiveScores: scoresOf(q, [...mine]) }, isPositive, rules)
      counts.positives += result.positives
      const chosen = result.chosen.map(at => passages[rows[at]!]!)
      const others = Array.from(rows).filter(row => row >= 0 && !isPositive(row))
      return { chosen, spare: others.slice(0, 1).map(row => passages[row]!) }
    })
    const numberOf = new Map(queries.map((query, q) => [query, q]))
    members.forEach((i, at) => {
      const { chosen, spare } = mined[numberOf.get(own[at]!.query)!]!
      if (chosen.length === 0) counts.fallbacks++
      const fallback = own[at]!.negatives.length > 0 ? own[at]!.negatives : spare
      negatives[i] = chosen.length > 0 ? chosen : fallback
    })
  }
  const without = negatives.filter(list => list.length === 0).length
  if (without > 0)
    throw new Error(
      `${without} of ${examples.length} training pairs have no passage that could be a negative; give them negatives, or leave train.negatives.source out`,
    )
  return { negatives, ...counts }
}

/** Of each query the places of its positives among the passages. */
function positivesOf(
  texts: PackedBatch,
  examples: readonly Example[],
  place: ReadonlyMap<string, number>,
): Map<number, Set<number>> {
  const all = new Map<number, Set<number>>()
  for (const { query, positive } of examples) {
    const own = all.get(query) ?? new Set<number>()
    all.set(query, own.add(place.get(keyOf(texts, positive))!))
  }
  return all
}
