// The innermost product of whole numbers, and the copies it reads: i16 pairs of neighbours along k, four rows of a (4, pairs) or eight of b side by
// side, all pairs of a panel together. c = sum · (scale of a's row · scale of b's row) + offset, each step rounded to f32.
import { at, bytes, rowAt } from './memory'

export const TILE_ROWS: u32 = 4
export const TILE_COLUMNS: u32 = 8

@inline
function addDot(sums: v128, x: v128, y: v128): v128 {
  return i32x4.add(sums, i32x4.dot_i16x8_s(x, y))
}

/** What turns the sums of a tile's columns to f32: their scales and offsets. */
@inline
function finish(c: usize, sums: v128, scales: v128, offsets: v128): void {
  v128.store(c, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(sums), scales), offsets))
}

@inline
function finish8(c: usize, low: v128, high: v128, aScale: usize, bScales: usize, offsets: usize): void {
  const scale = v128.load32_splat(aScale)
  finish(c, low, f32x4.mul(scale, v128.load(bScales)), v128.load(offsets))
  finish(c + 16, high, f32x4.mul(scale, v128.load(bScales, 16)), v128.load(offsets, 16))
}

/** The first `rows` of four rows of c, 8 columns, cStep bytes apart; `offsets` (8) are added. */
@inline
export function tile4x8(pairs: u32, a: usize, b: usize, aScales: usize, bScales: usize, offsets: usize, c: usize, cStep: usize, rows: u32): void {
  let c00 = i32x4.splat(0), c01 = i32x4.splat(0), c10 = i32x4.splat(0), c11 = i32x4.splat(0)
  let c20 = i32x4.splat(0), c21 = i32x4.splat(0), c30 = i32x4.splat(0), c31 = i32x4.splat(0)
  for (let left = pairs; left; --left) {
    const b0 = v128.load(b)
    const b1 = v128.load(b, 16)
    let x = v128.load32_splat(a)
    c00 = addDot(c00, x, b0)
    c01 = addDot(c01, x, b1)
    x = v128.load32_splat(a, 4)
    c10 = addDot(c10, x, b0)
    c11 = addDot(c11, x, b1)
    x = v128.load32_splat(a, 8)
    c20 = addDot(c20, x, b0)
    c21 = addDot(c21, x, b1)
    x = v128.load32_splat(a, 12)
    c30 = addDot(c30, x, b0)
    c31 = addDot(c31, x, b1)
    a += 16
    b += 32
  }
  finish8(c, c00, c01, aScales, bScales, offsets)
  if (rows > 1) finish8(c += cStep, c10, c11, aScales + 4, bScales, offsets)
  if (rows > 2) finish8(c += cStep, c20, c21, aScales + 8, bScales, offsets)
  if (rows > 3) finish8(c + cStep, c30, c31, aScales + 12, bScales, offsets)
}

/** A panel of eight rows of b, of which `rows` are there; the others are 0. */
export function panel8(b: usize, words: u32, rows: u32, to: usize): void {
  widenQuad(b, words, min<u32>(4, rows), to, 32)
  widenQuad(rowAt(b, 4, words), words, rows > 4 ? rows - 4 : 0, to + 16, 32)
}

/** Panels of four rows of a. */
export function panels4(a: usize, words: u32, rows: u32, to: usize): void {
  for (let i: u32 = 0; i < rows; i += 4) widenQuad(rowAt(a, i, words), words, min<u32>(4, rows - i), to + bytes(2 * i * words), 16)
}

/** Up to four rows of i8 widened and transposed by pairs: pair p of row r goes to `to` + p · step + 4 r; absent rows are 0. */
function widenQuad(from: usize, words: u32, rows: u32, to: usize, step: usize): void {
  const zero = i32x4.splat(0)
  const row1 = rowAt(from, 1, words)
  const row2 = rowAt(from, 2, words)
  const row3 = rowAt(from, 3, words)
  for (let word: u32 = 0; word < words; word += 4) {
    const x0 = rows > 0 ? v128.load(at(from, word)) : zero
    const x1 = rows > 1 ? v128.load(at(row1, word)) : zero
    const x2 = rows > 2 ? v128.load(at(row2, word)) : zero
    const x3 = rows > 3 ? v128.load(at(row3, word)) : zero
    const low01 = i16x8.shuffle(x0, x1, 0, 8, 1, 9, 2, 10, 3, 11)
    const low23 = i16x8.shuffle(x2, x3, 0, 8, 1, 9, 2, 10, 3, 11)
    const high01 = i16x8.shuffle(x0, x1, 4, 12, 5, 13, 6, 14, 7, 15)
    const high23 = i16x8.shuffle(x2, x3, 4, 12, 5, 13, 6, 14, 7, 15)
    storeTwo(to, step, i32x4.shuffle(low01, low23, 0, 4, 1, 5))
    storeTwo(to + 2 * step, step, i32x4.shuffle(low01, low23, 2, 6, 3, 7))
    storeTwo(to + 4 * step, step, i32x4.shuffle(high01, high23, 0, 4, 1, 5))
    storeTwo(to + 6 * step, step, i32x4.shuffle(high01, high23, 2, 6, 3, 7))
    to += 8 * step
  }
}

@inline
function storeTwo(to: usize, step: usize, x: v128): void {
  v128.store(to, i16x8.extend_low_i8x16_s(x))
  v128.store(to + step, i16x8.extend_high_i8x16_s(x))
}
