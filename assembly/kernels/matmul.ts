// c (M, N) = [c +] alpha · op(a) · op(b) [+ bias], by blocks as in Goto and van de Geijn 2008 ("Anatomy of high-performance matrix
// multiplication"): a block of b (K_BLOCK, N_BLOCK) and one of a (M_BLOCK, K_BLOCK) are copied to scratch in the order in which the
// innermost tile reads them, whatever the transposition was. A unit of work is a row of c, or UNIT_COLUMNS columns of it where there are more
// columns than rows: a range copies the whole of the smaller factor, and of the larger one only its own part.
import { at, rowAt, bytes, SCRATCH_BYTES, scratchAt } from './memory'
import { dots, FEW_ROWS } from './dots'
import { F32, halfAt, packColumns8Half, packRows8Half, widenRow } from './half'
import { halfDots } from './half_dots'
import { GROUP, groupsOf, packColumns8Quantized, packRows8Quantized, widenGroups } from './quantized'
import { arrange, arrangedBytes, quantizedDots } from './quantized_dots'
import { isShort, shortSums } from './short'
import { packColumns4, packColumns8, packRows4, packRows8 } from './pack'
import { tile4, tile1 } from './tile'

const K_BLOCK: u32 = 384
const N_BLOCK: u32 = 384
const M_BLOCK: u32 = 64
/** MATMUL_COLUMNS of the kernel table. */
export const UNIT_COLUMNS: u32 = 16
/** Terms up to which four rows of b are widened at a time for few rows of a: half of scratch. */
const DOTS_COLUMNS: u32 = 32768
const PACKED_A: u32 = K_BLOCK * N_BLOCK * 4
const EDGE: u32 = PACKED_A + M_BLOCK * K_BLOCK * 4
/** Of scratch: what `blocks` leaves free, but where it widens rows of b in groups before they are packed. */
export const BEHIND_BLOCKS: u32 = EDGE + 4 * 8 * 4

export function matmul(
  a: usize, b: usize, bias: usize, c: usize,
  M: u32, N: u32, K: u32, transposeA: u32, transposeB: u32, accumulate: u32, hasBias: u32, alpha: f32,
  begin: u32, end: u32,
): void {
  const byRows = M >= N
  const row: u32 = byRows ? begin : 0
  const lastRow = byRows ? end : M
  const column: u32 = byRows ? 0 : begin * UNIT_COLUMNS
  const lastColumn = byRows ? N : min(N, end * UNIT_COLUMNS)
  part(a, b, bias, c, M, N, K, transposeA, transposeB, accumulate, hasBias, alpha, row, lastRow, column, lastColumn)
}

/** Rows `row` … `lastRow`, columns `column` … `lastColumn` of c. */
export function part(
  a: usize, b: usize, bias: usize, c: usize,
  M: u32, N: u32, K: u32, transposeA: u32, transposeB: u32, accumulate: u32, hasBias: u32, alpha: f32,
  row: u32, lastRow: u32, column: u32, lastColumn: u32,
): void {
  if (!transposeA && transposeB && M <= FEW_ROWS) {
    dots(a, b, bias, c, N, K, accumulate != 0, hasBias != 0, alpha, row, lastRow, column, lastColumn)
    return
  }
  if (transposeA && !transposeB && !hasBias && isShort(M, N, K)) {
    shortSums(a, b, c, M, N, K, accumulate != 0, alpha, row, lastRow, column, lastColumn)
    return
  }
  blocks(a, transposeA ? M : K, b, transposeB ? K : N, 0, bias, c, N, K, transposeA, transposeB, accumulate, hasBias, alpha, F32, row, lastRow, column, lastColumn)
}

/** The same product of a factor b of 16 bits a number, widened while it is copied. */
export function matmul_half(
  a: usize, b: usize, bias: usize, c: usize,
  M: u32, N: u32, K: u32, transposeA: u32, transposeB: u32, accumulate: u32, hasBias: u32, alpha: f32, format: u32,
  begin: u32, end: u32,
): void {
  widened(a, b, 0, bias, c, M, N, K, transposeA, transposeB, accumulate, hasBias, alpha, format, begin, end)
}

/** The same of one of 8 or 4 bits, in groups. */
export function matmul_quantized(
  a: usize, b: usize, groups: usize, bias: usize, c: usize,
  M: u32, N: u32, K: u32, transposeA: u32, transposeB: u32, accumulate: u32, hasBias: u32, alpha: f32, bits: u32,
  begin: u32, end: u32,
): void {
  widened(a, b, groups, bias, c, M, N, K, transposeA, transposeB, accumulate, hasBias, alpha, bits, begin, end)
}

/** `groups` 0: format is one of 16 bits; else it is the number of bits. */
function widened(
  a: usize, b: usize, groups: usize, bias: usize, c: usize,
  M: u32, N: u32, K: u32, transposeA: u32, transposeB: u32, accumulate: u32, hasBias: u32, alpha: f32, format: u32,
  begin: u32, end: u32,
): void {
  const byRows = M >= N
  const row: u32 = byRows ? begin : 0
  const lastRow = byRows ? end : M
  const column: u32 = byRows ? 0 : begin * UNIT_COLUMNS
  const lastColumn = byRows ? N : min(N, end * UNIT_COLUMNS)
  widenedPart(a, b, groups, bias, c, M, N, K, transposeA, transposeB, accumulate, hasBias, alpha, format, row, lastRow, column, lastColumn)
}

/** As `part`. */
export function widenedPart(
  a: usize, b: usize, groups: usize, bias: usize, c: usize,
  M: u32, N: u32, K: u32, transposeA: u32, transposeB: u32, accumulate: u32, hasBias: u32, alpha: f32, format: u32,
  row: u32, lastRow: u32, column: u32, lastColumn: u32,
): void {
  if (transposeA || !transposeB || M > FEW_ROWS || K > DOTS_COLUMNS) {
    blocks(a, transposeA ? M : K, b, transposeB ? K : N, groups, bias, c, N, K, transposeA, transposeB, accumulate, hasBias, alpha, format, row, lastRow, column, lastColumn)
    return
  }
  const rowGroups = groupsOf(K)
  if (groups && M <= 4) {
    const room = scratchAt(SCRATCH_BYTES - 4 * GROUP)
    for (let m = row; m < lastRow; m++) arrange(rowAt(a, m, K), K, format, scratchAt((m - row) * arrangedBytes(K)), room)
    for (let n = column; n < lastColumn; n++) {
      const codes = b + <usize>n * rowGroups * (4 * format)
      const words = groups + (<usize>n * rowGroups << 2)
      quantizedDots(scratchAt(0), lastRow - row, codes, words, K, format, at(rowAt(c, row, N), n), bytes(N), alpha, accumulate != 0, hasBias ? at(bias, n) : 0)
    }
    return
  }
  const inRegisters = !groups && M <= 2 && lastRow > row && K % 8 == 0
  const lastA = rowAt(a, lastRow - 1, K)
  for (let n = column; n < lastColumn; n += 4) {
    const columns = min<u32>(4, lastColumn - n)
    if (inRegisters && columns == 4) {
      const to = at(rowAt(c, row, N), n)
      const two = lastRow - row == 2
      if (halfDots(rowAt(a, row, K), lastA, two, halfAt(b, <u64>n * K), K, format, to, bytes(N), alpha, accumulate != 0, hasBias ? at(bias, n) : 0)) continue
    }
    for (let j: u32 = 0; j < columns; j++) {
      const to = rowAt(scratchAt(0), j, K)
      if (groups) widenGroups(b, groups, n + j, rowGroups, 0, K, to, format)
      else widenRow(halfAt(b, <u64>(n + j) * K), to, K, format, false)
    }
    dots(a, scratchAt(0), at(bias, n), at(c, n), N, K, accumulate != 0, hasBias != 0, alpha, row, lastRow, 0, columns)
  }
}

/** Rows `row` … `lastRow`, columns `column` … `lastColumn` of c; strides are those of stored rows. */
export function blocks(
  a: usize, strideA: u32, b: usize, strideB: u32, groups: usize, bias: usize, c: usize, strideC: u32, K: u32,
  transposeA: u32, transposeB: u32, accumulate: u32, hasBias: u32, alpha: f32, format: u32,
  row: u32, lastRow: u32, column: u32, lastColumn: u32,
): void {
  // Blocks of equal length: 400 is 200 + 200, not 384 + 16
  const kBlocks = max<u32>(1, (K + K_BLOCK - 1) / K_BLOCK)
  let kBlock = (K + kBlocks - 1) / kBlocks
  // Whole groups
  if (groups) kBlock = (kBlock + 31) & ~31
  const rowGroups = groupsOf(strideB)
  for (let n = column; n < lastColumn; n += N_BLOCK) {
    const columns = min(N_BLOCK, lastColumn - n)
    let k: u32 = 0
    do {
      const depth = min(kBlock, K - k)
      if (groups) {
        if (transposeB) packRows8Quantized(b, groups, rowGroups, n, columns, k, depth, scratchAt(0), scratchAt(BEHIND_BLOCKS), format)
        else packColumns8Quantized(b, groups, rowGroups, k, n, columns, depth, scratchAt(0), scratchAt(BEHIND_BLOCKS), format)
      } else if (format != F32) {
        if (transposeB) packRows8Half(halfAt(b, <u64>n * strideB + k), strideB, columns, depth, scratchAt(0), format)
        else packColumns8Half(halfAt(b, <u64>k * strideB + n), strideB, columns, depth, scratchAt(0), format)
      } else if (transposeB) packRows8(rowAt(b, n, strideB) + bytes(k), strideB, columns, depth, scratchAt(0))
      else packColumns8(rowAt(b, k, strideB) + bytes(n), strideB, columns, depth, scratchAt(0))
      const add = accumulate != 0 || k > 0
      const bias0 = hasBias && !k ? at(bias, n) : 0
      for (let m = row; m < lastRow; m += M_BLOCK) {
        const rows = min(M_BLOCK, lastRow - m)
        if (transposeA) packColumns4(rowAt(a, k, strideA) + bytes(m), strideA, rows, depth, scratchAt(PACKED_A))
        else packRows4(rowAt(a, m, strideA) + bytes(k), strideA, rows, depth, scratchAt(PACKED_A))
        block(rowAt(c, m, strideC) + bytes(n), strideC, rows, columns, depth, alpha, add, bias0)
      }
      k += kBlock
    } while (k < K)
  }
}

/** c (rows, columns) of stride N from the packed blocks. */
function block(c: usize, N: u32, rows: u32, columns: u32, depth: u32, alpha: f32, add: bool, bias: usize): void {
  const edge = scratchAt(EDGE)
  for (let j: u32 = 0; j < columns; j += 8) {
    const panelB = scratchAt(0) + bytes(j * depth)
    const full = columns - j >= 8
    let i: u32 = 0
    for (; i + 4 <= rows; i += 4) {
      const panelA = scratchAt(PACKED_A) + bytes(i * depth)
      if (full) tile4(depth, panelA, 16, panelB, 32, rowAt(c, i, N) + bytes(j), bytes(N), alpha, add, bias ? at(bias, j) : 0)
      else {
        tile4(depth, panelA, 16, panelB, 32, edge, 32, alpha, false, 0)
        for (let r: u32 = 0; r < 4; r++) finishEdge(rowAt(c, i + r, N) + bytes(j), rowAt(edge, r, 8), columns - j, add, bias ? at(bias, j) : 0)
      }
    }
    for (; i < rows; i++) {
      const panelA = scratchAt(PACKED_A) + bytes((i & ~3) * depth + (i & 3))
      if (full) tile1(depth, panelA, 16, panelB, 32, rowAt(c, i, N) + bytes(j), alpha, add, bias ? at(bias, j) : 0)
      else {
        tile1(depth, panelA, 16, panelB, 32, edge, alpha, false, 0)
        finishEdge(rowAt(c, i, N) + bytes(j), edge, columns - j, add, bias ? at(bias, j) : 0)
      }
    }
  }
}

function finishEdge(c: usize, sums: usize, columns: u32, add: bool, bias: usize): void {
  for (let j: u32 = 0; j < columns; j++) {
    let value = load<f32>(at(sums, j))
    if (bias) value += load<f32>(at(bias, j))
    if (add) value += load<f32>(at(c, j))
    store<f32>(at(c, j), value)
  }
}
