// MaxSim (ColBERT, Khattab and Zaharia 2020): scores (queries, columns) = alpha · Σ over a query's tokens of the greatest similarity with a token of
// the document, dot product or −‖q − d‖². Token vectors are packed, with offsets; similarities exist four document tokens by eight query tokens
// at a time. Column j of query i is document j, or, where grouped, document i · columns + j. Backward runs along `best`, the rows where the
// maxima were; dquery and ddocument are set, or added to where `accumulate` is 1.
import { at, bytes, loadFew, rowAt, scratchAt } from './memory'
import { packRows8 } from './pack'
import { addProduct, tile1, tileRows4 } from './tile'

/** Query tokens whose panels are in scratch at a time; vectors up to WIDEST channels. */
const TOKENS: u32 = 64
const WIDEST: u32 = 2048
/** Document tokens that every query sees before the next ones. */
const CACHED: u32 = 512
const TILE: u32 = TOKENS * WIDEST * 4
const GREATEST: u32 = TILE + 4 * 8 * 4
const PLACES: u32 = GREATEST + TOKENS * 4

export function maxsim_forward(
  query: usize, document: usize, queryOffsets: usize, documentOffsets: usize, keep: usize, scores: usize, best: usize,
  queries: u32, columns: u32, queryTokens: u32, documentTokens: u32, width: u32, grouped: u32, l2: u32, hasKeep: u32, hasBest: u32, alpha: f32,
  begin: u32, end: u32,
): void {
  if (grouped) {
    for (let i = begin; i < end; i++) scoreColumns(query, document, queryOffsets, documentOffsets, hasKeep ? keep : 0, scores, hasBest ? best : 0, i, columns, i * columns, 0, columns, width, l2 != 0, alpha)
    return
  }
  for (let j = begin; j < end; ) {
    // Few enough documents at a time to stay in the cache for every query
    const limit = load<u32>(at(documentOffsets, j)) + CACHED
    let last = j + 1
    while (last < end && load<u32>(at(documentOffsets, last + 1)) <= limit) last++
    for (let i: u32 = 0; i < queries; i++) scoreColumns(query, document, queryOffsets, documentOffsets, hasKeep ? keep : 0, scores, hasBest ? best : 0, i, columns, 0, j, last, width, l2 != 0, alpha)
    j = last
  }
}

/** Columns [from, to) of query i, column j being document `shift` + j. */
function scoreColumns(
  query: usize, document: usize, queryOffsets: usize, documentOffsets: usize, keep: usize, scores: usize, best: usize,
  i: u32, columns: u32, shift: u32, from: u32, to: u32, width: u32, l2: bool, alpha: f32,
): void {
  const line = rowAt(scores, i, columns)
  memory.fill(at(line, from), 0, bytes(to - from))
  const end = load<u32>(at(queryOffsets, i + 1))
  for (let t = load<u32>(at(queryOffsets, i)); t < end; t += TOKENS) {
    const tokens = min(TOKENS, end - t)
    packRows8(rowAt(query, t, width), width, tokens, width, scratchAt(0))
    for (let j = from; j < to; j++) {
      const own = at(documentOffsets, shift + j)
      greatest(document, keep, load<u32>(own), load<u32>(own, 4), tokens, width, l2)
      store<f32>(at(line, j), addMaxima(load<f32>(at(line, j)), tokens, alpha))
      if (best) for (let c: u32 = 0; c < tokens; c++) store<i32>(at(rowAt(best, t + c, columns), j), load<i32>(at(scratchAt(PLACES), c)))
    }
  }
}

/** The greatest similarity of each packed query token with rows [start, end), and the row, into scratch; the lowest f32 and −1 where there is none. */
function greatest(document: usize, keep: usize, start: u32, end: u32, tokens: u32, width: u32, l2: bool): void {
  for (let c: u32 = 0; c < tokens; c += 4) {
    v128.store(at(scratchAt(GREATEST), c), f32x4.splat(-f32.MAX_VALUE))
    v128.store(at(scratchAt(PLACES), c), i32x4.splat(-1))
  }
  const tile = scratchAt(TILE)
  let row = start
  for (; row + 4 <= end; row += 4) {
    const from = rowAt(document, row, width)
    for (let c: u32 = 0; c < tokens; c += 8) {
      const panel = scratchAt(0) + bytes(c * width)
      if (l2) distances(width, from, 4, panel, tile)
      else tileRows4(width, from, bytes(width), panel, 32, tile, 32, 1)
      for (let r: u32 = 0; r < 4; r++) if (!keep || load<i32>(at(keep, row + r))) raise(rowAt(tile, r, 8), c, row + r)
    }
  }
  for (; row < end; row++) {
    if (keep && !load<i32>(at(keep, row))) continue
    const from = rowAt(document, row, width)
    for (let c: u32 = 0; c < tokens; c += 8) {
      const panel = scratchAt(0) + bytes(c * width)
      if (l2) distances(width, from, 1, panel, tile)
      else tile1(width, from, 4, panel, 32, tile, 1, false, 0)
      raise(tile, c, row)
    }
  }
}

/** −‖q − d‖² of `rows` rows and the eight query tokens of a panel. */
function distances(width: u32, rows: usize, count: u32, panel: usize, out: usize): void {
  for (let r: u32 = 0; r < count; r++) {
    let a = rowAt(rows, r, width)
    let b = panel
    let low = f32x4.splat(0)
    let high = f32x4.splat(0)
    for (let left = width; left; --left) {
      const x = v128.load32_splat(a)
      const y0 = f32x4.sub(x, v128.load(b))
      const y1 = f32x4.sub(x, v128.load(b, 16))
      low = addProduct(low, y0, y0)
      high = addProduct(high, y1, y1)
      a += 4
      b += 32
    }
    v128.store(rowAt(out, r, 8), f32x4.neg(low))
    v128.store(rowAt(out, r, 8), f32x4.neg(high), 16)
  }
}

/** Takes eight similarities of a row where they are greater than what was greatest before: of equal ones the first row stays. */
@inline
function raise(similarities: usize, c: u32, row: u32): void {
  raise4(similarities, at(scratchAt(GREATEST), c), at(scratchAt(PLACES), c), row)
  raise4(similarities + 16, at(scratchAt(GREATEST), c) + 16, at(scratchAt(PLACES), c) + 16, row)
}

@inline
function raise4(similarities: usize, most: usize, places: usize, row: u32): void {
  const value = v128.load(similarities)
  const before = v128.load(most)
  const higher = f32x4.gt(value, before)
  v128.store(most, v128.bitselect(value, before, higher))
  v128.store(places, v128.bitselect(i32x4.splat(row), v128.load(places), higher))
}

/** The sum of the maxima, after what earlier tokens had; the lowest f32 where there are no maxima. */
function addMaxima(before: f32, tokens: u32, alpha: f32): f32 {
  if (load<i32>(scratchAt(PLACES)) < 0) return -f32.MAX_VALUE
  let sum: f64 = 0
  for (let c: u32 = 0; c < tokens; c++) sum += <f64>load<f32>(at(scratchAt(GREATEST), c))
  return <f32>(<f64>before + <f64>alpha * sum)
}

export function maxsim_backward_query(
  dscores: usize, best: usize, owners: usize, query: usize, document: usize, dquery: usize,
  queryTokens: u32, columns: u32, width: u32, l2: u32, accumulate: u32, alpha: f32, begin: u32, end: u32,
): void {
  for (let t = begin; t < end; t++) {
    const to = rowAt(dquery, t, width)
    if (!accumulate) memory.fill(to, 0, bytes(width))
    const line = rowAt(dscores, load<u32>(at(owners, t)), columns)
    for (let j: u32 = 0; j < columns; j++) {
      const place = load<i32>(at(rowAt(best, t, columns), j))
      if (place < 0) continue
      addScaled(to, rowAt(document, place, width), l2 ? rowAt(query, t, width) : 0, alpha * load<f32>(at(line, j)), width)
    }
  }
}

export function maxsim_backward_document(
  dscores: usize, best: usize, queryOffsets: usize, documentOffsets: usize, query: usize, document: usize, ddocument: usize,
  queries: u32, documents: u32, columns: u32, queryTokens: u32, documentTokens: u32, width: u32, grouped: u32, l2: u32, accumulate: u32, alpha: f32,
  begin: u32, end: u32,
): void {
  for (let d = begin; d < end; d++) {
    const start = load<u32>(at(documentOffsets, d))
    if (!accumulate) memory.fill(rowAt(ddocument, start, width), 0, bytes((load<u32>(at(documentOffsets, d + 1)) - start) * width))
    const j = grouped ? d % columns : d
    const first = grouped ? d / columns : 0
    const last = grouped ? first + 1 : queries
    for (let i = first; i < last; i++) {
      const factor = alpha * load<f32>(at(rowAt(dscores, i, columns), j))
      if (factor == 0) continue
      for (let t = load<u32>(at(queryOffsets, i)), to = load<u32>(at(queryOffsets, i + 1)); t < to; t++) {
        const place = load<i32>(at(rowAt(best, t, columns), j))
        if (place < 0) continue
        addScaled(rowAt(ddocument, place, width), rowAt(query, t, width), l2 ? rowAt(document, place, width) : 0, factor, width)
      }
    }
  }
}

/** to += factor · x; with y: to += 2 factor · (x − y). */
function addScaled(to: usize, x: usize, y: usize, factor: f32, width: u32): void {
  const factors = f32x4.splat(y ? 2 * factor : factor)
  let c: u32 = 0
  for (; c + 4 <= width; c += 4) {
    let value = v128.load(at(x, c))
    if (y) value = f32x4.sub(value, v128.load(at(y, c)))
    v128.store(at(to, c), f32x4.add(v128.load(at(to, c)), f32x4.mul(factors, value)))
  }
  for (; c < width; c++) {
    const value = y ? load<f32>(at(x, c)) - load<f32>(at(y, c)) : load<f32>(at(x, c))
    store<f32>(at(to, c), load<f32>(at(to, c)) + f32x4.extract_lane(factors, 0) * value)
  }
}

/** y = [y +] factors[row] · x */
export function scale_rows(x: usize, factors: usize, y: usize, rows: u32, columns: u32, accumulate: u32, begin: u32, end: u32): void {
  for (let row = begin; row < end; row++) {
    const factor = f32x4.splat(load<f32>(at(factors, row)))
    const from = rowAt(x, row, columns)
    const to = rowAt(y, row, columns)
    for (let c: u32 = 0; c < columns; c += 4) {
      let value = f32x4.mul(factor, loadFew(at(from, c), columns - c))
      if (accumulate) value = f32x4.add(value, loadFew(at(to, c), columns - c))
      if (columns - c >= 4) v128.store(at(to, c), value)
      else {
        v128.store_lane<f32>(at(to, c), value, 0)
        if (columns - c > 1) v128.store_lane<f32>(at(to, c + 1), value, 1)
        if (columns - c > 2) v128.store_lane<f32>(at(to, c + 2), value, 2)
      }
    }
  }
}
