// MaxSim for searching: scores alone, of dot products, with documents in f32 or in finite halves, which are widened a few rows at a time on their way
// into the first cache. The tokens of all queries lie side by side in panels; of the similarities, only each query token's greatest leaves the
// registers.
import { at, bytes, fetch, rowAt, scratchAt } from './memory'
import { F32, halfAt } from './half'
import { packRows8 } from './pack'
import { raiseRow, raiseRows4 } from './tile'

/** Of scratch, for packed query tokens: 64 of 2,048 channels. */
const PACKED: u32 = 512 << 10
const MOST_TOKENS: u32 = 512
const GREATEST: u32 = PACKED
const SEEN: u32 = GREATEST + MOST_TOKENS * 4
const ROWS: u32 = SEEN + 64
/** Elements of documents that stay in the first cache beside a panel of query tokens. */
const CACHED: u32 = 4096
const MOST_ROWS: u32 = 32
/** 2¹¹²: what the exponents of halves are less by. */
const SCALE: f32 = 5.192296858534828e33

export function maxsim_stored(
  query: usize, document: usize, queryOffsets: usize, documentOffsets: usize, scores: usize,
  queries: u32, columns: u32, queryTokens: u32, documentTokens: u32, width: u32, format: u32, begin: u32, end: u32,
): void {
  for (let i: u32 = 0; i < queries; i++) memory.fill(at(rowAt(scores, i, columns), begin), 0, bytes(end - begin))
  const group = min(MOST_TOKENS, (PACKED / (4 * width)) & ~7)
  let first: u32 = 0
  for (let t: u32 = 0; t < queryTokens; t += group) {
    const last = min(queryTokens, t + group)
    while (load<u32>(at(queryOffsets, first + 1)) <= t) first++
    packRows8(rowAt(query, t, width), width, last - t, width, scratchAt(0))
    for (let j = begin; j < end; j++) {
      const own = at(documentOffsets, j)
      greatest(document, load<u32>(own), load<u32>(own, 4), last - t, width, format)
      const empty = load<u32>(own) == load<u32>(own, 4)
      for (let i = first; i < queries && load<u32>(at(queryOffsets, i)) < last; i++) {
        const from = max(t, load<u32>(at(queryOffsets, i)))
        const to = min(last, load<u32>(at(queryOffsets, i + 1)))
        const score = at(rowAt(scores, i, columns), j)
        if (from < to) store<f32>(score, empty ? -f32.MAX_VALUE : addMaxima(load<f32>(score), from - t, to - t))
      }
    }
  }
}

/** The greatest similarity of each packed query token with rows [start, end), into scratch; the lowest f32 where there is none. */
function greatest(document: usize, start: u32, end: u32, tokens: u32, width: u32, format: u32): void {
  for (let c: u32 = 0; c < tokens; c += 4) v128.store(at(scratchAt(GREATEST), c), f32x4.splat(-f32.MAX_VALUE))
  const step = max<u32>(4, min(MOST_ROWS, CACHED / width) & ~3)
  for (let row = start; row < end; row += step) {
    const rows = min(step, end - row)
    let from = rowAt(document, row, width)
    if (format == F32) fetch(from, bytes(rows * width), scratchAt(SEEN))
    else {
      from = scratchAt(ROWS)
      widen(halfAt(document, <u64>row * width), from, rows * width)
    }
    for (let c: u32 = 0; c < tokens; c += 8) {
      const panel = scratchAt(0) + bytes(c * width)
      const most = at(scratchAt(GREATEST), c)
      let r: u32 = 0
      for (; r + 4 <= rows; r += 4) raiseRows4(width, rowAt(from, r, width), bytes(width), panel, most)
      for (; r < rows; r++) raiseRow(width, rowAt(from, r, width), panel, most)
    }
  }
}

/** `count` halves, an even number. Sign, exponent and mantissa moved to their places; the exponent's bias is 112 more, of subnormal ones too. */
function widen(x: usize, y: usize, count: u32): void {
  let left = count
  for (; left >= 8; left -= 8) {
    v128.store(y, widened(v128.load16x4_s(x)))
    v128.store(y, widened(v128.load16x4_s(x, 8)), 16)
    x += 16
    y += 32
  }
  for (; left; left -= 2) {
    v128.store64_lane(y, widened(i32x4.extend_low_i16x8_s(v128.load32_zero(x))), 0)
    x += 4
    y += 8
  }
}

@inline
function widened(half: v128): v128 {
  return f32x4.mul(v128.and(i32x4.shl(half, 13), i32x4.splat(0x8fffffff)), f32x4.splat(SCALE))
}

/** What earlier tokens had, and the maxima [from, to); at least the lowest f32. */
function addMaxima(before: f32, from: u32, to: u32): f32 {
  let sum = <f64>before
  for (let c = from; c < to; c++) sum += <f64>load<f32>(at(scratchAt(GREATEST), c))
  return max(<f32>sum, -f32.MAX_VALUE)
}
