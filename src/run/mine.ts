// Hard negatives for training pairs: their queries searched for among documents, by BM25 or an encoder; what is neither a positive nor likely one is
// kept. Whatever is a positive of a query on any of its lines is none of its negatives, under another id or with other spaces neither.
import type { Backend } from '../backend/backend.js'
import type { TrainingPair } from '../data/pairs.js'
import { startSampling } from '../data/sampling.js'
import { drawsOf } from '../data/sampling-draws.js'
import { createBm25Index, scoreBm25, searchBm25 } from '../retrieve/bm25.js'
import { type MiningRules, mineQuery, passageKey } from '../retrieve/mining.js'
import { type Ranked, type RankingModel, rankTexts } from '../retrieve/rank.js'
import { MOST_RESULTS } from '../retrieve/search.js'
import { onThreads } from '../text/on-threads.js'
import type { Tokenizer } from '../text/tokenizer.js'
import { type ModelSource, packTexts } from './model.js'

/** Finds each query's best documents. */
export type MiningSearch = (queries: readonly string[], documents: readonly string[], k: number) => Promise<Ranked>

export const searchByWords: MiningSearch = async (queries, documents, k) => {
  const index = createBm25Index(documents)
  return {
    found: searchBm25(index, queries, { k }),
    scoresOf: (query, rows) => scoreBm25(index, queries[query]!, rows),
  }
}

export interface EncoderSearchOptions {
  /** Tokens of a text at most. */
  readonly maxLength: number
  readonly onProgress?: (done: { readonly done: number; readonly total: number }) => void
  readonly onTruncated?: (texts: number) => void
  readonly signal?: AbortSignal
}

export const searchByEncoder =
  (backend: Backend, source: ModelSource, model: RankingModel, options: EncoderSearchOptions): MiningSearch =>
  async (queries, documents, k) => {
    const { maxLength, onProgress, onTruncated, signal } = options
    const packed = (kind: 'query' | 'document', texts: readonly string[]) =>
      packTexts(source.tokenizer as Tokenizer, source.settings, kind, texts, maxLength)
    const both = () => [packed('query', queries), packed('document', documents)] as const
    const [asked, corpus] = await onThreads(source.tokenizer as Tokenizer, documents, both)
    if (asked.truncated + corpus.truncated > 0) onTruncated?.(asked.truncated + corpus.truncated)
    const total = asked.ids.length + corpus.ids.length
    const hooks = { onProgress: (done: number) => onProgress?.({ done, total }), ...(signal && { signal }) }
    return rankTexts(backend, model, asked, corpus, { k, ...hooks })
  }

export interface MineOptions extends MiningRules {
  /** Documents looked at for each query. */
  readonly depth: number
  readonly seed: number
  /** The negatives that pairs have already stay in front; `count` is of both. */
  readonly keep?: boolean
  /** Writes the model's scores beside the texts, for losses that follow a teacher. */
  readonly scores?: boolean
}

export interface MineCounts {
  readonly pairs: number
  readonly negatives: number
  /** Positives among what was found: none of them is a negative. */
  readonly positives: number
  /** Candidates that a margin or the window of ranks left out. */
  readonly filtered: number
  /** Pairs with fewer negatives than asked for, and those of them with none. */
  readonly short: number
  readonly without: number
}

/** `documents`: where negatives come from; the positives are looked up among them too. A query's lines have the same candidates. */
export async function minePairs(
  pairs: readonly TrainingPair[],
  documents: readonly string[],
  search: MiningSearch,
  options: MineOptions,
): Promise<{ readonly pairs: TrainingPair[]; readonly counts: MineCounts }> {
  const store = storeOf(pairs, documents)
  const queries = [...store.positives.keys()]
  const k = Math.min(options.depth, store.texts.length, MOST_RESULTS)
  const { found, scoresOf } = await search(queries, store.texts, k)
  const counts = { pairs: pairs.length, negatives: 0, positives: 0, filtered: 0, short: 0, without: 0 }
  const numberOf = new Map(queries.map((query, i) => [query, i]))
  const draws = drawsOf(startSampling(options.seed))
  const width = queries.length === 0 ? 0 : found.rows.length / queries.length
  const mined = pairs.map(pair => {
    const q = numberOf.get(pair.query)!
    const [rows, scores] = [found.rows, found.scores].map(all => all.subarray(q * width, (q + 1) * width))
    const positives = store.positives.get(pair.query)!
    const positiveScores = scoresOf(q, [...positives])
    const kept = options.keep ? pair.negatives : []
    const known = new Set(kept.map(passageKey))
    const own = { rows: rows!.filter(row => row < 0 || !known.has(store.keys[row]!)), scores: scores! }
    if (known.size > 0)
      own.scores = scores!.filter((_, place) => rows![place]! < 0 || !known.has(store.keys[rows![place]!]!))
    const rules = { ...options, count: Math.max(0, options.count - kept.length) }
    const result = mineQuery({ ...own, positiveScores }, row => positives.has(row), rules, draws)
    counts.negatives += kept.length + result.chosen.length
    counts.positives += result.positives
    counts.filtered += result.filtered
    if (kept.length + result.chosen.length < options.count) counts.short++
    if (kept.length + result.chosen.length === 0) counts.without++
    const chosen = result.chosen.map(place => own.rows[place]!)
    const { positiveScores: _, negativeScores: __, ...plain } = pair
    const scoreTexts = (texts: readonly string[]) =>
      scoresOf(
        q,
        texts.map(text => store.rowOf.get(passageKey(text))!),
      )
    return {
      ...plain,
      negatives: [...kept, ...chosen.map(row => store.texts[row]!)],
      ...(options.scores && {
        positiveScores: scoreTexts(pair.positives),
        negativeScores: [...scoreTexts(kept), ...scoresOf(q, chosen)],
      }),
    }
  })
  return { pairs: mined, counts }
}

/** Distinct passages: the documents, and what of the pairs is not among them. */
function storeOf(pairs: readonly TrainingPair[], documents: readonly string[]) {
  const texts: string[] = []
  const rowOf = new Map<string, number>()
  const add = (text: string): number => {
    const key = passageKey(text)
    const row = rowOf.get(key) ?? texts.length
    if (row === texts.length) {
      rowOf.set(key, row)
      texts.push(text)
    }
    return row
  }
  for (const text of documents) add(text)
  const positives = new Map<string, Set<number>>()
  for (const pair of pairs) {
    const own = positives.get(pair.query) ?? new Set<number>()
    positives.set(pair.query, own)
    for (const text of pair.positives) own.add(add(text))
    for (const text of pair.negatives) add(text)
  }
  return { texts, rowOf, positives, keys: texts.map(passageKey) }
}
