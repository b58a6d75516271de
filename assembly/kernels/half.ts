// Numbers of 16 bits, two a word, the lower half first: f16 and bf16, widened to f32 without loss, and blocks of them in the order of pack.ts.
import { at, bytes, rowAt } from './memory'

/** HALF_FORMATS of the kernel table, and f32 beside them. */
export const F16: u32 = 0
export const BF16: u32 = 1
export const F32: u32 = 2

/** 2¹¹²: what the exponents of f16 are less by. */
const SCALE: f32 = 5.192296858534828e33

/** Address of element i. */
@inline
export function halfAt(base: usize, i: u64): usize {
  return base + <usize>(i << 1)
}

/** Four neighbouring numbers. */
@inline
export function widen4(from: usize, format: u32): v128 {
  return widenBits4(v128.load16x4_u(from), format)
}

@inline
function widenBits4(half: v128, format: u32): v128 {
  if (format == BF16) return i32x4.shl(half, 16)
  const size = v128.and(half, i32x4.splat(0x7fff))
  // Scaled as f32, so that subnormal ones come out right; what is not finite keeps the largest exponent
  const scaled = f32x4.mul(i32x4.shl(size, 13), f32x4.splat(SCALE))
  const open = v128.and(i32x4.gt_s(size, i32x4.splat(0x7bff)), i32x4.splat(0x7f800000))
  return v128.or(v128.or(scaled, open), i32x4.shl(v128.and(half, i32x4.splat(0x8000)), 16))
}

@inline
function widen1(from: usize, format: u32): f32 {
  return f32x4.extract_lane(widenBits4(i32x4.splat(<i32>load<u16>(from)), format), 0)
}

/** Whether one of eight numbers of f16 is not finite. */
@inline
export function anyOpen(halves: v128): bool {
  return v128.any_true(i16x8.gt_s(v128.and(halves, i16x8.splat(0x7fff)), i16x8.splat(0x7bff)))
}

/** Finite numbers of f16, each in the upper half of its lane. */
@inline
export function scaledUpper(upper: v128): v128 {
  return f32x4.mul(v128.and(i32x4.shr_s(upper, 3), i32x4.splat(0x8fffe000)), f32x4.splat(SCALE))
}

/** Eight neighbours to `to`: = or +=. */
@inline
function widen8(from: usize, to: usize, format: u32, accumulate: bool): void {
  const halves = v128.load(from)
  const zero = i16x8.splat(0)
  // As bf16 they are widened by this already
  let low = i16x8.shuffle(zero, halves, 0, 8, 1, 9, 2, 10, 3, 11)
  let high = i16x8.shuffle(zero, halves, 4, 12, 5, 13, 6, 14, 7, 15)
  if (format != BF16) {
    if (anyOpen(halves)) {
      low = widenBits4(i32x4.shr_u(low, 16), format)
      high = widenBits4(i32x4.shr_u(high, 16), format)
    } else {
      low = scaledUpper(low)
      high = scaledUpper(high)
    }
  }
  v128.store(to, accumulate ? f32x4.add(v128.load(to), low) : low)
  v128.store(to, accumulate ? f32x4.add(v128.load(to, 16), high) : high, 16)
}

/** y = [y +] x, `columns` elements of x widened. */
export function widenRow(x: usize, y: usize, columns: u32, format: u32, accumulate: bool): void {
  let j: u32 = 0
  for (; j + 8 <= columns; j += 8) widen8(halfAt(x, j), at(y, j), format, accumulate)
  for (; j < columns; j++) {
    const value = widen1(halfAt(x, j), format)
    store<f32>(at(y, j), accumulate ? load<f32>(at(y, j)) + value : value)
  }
}

export function gather_rows_half(
  table: usize, index: usize, out: usize, rows: u32, columns: u32, accumulate: u32, format: u32, begin: u32, end: u32,
): void {
  for (let row = begin; row < end; row++) {
    widenRow(halfAt(table, <u64>load<u32>(at(index, row)) * columns), rowAt(out, row, columns), columns, format, accumulate != 0)
  }
}

/** packColumns8 of b (K, N). */
export function packColumns8Half(b: usize, N: u32, columns: u32, depth: u32, panels: usize, format: u32): void {
  for (let j: u32 = 0; j < columns; j += 8) {
    let to = panels + bytes(j * depth)
    let from = halfAt(b, j)
    const width = min<u32>(8, columns - j)
    for (let k: u32 = 0; k < depth; k++) {
      if (width == 8) widen8(from, to, format, false)
      else {
        for (let l: u32 = 0; l < 8; l++) store<f32>(at(to, l), l < width ? widen1(halfAt(from, l), format) : 0)
      }
      from = halfAt(from, N)
      to += 32
    }
  }
}

/** packRows8 of b stored (N, K). */
export function packRows8Half(b: usize, K: u32, columns: u32, depth: u32, panels: usize, format: u32): void {
  for (let j: u32 = 0; j < columns; j += 4) {
    packQuad(halfAt(b, <u64>j * K), K, min<u32>(4, columns - j), depth, panels + bytes((j & ~7) * depth) + bytes(j & 4), format)
  }
  // The second half of the last panel
  if (columns % 8 != 0 && columns % 8 <= 4) packQuad(b, K, 0, depth, panels + bytes((columns & ~7) * depth) + 16, format)
}

/** Up to four rows of `depth` elements, transposed: element (r, k) goes to `to` + 32 k + 4 r; absent rows are 0. */
function packQuad(from: usize, stride: u32, rows: u32, depth: u32, to: usize, format: u32): void {
  let k: u32 = 0
  if (rows == 4) {
    const row1 = halfAt(from, stride)
    const row2 = halfAt(row1, stride)
    const row3 = halfAt(row2, stride)
    for (; k + 4 <= depth; k += 4) {
      const x0 = widen4(halfAt(from, k), format)
      const x1 = widen4(halfAt(row1, k), format)
      const x2 = widen4(halfAt(row2, k), format)
      const x3 = widen4(halfAt(row3, k), format)
      const low01 = i32x4.shuffle(x0, x1, 0, 4, 1, 5)
      const low23 = i32x4.shuffle(x2, x3, 0, 4, 1, 5)
      const high01 = i32x4.shuffle(x0, x1, 2, 6, 3, 7)
      const high23 = i32x4.shuffle(x2, x3, 2, 6, 3, 7)
      v128.store(to, i64x2.shuffle(low01, low23, 0, 2))
      v128.store(to, i64x2.shuffle(low01, low23, 1, 3), 32)
      v128.store(to, i64x2.shuffle(high01, high23, 0, 2), 64)
      v128.store(to, i64x2.shuffle(high01, high23, 1, 3), 96)
      to += 128
    }
  }
  for (; k < depth; k++) {
    for (let r: u32 = 0; r < 4; r++) store<f32>(at(to, r), r < rows ? widen1(halfAt(from, <u64>r * stride + k), format) : 0)
    to += 32
  }
}
