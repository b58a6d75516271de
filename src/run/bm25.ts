// BM25 scored on a collection, under the rules of evaluate.ts.
import type { Collection } from '../data/collection.js'
import { type Bm25Settings, bm25Defaults, createBm25Index, searchBm25 } from '../retrieve/bm25.js'
import { wordRule } from '../text/words.js'
import { type CollectionScores, type EvaluateSettings, resultsToFind, runOf, scoreRun, sortById } from './evaluate.js'

export interface Bm25Progress {
  readonly done: number
  readonly total: number
  /** Documents while they are indexed, then queries. */
  readonly unit: 'documents' | 'queries'
}

/**
 * Indexes the documents, searches for all queries, scores. A query without a known word finds nothing. In the result, tokens are the words
 * indexed, and seconds.encode is the time of indexing.
 */
export function evaluateBm25(
  collection: Collection,
  bm25: Partial<Bm25Settings>,
  settings: Pick<EvaluateSettings, 'k' | 'protocol' | 'measures'>,
  { onProgress }: { readonly onProgress?: (progress: Bm25Progress) => void } = {},
): CollectionScores {
  const { ids, texts } = sortById(collection.documents)
  const queries = collection.queries.texts
  const k = resultsToFind(settings)
  const report = (unit: Bm25Progress['unit'], total: number) => (done: number) => onProgress?.({ done, total, unit })
  const started = performance.now()
  const index = createBm25Index(counting(texts, report('documents', texts.length)), bm25)
  const indexedAt = performance.now()
  const searched = report('queries', queries.length)
  searched(0)
  const found = searchBm25(index, queries, { k, onProgress: done => searched(done.queries) })
  const searchedAt = performance.now()
  const run = runOf(collection, ids, found, settings)
  return {
    ...scoreRun(collection, run, settings),
    run,
    queries: queries.length,
    documents: texts.length,
    tokens: index.words,
    truncated: 0,
    truncatedQueries: 0,
    seconds: { encode: (indexedAt - started) / 1000, search: (searchedAt - indexedAt) / 1000 },
  }
}

/** The texts, telling how many of them were taken before. */
function* counting(texts: readonly string[], report: (done: number) => void): Generator<string> {
  for (const [i, text] of texts.entries()) {
    report(i)
    yield text
  }
  report(texts.length)
}

/** What a score of BM25 depends on, in one line. */
export function bm25Fingerprint(parts: {
  readonly protocol: string
  readonly k: number
  readonly bm25: Partial<Bm25Settings>
  readonly dataHash: string
}): string {
  const { k1, b, stemmer, stopWords } = { ...bm25Defaults, ...parts.bm25 }
  return [
    parts.protocol,
    `k=${parts.k}`,
    'bm25',
    `k1=${k1}`,
    `b=${b}`,
    `words=${wordRule}`,
    `stemmer=${stemmer}`,
    `stop_words=${stopWords}`,
    `data=${parts.dataHash.slice(0, 12)}`,
  ].join(' ')
}
