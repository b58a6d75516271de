// Exact search on processors: products and picking in one kernel (nearest), which keeps the best of each slice of the rows apart, so that threads go
// through slices of their own; the slices' results are merged here. How many slices there are changes no result.
import type { Backend } from '../backend/backend.js'
import { NEAREST_WIDTH } from '../backend/search-kernels.js'
import type { Dim, Tensor } from '../tensor/tensor.js'
import { call, type Trace } from '../tensor/trace.js'

/** Of each thread: a thread that was held up leaves its second one to the others. Each keeps a result of its own, which costs insertions. */
const SLICES = 2
/** For fewer queries reading the corpus takes the time, and the product of few rows reads it at the pace of memory. */
const LEAST_QUERIES = 13

/** 0 where products and picking are calls of their own. */
export const slicesFor = ({ kind, threads = 1 }: Backend, queries: number, width: number): number => {
  if (kind !== 'wasm' || queries < LEAST_QUERIES || width > NEAREST_WIDTH) return 0
  return threads > 1 ? SLICES * threads : 1
}

interface SliceState {
  readonly slices: number
  readonly queries: Tensor // (Q, width)
  readonly values: Tensor // (slices, Q, k)
  readonly indices: Tensor // (slices, Q, k)
}

/** Rows `first` … of the corpus are those of `corpus` (rows, width). */
export function recordNearest(
  trace: Trace,
  { slices, queries, values, indices }: SliceState,
  corpus: Tensor,
  rows: Dim,
  first: Dim,
  fresh: Dim,
): void {
  const sizes = { queries: 'Q', rows, width: queries.shape[1]!, k: values.shape[1]!, slices, first, fresh } as const
  call(trace, 'nearest', { query: queries, corpus, values, indices }, sizes)
}

/** The k best of (slices, queries, k), each in order: larger scores, then lower rows. Missing entries, of row −1, come last. */
export function mergeSlices(
  scores: Float32Array,
  rows: Int32Array,
  slices: number,
  k: number,
): { scores: Float32Array; rows: Int32Array } {
  const size = scores.length / slices
  const merged = { scores: new Float32Array(size), rows: new Int32Array(size) }
  const heads = new Int32Array(slices)
  for (let from = 0; from < size; from += k) {
    for (let slice = 0; slice < slices; slice++) heads[slice] = slice * size + from
    for (let place = from; place < from + k; place++) {
      let best = 0
      for (let slice = 1; slice < slices; slice++) if (isBetter(scores, rows, heads[slice]!, heads[best]!)) best = slice
      const head = heads[best]!++
      merged.scores[place] = scores[head]!
      merged.rows[place] = rows[head]!
    }
  }
  return merged
}

/** Whether entry a comes before b; of those that are missing none does. */
const isBetter = (scores: Float32Array, rows: Int32Array, a: number, b: number): boolean => {
  if (scores[a]! !== scores[b]!) return scores[a]! > scores[b]!
  return rows[a]! >>> 0 < rows[b]! >>> 0
}
