// Exact search: random unit vectors, the best k of each query. Checked for some queries against all scores in f64.
import type { Backend } from '../backend/backend.js'
import type { Params } from '../backend/kernels.js'
import { createIndex, type SearchResult, searchExact } from '../retrieve/search.js'
import { sampled } from './checks.js'
import { type HostTensors, hostTensors, openCall, uniformValues } from './host.js'
import { isSoftware, placeOf, type Report } from './row.js'
import { milliseconds, takeTurns } from './timing.js'

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

const ROUNDS = 7

/** Searches of one corpus in turns with what bounds them: reading it once, and a product of a size that this backend is good at. */
export async function benchSearch(backend: Backend, seconds: number, report: Report): Promise<void> {
  const [queryCount, documents] = isSoftware(backend) ? [32, 2000] : [64, 262_144]
  const [queries, corpus] = [unitVectors(queryCount, WIDTH, 41), unitVectors(documents, WIDTH, 42)]
  const index = createIndex(backend, corpus, WIDTH)
  const one = queries.subarray(0, WIDTH)
  const searches: Search[] = [
    { variant: 'index', queries, search: () => index.search(queries, { k: K }) },
    { variant: 'uploaded', queries, search: () => searchExact(backend, queries, corpus, WIDTH, { k: K }) },
    { variant: 'index', queries: one, search: () => index.search(one, { k: K }) },
  ]
  const errors: number[] = []
  for (const { queries, search } of searches) errors.push(foundError(queries, corpus, await search()))
  const bounds = await openBounds(backend, corpus)
  try {
    const contestants = searches.map(
      ({ search }) =>
        () =>
          milliseconds(async () => void (await search())),
    )
    const turns = [...contestants, () => bounds.product.time({ seconds }), () => bounds.read.time({ seconds })]
    const { medians, cores } = await takeTurns(turns, isSoftware(backend) ? 1 : ROUNDS)
    const [product, read] = [PRODUCT_FLOPS / medians[3]! / 1e6, corpus.byteLength / medians[4]! / 1e6]
    searches.forEach(({ variant, queries }, i) => {
      const flops = 2 * queries.length * documents
      const time = medians[i]!
      const bound = Math.max(flops / product, corpus.byteLength / read) / 1e6
      report({
        name: 'search',
        shape: `${queries.length / WIDTH}×${documents}×${WIDTH}, k ${K}`,
        ...placeOf(backend),
        variant,
        verified: errors[i]! <= TOLERANCE,
        max_error: errors[i]!,
        milliseconds: time,
        ...(i === 0 && { cores }),
        gflops: flops / time / 1e6,
        queries_per_second: (queries.length / WIDTH / time) * 1000,
        ratio: bound / time,
        note: `${((100 * bound) / time).toFixed(0)} % of the bound: products at ${product.toFixed(0)} GFLOP/s, memory at ${read.toFixed(0)} GB/s`,
      })
    })
  } finally {
    bounds.release()
    index.release()
  }
}

interface Search {
  readonly variant: string
  readonly queries: Float32Array
  search(): Promise<SearchResult>
}

const PRODUCT = { M: 4096, N: 384, K: 384, transposeA: 0, transposeB: 1, accumulate: 0, hasBias: 0, alpha: 1 }
const PRODUCT_FLOPS = 2 * PRODUCT.M * PRODUCT.N * PRODUCT.K

/** The product with one query does little but read. */
async function openBounds(backend: Backend, corpus: Float32Array) {
  const open = (params: Params, given: HostTensors = {}) =>
    openCall(backend, 'matmul', params, hostTensors('matmul', params, { bias: undefined, ...given }))
  const product = await open(PRODUCT)
  const read = await open({ ...PRODUCT, M: 1, N: corpus.length / WIDTH, K: WIDTH }, { b: corpus })
  return {
    product,
    read,
    release() {
      product.release()
      read.release()
    },
  }
}

function foundError(queries: Float32Array, corpus: Float32Array, { k, scores, rows }: SearchResult): number {
  const errors = sampled(queries.length / WIDTH, 2).map(query =>
    searchError(queries.subarray(query * WIDTH, (query + 1) * WIDTH), corpus, {
      scores: scores.subarray(query * k, (query + 1) * k),
      rows: rows.subarray(query * k, (query + 1) * k),
    }),
  )
  // A NaN among them stays one
  return errors.reduce((worst, error) => Math.max(worst, error), 0)
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
