// The similarities of sentence-transformers' folders, and search by each: cosine and dot are products; euclidean and manhattan are negative distances.
//   −‖q − d‖₂ orders documents as q·d − ‖d‖²/2 does: one more column turns it into a product. What is found is scored again from the difference.
//   −‖q − d‖₁ is no product and is computed on the host.
import type { Backend } from '../backend/backend.js'
import type { Similarity } from '../model/sentence-transformers.js'
import { MOST_RESULTS, type SearchOptions, type SearchResult, searchExact } from './search.js'

const pairs: Record<Similarity, (a: Float32Array, i: number, b: Float32Array, j: number, width: number) => number> = {
  dot(a, i, b, j, width) {
    let sum = 0
    for (let c = 0; c < width; c++) sum += a[i + c]! * b[j + c]!
    return sum
  },
  cosine(a, i, b, j, width) {
    const length = (x: Float32Array, at: number) => Math.max(Math.sqrt(pairs.dot(x, at, x, at, width)), 1e-12)
    return pairs.dot(a, i, b, j, width) / (length(a, i) * length(b, j))
  },
  euclidean(a, i, b, j, width) {
    let sum = 0
    for (let c = 0; c < width; c++) sum += (a[i + c]! - b[j + c]!) ** 2
    return -Math.sqrt(sum)
  },
  manhattan(a, i, b, j, width) {
    let sum = 0
    for (let c = 0; c < width; c++) sum += Math.abs(a[i + c]! - b[j + c]!)
    return -sum
  },
}

/** a (M, width), b (N, width) → (M, N), summed in f64. */
export function similarityMatrix(kind: Similarity, a: Float32Array, b: Float32Array, width: number): Float32Array {
  const [M, N] = [a.length / width, b.length / width]
  const out = new Float32Array(M * N)
  for (let i = 0; i < M; i++)
    for (let j = 0; j < N; j++) out[i * N + j] = pairs[kind](a, i * width, b, j * width, width)
  return out
}

/** Rows found beyond k, so that what rounding put in the wrong order near the end is put right. */
const MARGIN = 16

/**
 * The k rows of `corpus` (N, width) most similar to each row of `queries` (Q, width). For cosine the rows of both must have length 1. Ties go to the
 * lower row.
 */
export async function searchSimilar(
  backend: Backend,
  kind: Similarity,
  queries: Float32Array,
  corpus: Float32Array,
  width: number,
  options: SearchOptions,
): Promise<SearchResult> {
  if (kind === 'manhattan') return searchManhattan(queries, corpus, width, options)
  if (kind !== 'euclidean') return searchExact(backend, queries, corpus, width, options)
  const center = columnMeans(corpus, width)
  const k = Math.min(options.k + MARGIN, MOST_RESULTS)
  const [q, d] = [
    withColumn(queries, width, center, () => 1),
    withColumn(corpus, width, center, squares => -squares / 2),
  ]
  return rescore(await searchExact(backend, q, d, width + 1, { ...options, k }), options.k, queries, corpus, width)
}

function columnMeans(x: Float32Array, width: number): Float64Array {
  const means = new Float64Array(width)
  for (let i = 0; i < x.length; i++) means[i % width]! += x[i]!
  return means.map(sum => sum / Math.max(1, x.length / width))
}

/** Rows less `center` (which changes no distance, and keeps the squares small), each with one more column made of its squared length. */
function withColumn(
  x: Float32Array,
  width: number,
  center: Float64Array,
  last: (squares: number) => number,
): Float32Array {
  const rows = x.length / width
  const out = new Float32Array(rows * (width + 1))
  for (let row = 0; row < rows; row++) {
    let squares = 0
    for (let c = 0; c < width; c++) {
      const value = Math.fround(x[row * width + c]! - center[c]!)
      out[row * (width + 1) + c] = value
      squares += value * value
    }
    out[row * (width + 1) + width] = last(squares)
  }
  return out
}

/** The best k of what was found, by euclidean distance. */
function rescore(
  found: SearchResult,
  asked: number,
  queries: Float32Array,
  corpus: Float32Array,
  width: number,
): SearchResult {
  const k = Math.min(asked, found.k)
  const count = found.k === 0 ? 0 : found.rows.length / found.k
  const scores = new Float32Array(count * k)
  const rows = new Int32Array(count * k)
  for (let q = 0; q < count; q++) {
    const scored = Array.from(found.rows.subarray(q * found.k, (q + 1) * found.k), row => ({
      row,
      score: Math.fround(pairs.euclidean(queries, q * width, corpus, row * width, width)),
    })).sort((x, y) => y.score - x.score || x.row - y.row)
    scored.slice(0, k).forEach(({ row, score }, rank) => {
      scores[q * k + rank] = score
      rows[q * k + rank] = row
    })
  }
  return { k, scores, rows }
}

/** Milliseconds between two turns of the event loop. */
const TURN = 50

async function searchManhattan(
  queries: Float32Array,
  corpus: Float32Array,
  width: number,
  { k: asked, onProgress, signal }: SearchOptions,
): Promise<SearchResult> {
  const [count, documents] = [queries.length / width, corpus.length / width]
  const k = Math.min(asked, documents)
  const scores = new Float32Array(count * k)
  const rows = new Int32Array(count * k)
  let turned = performance.now()
  for (let q = 0; q < count; q++) {
    signal?.throwIfAborted()
    const best = { scores: scores.subarray(q * k, (q + 1) * k), rows: rows.subarray(q * k, (q + 1) * k), filled: 0 }
    for (let row = 0; row < documents; row++)
      insert(best, Math.fround(pairs.manhattan(queries, q * width, corpus, row * width, width)), row)
    onProgress?.({ queries: q + 1 })
    if (performance.now() - turned < TURN) continue
    await new Promise(resolve => setTimeout(resolve, 0))
    turned = performance.now()
  }
  return { k, scores, rows }
}

/** Rows come in ascending order, so that one with an equal score goes behind. */
function insert(best: { scores: Float32Array; rows: Int32Array; filled: number }, score: number, row: number): void {
  const { scores, rows } = best
  if (best.filled === scores.length && !(score > scores[best.filled - 1]!)) return
  if (best.filled < scores.length) best.filled++
  let at = best.filled - 1
  for (; at > 0 && scores[at - 1]! < score; at--) {
    scores[at] = scores[at - 1]!
    rows[at] = rows[at - 1]!
  }
  scores[at] = score
  rows[at] = row
}
