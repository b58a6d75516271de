// Weights of 8 or 4 bits in groups of 32 neighbours of a row, rows filled up to whole groups: value = least + step · code, rounded once in f32. A group's
// word holds step and least as bf16, step in the lower half; of 4 bits the even code of two is the lower half of their byte.
import { bytes, rowAt } from './memory'
import { packRows8 } from './pack'
import { addProduct } from './tile'

export const GROUP: u32 = 32

export function groupsOf(columns: u32): u32 {
  return (columns + GROUP - 1) / GROUP
}

@inline
export function sixteenCodes(from: usize, bits: u32): v128 {
  if (bits == 8) return v128.load(from)
  const packed = v128.load64_zero(from)
  const even = v128.and(packed, i8x16.splat(15))
  return i8x16.shuffle(even, i8x16.shr_u(packed, 4), 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
}

/** `count` numbers of a row from `first` on, a multiple of 16; up to 15 more are written. */
export function widenGroups(b: usize, groups: usize, row: u32, rowGroups: u32, first: u32, count: u32, to: usize, bits: u32): void {
  const before = <usize>row * rowGroups
  const codes = b + before * (4 * bits)
  const words = groups + (before << 2)
  for (let j: u32 = 0; j < count; j += 16) {
    const column = first + j
    const word = load<u32>(words + bytes(column / GROUP))
    const step = i32x4.splat(word << 16)
    const least = i32x4.splat(word & 0xffff0000)
    const code = sixteenCodes(codes + (bits == 8 ? column : column >> 1), bits)
    const low = i16x8.extend_low_i8x16_u(code)
    const high = i16x8.extend_high_i8x16_u(code)
    store4(to, i32x4.extend_low_i16x8_u(low), step, least)
    store4(to + 16, i32x4.extend_high_i16x8_u(low), step, least)
    store4(to + 32, i32x4.extend_low_i16x8_u(high), step, least)
    store4(to + 48, i32x4.extend_high_i16x8_u(high), step, least)
    to += 64
  }
}

@inline
function store4(to: usize, code: v128, step: v128, least: v128): void {
  // The product is exact, of 8 bits by 8: fused or not it is rounded once.
  v128.store(to, addProduct(least, f32x4.convert_i32x4_s(code), step))
}

/** packRows8 of rows `row`, … of b stored (N, K), from column k on, a multiple of 16; `room` for 8 rows of depth + 16. */
export function packRows8Quantized(
  b: usize, groups: usize, rowGroups: u32, row: u32, columns: u32, k: u32, depth: u32, panels: usize, room: usize, bits: u32,
): void {
  const stride = depth + 16
  for (let j: u32 = 0; j < columns; j += 8) {
    const width = min<u32>(8, columns - j)
    for (let r: u32 = 0; r < width; r++) widenGroups(b, groups, row + j + r, rowGroups, k, depth, rowAt(room, r, stride), bits)
    packRows8(room, stride, width, depth, panels + bytes(j * depth))
  }
}

/** packColumns8 of rows k, … of b (K, N), from column n on, a multiple of 16; `room` for columns + 16. */
export function packColumns8Quantized(
  b: usize, groups: usize, rowGroups: u32, k: u32, n: u32, columns: u32, depth: u32, panels: usize, room: usize, bits: u32,
): void {
  for (let i: u32 = 0; i < depth; i++) {
    widenGroups(b, groups, k + i, rowGroups, n, columns, room, bits)
    v128.store(room + bytes(columns), i32x4.splat(0))
    v128.store(room + bytes(columns), i32x4.splat(0), 16)
    for (let j: u32 = 0; j < columns; j += 8) {
      const to = panels + bytes(j * depth) + bytes(8 * i)
      v128.store(to, v128.load(room + bytes(j)))
      v128.store(to, v128.load(room + bytes(j), 16), 16)
    }
  }
}
