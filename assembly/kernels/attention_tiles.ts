// What the attention kernels share. A tile of the table is worked off in groups of up to GROUP rows of one sequence and one head; these are
// the lanes. The other side (keys for query tiles, queries for key tiles) runs in blocks of up to BLOCK rows, one row of lanes each:
//   lanes    panels (GROUP / 8, headSize, 8) of the group's rows, transposed
//   scores   (BLOCK, GROUP)
//   sums     (GROUP, headSize)
// No length × length matrix exists, and every sum runs over the other side from its first row to its last.
import { at, bytes, rowAt, scratchAt } from './memory'
import { packRows8 } from './pack'
import { tile1, tile4, tileRows4 } from './tile'

export const GROUP: u32 = 32
/** Even: a word of random bits serves two neighbouring keys. */
export const BLOCK: u32 = 128
/** What scratch is laid out for; the host refuses larger heads. */
export const MAX_HEAD_SIZE: u32 = 512

const LANES: u32 = GROUP * MAX_HEAD_SIZE * 4
const SCORES: u32 = BLOCK * GROUP * 4
const ROWS: u32 = 4 * LANES + 2 * SCORES
/** BIAS_ROWS of the kernel table. */
export const BIAS_ROWS: u32 = 65535
/** Where attention_window's two spread biases begin, in bytes of scratch. */
export const SPREAD: u32 = ROWS + 4 * GROUP * 4

export function maxHeadSize(): u32 {
  return MAX_HEAD_SIZE
}

// Two of each: q and dout, or k and v; scores and their gradient; dk and dv
@inline
export function lanesAt(which: u32): usize {
  return scratchAt(which * LANES)
}
@inline
export function sumsAt(which: u32): usize {
  return scratchAt((2 + which) * LANES)
}
@inline
export function scoresAt(which: u32): usize {
  return scratchAt(4 * LANES + which * SCORES)
}
/** Vectors (GROUP): one number a row of the group. */
@inline
export function rowsAt(which: u32): usize {
  return scratchAt(ROWS + which * GROUP * 4)
}

/** The first row of the other side that rows from `position` on see, even: words of random bits are for pairs. */
@inline
export function firstSeen(position: u32, reach: u32): u32 {
  return position > reach ? (position - reach) & ~1 : 0
}

/** Address of (row, head, 0) in (T, heads · headSize). */
@inline
export function headAt(x: usize, row: u32, head: u32, heads: u32, headSize: u32): usize {
  return at(rowAt(x, row, heads * headSize), head * headSize)
}

/** Panels of `rows` rows of x, zeros for the rest of the last panel. */
export function packLanes(x: usize, stride: u32, rows: u32, headSize: u32, lanes: usize): void {
  packRows8(x, stride, rows, headSize, lanes)
}

/** scores (count, GROUP) = alpha · x · lanesᵀ for the first `rows` lanes; x (count, headSize) with rows of `stride` elements. */
export function products(x: usize, stride: u32, count: u32, lanes: usize, rows: u32, headSize: u32, alpha: f32, scores: usize): void {
  for (let lane: u32 = 0; lane < rows; lane += 8) {
    const panel = lanes + bytes(lane * headSize)
    let i: u32 = 0
    for (; i + 4 <= count; i += 4) tileRows4(headSize, rowAt(x, i, stride), bytes(stride), panel, 32, at(rowAt(scores, i, GROUP), lane), bytes(GROUP), alpha)
    for (; i < count; i++) tile1(headSize, rowAt(x, i, stride), 4, panel, 32, at(rowAt(scores, i, GROUP), lane), alpha, false, 0)
  }
}

/** sums (rows, headSize) = [sums +] scoresᵀ · y; y (count, headSize) with rows of `stride` elements. */
export function gather(scores: usize, count: u32, rows: u32, y: usize, stride: u32, headSize: u32, sums: usize, accumulate: bool): void {
  for (let row: u32 = 0; row < rows; row += 4) {
    let d: u32 = 0
    for (; d + 8 <= headSize; d += 8) {
      tile4(count, at(scores, row), bytes(GROUP), at(y, d), bytes(stride), at(rowAt(sums, row, headSize), d), bytes(headSize), 1, accumulate, 0)
    }
    for (; d < headSize; d++) gatherColumn(at(scores, row), count, at(y, d), stride, headSize, at(rowAt(sums, row, headSize), d), accumulate)
  }
}

/** One column of four rows, for head sizes that are not multiples of 8. */
function gatherColumn(scores: usize, count: u32, y: usize, stride: u32, headSize: u32, sums: usize, accumulate: bool): void {
  let sum = f32x4.splat(0)
  for (let i: u32 = 0; i < count; i++) sum = f32x4.add(sum, f32x4.mul(v128.load(rowAt(scores, i, GROUP)), v128.load32_splat(rowAt(y, i, stride))))
  storeDown(sums, headSize, 0, f32x4.extract_lane(sum, 0), accumulate)
  storeDown(sums, headSize, 1, f32x4.extract_lane(sum, 1), accumulate)
  storeDown(sums, headSize, 2, f32x4.extract_lane(sum, 2), accumulate)
  storeDown(sums, headSize, 3, f32x4.extract_lane(sum, 3), accumulate)
}

@inline
function storeDown(sums: usize, headSize: u32, row: u32, value: f32, accumulate: bool): void {
  const to = rowAt(sums, row, headSize)
  store<f32>(to, accumulate ? load<f32>(to) + value : value)
}

/** out (headSize) = factor · x */
export function scaleRow(x: usize, factor: f32, out: usize, headSize: u32): void {
  const factors = f32x4.splat(factor)
  let d: u32 = 0
  for (; d + 4 <= headSize; d += 4) v128.store(at(out, d), f32x4.mul(v128.load(at(x, d)), factors))
  for (; d < headSize; d++) store<f32>(at(out, d), load<f32>(at(x, d)) * factor)
}
