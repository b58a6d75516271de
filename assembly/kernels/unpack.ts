// Token vectors out of narrow storage: halves two to a word, and residuals of 2 bits a channel on top of centroids.
import { at, bytes, loadFew, rowAt } from './memory'
import { sum4 } from './math'

/** y (2 · words): f16 bits, the first of a word in its low half. Finite ones only. */
export function unpack_f16(x: usize, y: usize, words: u32, begin: u32, end: u32): void {
  for (let i = begin; i < end; i += 2) {
    const from = at(x, i)
    const to = at(y, 2 * i)
    if (end - i >= 2) v128.store(to, widen(i32x4.extend_low_i16x8_u(v128.load64_zero(from))))
    else v128.store64_lane(to, widen(i32x4.extend_low_i16x8_u(v128.load32_zero(from))), 0)
  }
}

/** Exponent and mantissa moved to their places in an f32; its bias is 112 more. Subnormal halves come out right, too. */
@inline
function widen(half: v128): v128 {
  const magnitude = i32x4.shl(v128.and(half, i32x4.splat(0x7fff)), 13)
  const sign = i32x4.shl(v128.and(half, i32x4.splat(0x8000)), 16)
  return v128.or(f32x4.mul(magnitude, f32x4.splat(5.192296858534828e33)), sign)
}

/** y = centroid + level of each channel, rows scaled to length 1 where `normalize`. residuals (rows, ⌈columns / 16⌉), levels (4, columns). */
export function unpack_residuals(codes: usize, residuals: usize, centroids: usize, levels: usize, y: usize, rows: u32, columns: u32, normalize: u32, begin: u32, end: u32): void {
  const words = (columns + 15) / 16
  for (let row = begin; row < end; row++) {
    const centroid = rowAt(centroids, load<u32>(at(codes, row)), columns)
    const packed = rowAt(residuals, row, words)
    const to = rowAt(y, row, columns)
    let squares = f32x4.splat(0)
    for (let c: u32 = 0; c < columns; c += 4) {
      // Channel c + i has bits 2 i and 2 i + 1 of its byte
      const byte = i32x4.splat(load<u8>(packed + <usize>(c >> 2)))
      const odd = i32x4.ne(v128.and(byte, i32x4(1, 4, 16, 64)), i32x4.splat(0))
      const high = i32x4.ne(v128.and(byte, i32x4(2, 8, 32, 128)), i32x4.splat(0))
      const left = columns - c
      const low2 = v128.bitselect(levelsAt(levels, 1, c, columns, left), levelsAt(levels, 0, c, columns, left), odd)
      const high2 = v128.bitselect(levelsAt(levels, 3, c, columns, left), levelsAt(levels, 2, c, columns, left), odd)
      const value = f32x4.add(loadFew(at(centroid, c), left), v128.bitselect(high2, low2, high))
      squares = f32x4.add(squares, f32x4.mul(value, value))
      storeFew(at(to, c), value, left)
    }
    if (!normalize) continue
    const length = Math.sqrt(sum4(squares))
    const scale = f32x4.splat(length > 0 ? <f32>(1 / length) : 0)
    for (let c: u32 = 0; c < columns; c += 4) storeFew(at(to, c), f32x4.mul(scale, loadFew(at(to, c), columns - c)), columns - c)
  }
}

@inline
function levelsAt(levels: usize, level: u32, c: u32, columns: u32, left: u32): v128 {
  return loadFew(at(levels, level * columns) + bytes(c), left)
}

@inline
function storeFew(to: usize, value: v128, count: u32): void {
  if (count >= 4) {
    v128.store(to, value)
    return
  }
  v128.store_lane<f32>(to, value, 0)
  if (count > 1) v128.store_lane<f32>(at(to, 1), value, 1)
  if (count > 2) v128.store_lane<f32>(at(to, 2), value, 2)
}
