// Whole numbers of 8 bits, symmetric about 0: a row's are x / scale rounded to the nearest (ties to even), scale = max |x| / 127. Rows take
// whole blocks of 16 bytes, the last one filled up with zeros. A product sums i8 · i8 in i32, exactly (any order, so any split of the work,
// gives the same bits), and is rounded where it becomes f32.
import { at, bytes, rowAt, scratchAt } from './memory'
import { panel8, panels4, TILE_COLUMNS, TILE_ROWS, tile4x8 } from './int8_tile'

/** INT8_ROWS and MATMUL_COLUMNS of the kernel table. */
const UNIT_ROWS: u32 = 4
const UNIT_COLUMNS: u32 = 16
/** Rows whose largest magnitude is below count as zeros: 127 / magnitude must be finite. */
const SMALLEST: f32 = 1e-30
const LARGEST: f32 = 3.4028234663852886e38
/** f32 + 1.5 · 2²³ has the nearest whole number in its low bits. */
const ROUNDING: f32 = 12582912

/** Words of 4 bytes of a row. */
@inline
function words(columns: u32): u32 {
  return ((columns + 15) >> 4) << 2
}

export function quantize_rows(x: usize, values: usize, scales: usize, rows: u32, columns: u32, begin: u32, end: u32): void {
  for (let row = begin; row < end; row++) {
    const from = rowAt(x, row, columns)
    const to = rowAt(values, row, words(columns))
    const most = largest(from, columns)
    if (most >= SMALLEST && most <= LARGEST) {
      store<f32>(at(scales, row), most / 127)
      quantize(from, columns, 127 / most, to)
      continue
    }
    // NaN and infinity go on by the scale: a product with it is not finite
    store<f32>(at(scales, row), most < SMALLEST ? 0 : most)
    memory.fill(to, 0, bytes(words(columns)))
  }
}

/** The largest magnitude, compared by its bits: NaN is above infinity, and infinity above every number. */
function largest(x: usize, columns: u32): f32 {
  const mask = i32x4.splat(0x7fffffff)
  let most = i32x4.splat(0)
  let j: u32 = 0
  for (; j + 4 <= columns; j += 4) most = i32x4.max_s(most, v128.and(v128.load(at(x, j)), mask))
  for (; j < columns; j++) most = i32x4.max_s(most, v128.and(v128.load32_zero(at(x, j)), mask))
  most = i32x4.max_s(most, i32x4.shuffle(most, most, 2, 3, 0, 1))
  most = i32x4.max_s(most, i32x4.shuffle(most, most, 1, 0, 3, 2))
  return f32x4.extract_lane(most, 0)
}

function quantize(x: usize, columns: u32, factor: f32, to: usize): void {
  let left = columns
  for (; left >= 16; left -= 16) {
    v128.store(to, sixteen(x, factor))
    x += 64
    to += 16
  }
  if (!left) return
  const few = scratchAt(0)
  memory.fill(few, 0, 64)
  memory.copy(few, x, bytes(left))
  v128.store(to, sixteen(few, factor))
}

@inline
function sixteen(x: usize, factor: f32): v128 {
  const low = i16x8.narrow_i32x4_s(nearest4(v128.load(x), factor), nearest4(v128.load(x, 16), factor))
  const high = i16x8.narrow_i32x4_s(nearest4(v128.load(x, 32), factor), nearest4(v128.load(x, 48), factor))
  return i8x16.narrow_i16x8_s(low, high)
}

@inline
function nearest4(x: v128, factor: f32): v128 {
  const shifted = f32x4.add(f32x4.mul(x, f32x4.splat(factor)), f32x4.splat(ROUNDING))
  return i32x4.sub(shifted, f32x4.splat(ROUNDING))
}

/** Bytes of a's panels at a time, and rows at most; b's are made anew for each of these blocks. */
const BLOCK_BYTES: u32 = 262144
const MOST_ROWS: u32 = 128
/** Scratch: scales and offsets of eight columns, an unfinished tile, the scales of a block's rows, the panels of a, one of b. */
const OFFSETS: u32 = 32
const EDGE: u32 = 64
const ROW_SCALES: u32 = 192
const PANELS_A: u32 = ROW_SCALES + MOST_ROWS * 4

export function matmul_int8(
  a: usize, aScales: usize, b: usize, bScales: usize, bias: usize, c: usize,
  M: u32, N: u32, K: u32, hasBias: u32, begin: u32, end: u32,
): void {
  const byRows = M >= N
  const lastRow = byRows ? min(M, end * UNIT_ROWS) : M
  const column: u32 = byRows ? 0 : begin * UNIT_COLUMNS
  const lastColumn = byRows ? N : min(N, end * UNIT_COLUMNS)
  const rowWords = words(K)
  const rowBytes = rowWords << 3 // of i16
  const blockRows = min(MOST_ROWS, max(TILE_ROWS, (BLOCK_BYTES / max<u32>(rowBytes, 1)) & ~(TILE_ROWS - 1)))
  for (let m: u32 = byRows ? begin * UNIT_ROWS : 0; m < lastRow; m += blockRows) {
    const rows = min(blockRows, lastRow - m)
    panels4(rowAt(a, m, rowWords), rowWords, rows, scratchAt(PANELS_A))
    memory.copy(scratchAt(ROW_SCALES), at(aScales, m), bytes(rows))
    for (let j = column; j < lastColumn; j += TILE_COLUMNS) {
      const columns = min(TILE_COLUMNS, lastColumn - j)
      memory.copy(scratchAt(0), at(bScales, j), bytes(columns))
      if (hasBias) memory.copy(scratchAt(OFFSETS), at(bias, j), bytes(columns))
      else memory.fill(scratchAt(OFFSETS), 0, 32)
      const panelB = scratchAt(PANELS_A + blockRows * rowBytes)
      panel8(rowAt(b, j, rowWords), rowWords, columns, panelB)
      block(rowAt(c, m, N) + bytes(j), N, rows, columns, rowWords, panelB)
    }
  }
}

/** c (rows, columns ≤ 8) of stride N from the panels. */
function block(c: usize, N: u32, rows: u32, columns: u32, rowWords: u32, panelB: usize): void {
  const scales = scratchAt(0)
  const offsets = scratchAt(OFFSETS)
  const edge = scratchAt(EDGE)
  for (let i: u32 = 0; i < rows; i += TILE_ROWS) {
    const panelA = scratchAt(PANELS_A + i * (rowWords << 3))
    const rowScales = scratchAt(ROW_SCALES + 4 * i)
    const to = rowAt(c, i, N)
    const height = min(TILE_ROWS, rows - i)
    const full = columns == TILE_COLUMNS
    tile4x8(rowWords << 1, panelA, panelB, rowScales, scales, offsets, full ? to : edge, full ? bytes(N) : 32, height)
    if (full) continue
    for (let r: u32 = 0; r < height; r++) memory.copy(rowAt(to, r, N), rowAt(edge, r, 8), bytes(columns))
  }
}
