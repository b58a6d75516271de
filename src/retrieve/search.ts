// Exact search: queries × blocks of the corpus, the best k kept from block to block on the device; the whole score matrix never exists.
// Ties go to the lower row: a corpus whose rows are sorted by id descending bytewise gives trec_eval's order (see evaluate/).
import type { Backend } from '../backend/backend.js'
import { freeTensors, stateTensor } from '../tensor/parameters.js'
import { createPlan } from '../tensor/plan.js'
import { createPool, createProgram, releasePool } from '../tensor/program.js'
import type { Tensor } from '../tensor/tensor.js'
import { call, createTrace, input, temporary } from '../tensor/trace.js'

/** What top_k can keep of a row. */
export const MOST_RESULTS = 1024

export interface SearchOptions {
  /** Results a query, at most MOST_RESULTS. */
  readonly k: number
  /** Rows that are compared at a time. */
  readonly queryBlock?: number
  readonly corpusBlock?: number
  readonly onProgress?: (done: { readonly queries: number }) => void
  readonly signal?: AbortSignal
}

export interface SearchResult {
  /** min(k, documents) */
  readonly k: number
  readonly scores: Float32Array // (Q, k), descending
  readonly rows: Int32Array // (Q, k): rows of the corpus
}

/** The k rows of `corpus` (N, width) with the largest dot product for each row of `queries` (Q, width). */
export async function searchExact(
  backend: Backend,
  queries: Float32Array,
  corpus: Float32Array,
  width: number,
  { k: asked, queryBlock = 256, corpusBlock = 4096, onProgress, signal }: SearchOptions,
): Promise<SearchResult> {
  const [queryCount, documents] = [queries.length / width, corpus.length / width]
  if (!Number.isInteger(queryCount) || !Number.isInteger(documents))
    throw new Error(`search: ${queries.length} and ${corpus.length} values are not rows of ${width}`)
  if (!Number.isInteger(asked) || asked < 1 || asked > MOST_RESULTS)
    throw new Error(`search: k is ${asked}, expected 1 to ${MOST_RESULTS}`)
  for (const [name, size] of Object.entries({ queryBlock, corpusBlock }))
    if (!Number.isInteger(size) || size < 1)
      throw new Error(`search: ${name} is ${size}, expected a whole number from 1`)
  const k = Math.min(asked, documents)
  const result = { k, scores: new Float32Array(queryCount * k), rows: new Int32Array(queryCount * k) }
  if (k === 0 || queryCount === 0) return result

  const block = Math.min(queryBlock, queryCount)
  const values = stateTensor(backend, 'best.scores', [block, k])
  const indices: Tensor = { ...stateTensor(backend, 'best.rows', [block, k]), dtype: 'i32' }
  const pool = createPool(backend)
  const program = createProgram(searchPlan(width, k, values, indices), pool)
  try {
    for (let q = 0; q < queryCount; q += block) {
      const rows = Math.min(block, queryCount - q)
      for (let first = 0; first < documents; first += corpusBlock) {
        signal?.throwIfAborted()
        const columns = Math.min(corpusBlock, documents - first)
        const inputs = {
          queries: queries.subarray(q * width, (q + rows) * width),
          corpus: corpus.subarray(first * width, (first + columns) * width),
        }
        await program.run({ Q: rows, N: columns, first, fresh: first === 0 ? 1 : 0 }, inputs)
      }
      const read = (tensor: Tensor) => backend.read({ memory: tensor.view!.memory, offset: 0, bytes: rows * k * 4 })
      result.scores.set(new Float32Array(await read(values)), q * k)
      result.rows.set(new Int32Array(await read(indices)), q * k)
      onProgress?.({ queries: q + rows })
    }
  } finally {
    program.release()
    releasePool(pool)
    freeTensors(backend, [values, indices])
  }
  return result
}

function searchPlan(width: number, k: number, values: Tensor, indices: Tensor) {
  const trace = createTrace({ training: false })
  const queries = input(trace, 'queries', ['Q', width], 'f32')
  const corpus = input(trace, 'corpus', ['N', width], 'f32')
  const scores = temporary('scores', ['Q', 'N'])
  const product = { M: 'Q', N: 'N', K: width, transposeA: 0, transposeB: 1, accumulate: 0, hasBias: 0, alpha: 1 }
  call(trace, 'matmul', { a: queries, b: corpus, bias: undefined, c: scores }, product)
  call(trace, 'top_k', { scores, values, indices }, { rows: 'Q', columns: 'N', k, first: 'first', fresh: 'fresh' })
  return createPlan('search', trace)
}
