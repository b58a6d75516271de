// Retrieval measures as trec_eval computes them, per query and averaged. Rules: results ordered by score as float32,
// ties by id (data/trec.ts); relevant = grade > 0; with r_i the rank of the i-th relevant result, R relevant and N
// judged non-relevant (grade 0) documents,
//   nDCG@k = Σ_{r_i ≤ k} grade_i / log₂(r_i + 1), over the same sum for all judged documents in their best order
//   MAP@k  = 1/R Σ_{r_i ≤ k} i / r_i          MRR@k = 1 / r_1 where r_1 ≤ k          R-precision = precision at R
//   bpref  = 1/R Σ_i 1 − min(n_i, R) / min(R, N), n_i the judged non-relevant results above r_i (Buckley & Voorhees 2004)
// A measure of a query without relevant documents is 0, and the query counts.
import { wrong } from '../data/given.js'
import type { Qrels } from '../data/qrels.js'
import { type Result, type Run, rankResults } from '../data/trec.js'
import { defaultMeasures, type Measure, type MeasureKind, parseMeasure } from './measures.js'

/** All that the measures need to know of one query's ranking. */
interface JudgedRanking {
  /** Ranks of the relevant results, from 1, ascending; then beside them their grades and n_i. */
  readonly ranks: number[]
  readonly grades: number[]
  readonly nonRelevantAbove: number[]
  /** The grades of all relevant documents, descending: length R. */
  readonly ideal: number[]
  /** N. */
  readonly nonRelevant: number
}

const howMany = (ranks: number[], cut: number) => {
  const beyond = ranks.findIndex(rank => rank > cut)
  return beyond < 0 ? ranks.length : beyond
}

function dcg(grades: number[], rankOf: (i: number) => number, cut: number): number {
  let sum = 0
  for (let i = 0; i < grades.length && rankOf(i) <= cut; i++) sum += grades[i]! / Math.log2(rankOf(i) + 1)
  return sum
}

function averagePrecision({ ranks, ideal }: JudgedRanking, cut: number): number {
  let sum = 0
  for (let i = 0; i < ranks.length && ranks[i]! <= cut; i++) sum += (i + 1) / ranks[i]!
  return sum / ideal.length
}

function bpref({ nonRelevantAbove, ideal, nonRelevant }: JudgedRanking): number {
  const relevant = ideal.length
  let sum = 0
  for (const above of nonRelevantAbove)
    sum += above === 0 ? 1 : 1 - Math.min(above, relevant) / Math.min(relevant, nonRelevant)
  return sum / relevant
}

/** The formulas, for a query with at least one relevant document. */
const formulas: Record<MeasureKind, (ranking: JudgedRanking, cut: number) => number> = {
  ndcg: ({ ranks, grades, ideal }, cut) => dcg(grades, i => ranks[i]!, cut) / dcg(ideal, i => i + 1, cut),
  map: averagePrecision,
  mrr: ({ ranks }, cut) => (ranks.length > 0 && ranks[0]! <= cut ? 1 / ranks[0]! : 0),
  recall: ({ ranks, ideal }, cut) => howMany(ranks, cut) / ideal.length,
  // Divided by k even where there are fewer results, as trec_eval does.
  precision: ({ ranks }, cut) => howMany(ranks, cut) / cut,
  success: ({ ranks }, cut) => (howMany(ranks, cut) > 0 ? 1 : 0),
  r_precision: ({ ranks, ideal }) => howMany(ranks, ideal.length) / ideal.length,
  bpref,
}

function judge(judged: Map<string, number>, ranked: Result[]): JudgedRanking {
  const found = new Set<string>()
  const ranks: number[] = []
  const grades: number[] = []
  const nonRelevantAbove: number[] = []
  let nonRelevantSoFar = 0
  for (let i = 0; i < ranked.length; i++) {
    const id = ranked[i]!.id
    const grade = judged.get(id)
    if (grade === undefined) continue
    // Counted twice, a relevant document would lift recall above 1.
    if (found.has(id))
      throw new Error(`document ${JSON.stringify(id)} is twice among the results; a run ranks a document once`)
    found.add(id)
    if (grade === 0) nonRelevantSoFar++
    if (grade <= 0) continue
    ranks.push(i + 1)
    grades.push(grade)
    nonRelevantAbove.push(nonRelevantSoFar)
  }
  const all = [...judged.values()]
  const ideal = all.filter(grade => grade > 0).sort((a, b) => b - a)
  return { ranks, grades, nonRelevantAbove, ideal, nonRelevant: all.filter(grade => grade === 0).length }
}

export interface EvaluationOptions {
  /** Average over all judged queries, one without results counting 0 (trec_eval -c), instead of those with results. */
  readonly complete?: boolean
  /** BEIR's rule: a result whose id is the query's is dropped before ranks are given. */
  readonly dropSameId?: boolean
}

/** A run's scores. */
export interface Evaluation {
  /** Measure → mean over the queries. */
  readonly scores: Record<string, number>
  /** Query → measure → value, for the queries that the means run over, in the order of the judgements. */
  readonly perQuery: Record<string, Record<string, number>>
  readonly counts: {
    /** That the means run over. */
    readonly queries: number
    /** Judged queries without results, and queries with results that nobody judged (never counted). */
    readonly missing: number
    readonly unjudged: number
  }
}

/**
 * Scores a run against judgements. Fails at an unknown measure, at a score that is NaN, at a judged document twice in a
 * query's results, and where no query is both judged and in the run.
 */
export function evaluateRun(
  qrels: Qrels,
  run: Run,
  measures: readonly string[] = defaultMeasures,
  { complete = false, dropSameId = false }: EvaluationOptions = {},
): Evaluation {
  for (const [name, given, maker] of [
    ['qrels', qrels, 'readQrels'],
    ['run', run, 'readRun'],
  ] as const)
    if (!(given instanceof Map)) throw wrong(`evaluateRun, ${name}`, 'a Map', given, `${maker}() gives one`)
  const parsed = measures.map(parseMeasure)
  const values = new Map<string, Record<string, number>>()
  let missing = 0
  for (const [query, judged] of qrels) {
    const results = run.get(query) ?? []
    // A query without results leaves no line in a run file, so an empty list is a query that is not in the run.
    if (results.length === 0) missing++
    if (results.length > 0 || complete) values.set(query, evaluateQuery(query, judged, results, parsed, dropSameId))
  }
  const withResults = qrels.size - missing
  if (withResults === 0) throw new Error(disjoint(qrels, run))
  const perQuery = Object.fromEntries(values)
  const scores = Object.fromEntries(measures.map(name => [name, meanOf([...values.values()], name)]))
  const inRun = [...run.values()].filter(results => results.length > 0).length
  return { scores, perQuery, counts: { queries: values.size, missing, unjudged: inRun - withResults } }
}

function evaluateQuery(
  query: string,
  judged: Map<string, number>,
  results: Result[],
  measures: Measure[],
  dropSameId: boolean,
) {
  try {
    const kept = dropSameId ? results.filter(({ id }) => id !== query) : results
    const ranking = judge(judged, rankResults(kept))
    const scored = measures.map(({ name, kind, cut }) => [
      name,
      ranking.ideal.length ? formulas[kind](ranking, cut) : 0,
    ])
    return Object.fromEntries(scored) as Record<string, number>
  } catch (error) {
    throw new Error(`query ${JSON.stringify(query)}: ${(error as Error).message}`)
  }
}

const meanOf = (rows: Record<string, number>[], name: string) =>
  rows.reduce((sum, row) => sum + row[name]!, 0) / rows.length

function disjoint(qrels: Qrels, run: Run): string {
  const some = (ids: Iterable<string>) =>
    [...ids]
      .slice(0, 3)
      .map(id => JSON.stringify(id))
      .join(', ') || 'none'
  return `no query is both judged and in the run: the judgements are for ${some(qrels.keys())}, the run has ${some(run.keys())}; do the two files belong together?`
}
