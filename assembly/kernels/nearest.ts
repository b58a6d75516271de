// The k rows of a corpus with the greatest dot product with each query: products and picking in one pass, so that scores live for four rows by
// eight queries only. Rows are read where they lie, a few at a time that stay in the first cache for all queries; queries are packed. Each slice
// of the rows has results of its own, in the order of top_k, and what does not exceed the worst of a full result is passed over by vectors.
import { at, bytes, fetch, rowAt, scratchAt } from './memory'
import { packRows8 } from './pack'
import { tile1, tileRows4 } from './tile'
import { clear, insert } from './top_k'

/** Of scratch, for packed queries: 8 of 16,384 channels. */
const PACKED: u32 = 512 << 10
const MOST_QUERIES: u32 = 128
const BOUNDS: u32 = PACKED
const TILE: u32 = BOUNDS + MOST_QUERIES * 4
const SEEN: u32 = TILE + 4 * 8 * 4
/** Elements of rows that stay in the first cache beside a panel of queries. */
const CACHED: u32 = 6144
const MOST_ROWS: u32 = 32
const MISSING: u32 = 0xffffffff

export function nearest(
  query: usize, corpus: usize, values: usize, indices: usize,
  queries: u32, rows: u32, width: u32, k: u32, slices: u32, first: u32, fresh: u32, begin: u32, end: u32,
): void {
  if (!k) return
  const group = min(MOST_QUERIES, (PACKED / (4 * width)) & ~7)
  const share = ((rows + slices - 1) / slices + 3) & ~3
  for (let slice = begin; slice < end; slice++) {
    const row = min(rows, slice * share)
    const last = min(rows, row + share)
    for (let q: u32 = 0; q < queries; q += group) {
      const count = min(group, queries - q)
      const value = rowAt(values, slice * queries + q, k)
      const index = rowAt(indices, slice * queries + q, k)
      packRows8(rowAt(query, q, width), width, count, width, scratchAt(0))
      for (let i: u32 = 0; i < count; i++) {
        if (fresh) clear(rowAt(value, i, k), rowAt(index, i, k), k)
        setBound(value, index, i, k)
      }
      // Nothing is above the bound of a query that is not there but NaN
      for (let i = count; i & 7; i++) store<f32>(at(scratchAt(BOUNDS), i), Infinity)
      scan(corpus, row, last, width, count, value, index, k, first)
    }
  }
}

/** What a score must exceed: the worst value of a full result; NaN, which every score passes, while there is room. */
@inline
function setBound(values: usize, indices: usize, query: u32, k: u32): void {
  const last = query * k + k - 1
  store<f32>(at(scratchAt(BOUNDS), query), load<u32>(at(indices, last)) == MISSING ? NaN : load<f32>(at(values, last)))
}

function scan(corpus: usize, row: u32, last: u32, width: u32, queries: u32, values: usize, indices: usize, k: u32, first: u32): void {
  const tile = scratchAt(TILE)
  const step = max<u32>(4, min(MOST_ROWS, CACHED / width) & ~3)
  for (; row < last; row += step) {
    const rows = min(step, last - row)
    fetch(rowAt(corpus, row, width), bytes(rows * width), scratchAt(SEEN))
    for (let q: u32 = 0; q < queries; q += 8) {
      const panel = scratchAt(0) + bytes(q * width)
      let r: u32 = 0
      for (; r + 4 <= rows; r += 4) {
        tileRows4(width, rowAt(corpus, row + r, width), bytes(width), panel, 32, tile, 32, 1)
        if (above(tile, q, 4)) take(tile, 4, q, queries, values, indices, k, first + row + r)
      }
      for (; r < rows; r++) {
        tile1(width, rowAt(corpus, row + r, width), 4, panel, 32, tile, 1, false, 0)
        if (above(tile, q, 1)) take(tile, 1, q, queries, values, indices, k, first + row + r)
      }
    }
  }
}

/** Whether any of `rows` × 8 scores is not at or below its query's bound. */
@inline
function above(tile: usize, q: u32, rows: u32): bool {
  const low = v128.load(at(scratchAt(BOUNDS), q))
  const high = v128.load(at(scratchAt(BOUNDS), q), 16)
  let below = v128.and(f32x4.le(v128.load(tile), low), f32x4.le(v128.load(tile, 16), high))
  for (let r: u32 = 1; r < rows; r++) {
    const scores = rowAt(tile, r, 8)
    below = v128.and(below, v128.and(f32x4.le(v128.load(scores), low), f32x4.le(v128.load(scores, 16), high)))
  }
  return !i32x4.all_true(below)
}

/** Rows come in order: one that is as good as the worst of a full result does not belong there. */
function take(tile: usize, rows: u32, q: u32, queries: u32, values: usize, indices: usize, k: u32, first: u32): void {
  const columns = min<u32>(8, queries - q)
  for (let r: u32 = 0; r < rows; r++) {
    for (let c: u32 = 0; c < columns; c++) {
      const score = load<f32>(at(rowAt(tile, r, 8), c))
      const bound = load<f32>(at(scratchAt(BOUNDS), q + c))
      if (score <= bound || (score != score && bound == bound)) continue
      insert(rowAt(values, q + c, k), rowAt(indices, q + c, k), k, score == score ? score : -Infinity, first + r)
      setBound(values, indices, q + c, k)
    }
  }
}
