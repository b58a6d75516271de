// Exact search: random unit vectors, the best k of each query. Checked for some queries against all scores in f64.
import type { Backend } from '../backend/backend.js'
import { searchExact } from '../retrieve/search.js'
import { sampled } from './checks.js'
import { uniformValues } from './host.js'
import { isSoftware, placeOf, type Report } from './row.js'
import { timeCalls } from './timing.js'

const WIDTH = 384
const K = 100
/** Between scores of unit vectors. */
const TOLERANCE = 1e-6

export function unitVectors(count: number, width: number, seed: number): Float32Array {
  const values = uniformValues(count * width, seed)
  for (let first = 0; first < values.length; first += width) {
    const row = values.subarray(first, first + width)
    const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0))
    for (let i = 0; i < width; i++) row[i]! /= length
  }
  return values
}

export async function benchSearch(backend: Backend, seconds: number, report: Report): Promise<void> {
  const [queryCount, documents] = isSoftware(backend) ? [32, 2000] : [256, 50_000]
  const [queries, corpus] = [unitVectors(queryCount, WIDTH, 41), unitVectors(documents, WIDTH, 42)]
  const search = () => searchExact(backend, queries, corpus, WIDTH, { k: K })
  const { scores, rows } = await search()
  const error = sampled(queryCount, 2).reduce((worst, query) => {
    const each = searchError(queries.subarray(query * WIDTH, (query + 1) * WIDTH), corpus, {
      scores: scores.subarray(query * K, (query + 1) * K),
      rows: rows.subarray(query * K, (query + 1) * K),
    })
    return Math.max(worst, each)
  }, 0)
  const time = await timeCalls(async () => void (await search()), { seconds })
  report({
    name: 'search',
    shape: `${queryCount}×${documents}×${WIDTH}, k ${K}`,
    ...placeOf(backend),
    variant: 'exact',
    verified: error <= TOLERANCE,
    max_error: error,
    milliseconds: time,
    gflops: (2 * queryCount * documents * WIDTH) / time / 1e6,
    queries_per_second: (queryCount / time) * 1000,
  })
}

/** How far scores are from f64, and how far below the k-th best one of those found is; NaN where a row is found twice or is none. */
export function searchError(
  query: Float32Array,
  corpus: Float32Array,
  found: { readonly scores: Float32Array; readonly rows: Int32Array },
): number {
  const width = query.length
  const exact = Float64Array.from({ length: corpus.length / width }, (_, row) => {
    let sum = 0
    for (let i = 0; i < width; i++) sum += query[i]! * corpus[row * width + i]!
    return sum
  })
  const best = exact.slice().sort().reverse()
  if (new Set(found.rows).size !== found.rows.length) return Number.NaN
  return found.rows.reduce((worst, row, rank) => {
    const score = exact[row] ?? Number.NaN
    // In order, too: the score at a rank is the score that belongs there.
    const error = Math.max(Math.abs(found.scores[rank]! - score), Math.abs(score - best[rank]!))
    return Math.max(worst, error)
  }, 0)
}
