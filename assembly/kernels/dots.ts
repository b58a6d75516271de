// c = [c +] alpha · a · bᵀ [+ bias] for few rows of a: dot products straight from memory, since copying b (N, K) into panels would cost more than the
// product. Every element is summed in four lanes over k, these in one order, then the last K mod 4 products, whatever the range.
import { at, bytes, rowAt } from './memory'
import { addProduct } from './tile'

/** Up to this many rows of a (M) dot products are faster than panels. */
export const FEW_ROWS: u32 = 12

export function dots(
  a: usize, b: usize, bias: usize, c: usize, N: u32, K: u32, accumulate: bool, hasBias: bool, alpha: f32,
  row: u32, lastRow: u32, column: u32, lastColumn: u32,
): void {
  let j = column
  for (; j + 4 <= lastColumn; j += 4) {
    const bColumn = rowAt(b, j, K)
    const offset = hasBias ? at(bias, j) : 0
    let i = row
    for (; i + 2 <= lastRow; i += 2) dots2x4(rowAt(a, i, K), bColumn, K, rowAt(c, i, N) + bytes(j), bytes(N), alpha, accumulate, offset)
    if (i < lastRow) dots1x4(rowAt(a, i, K), bColumn, K, rowAt(c, i, N) + bytes(j), alpha, accumulate, offset)
  }
  for (; j < lastColumn; j++) {
    for (let i = row; i < lastRow; i++) dot1x1(rowAt(a, i, K), rowAt(b, j, K), K, rowAt(c, i, N) + bytes(j), alpha, accumulate, hasBias ? at(bias, j) : 0)
  }
}

/** c = [c +] alpha · (the lanes' sum + the products after the last whole four) [+ bias] */
export function finish(lanes: v128, a: usize, b: usize, left: u32, c: usize, alpha: f32, accumulate: bool, bias: usize): void {
  let sum = f32x4.extract_lane(lanes, 0) + f32x4.extract_lane(lanes, 1) + (f32x4.extract_lane(lanes, 2) + f32x4.extract_lane(lanes, 3))
  for (let k: u32 = 0; k < left; k++) sum += load<f32>(at(a, k)) * load<f32>(at(b, k))
  let value = sum * alpha
  if (bias) value += load<f32>(bias)
  if (accumulate) value += load<f32>(c)
  store<f32>(c, value)
}

function dots2x4(a0: usize, b0: usize, K: u32, c: usize, cStep: usize, alpha: f32, accumulate: bool, bias: usize): void {
  let a1 = a0 + bytes(K), b1 = b0 + bytes(K), b2 = b1 + bytes(K), b3 = b2 + bytes(K)
  let s00 = f32x4.splat(0), s01 = f32x4.splat(0), s02 = f32x4.splat(0), s03 = f32x4.splat(0)
  let s10 = f32x4.splat(0), s11 = f32x4.splat(0), s12 = f32x4.splat(0), s13 = f32x4.splat(0)
  let left = K
  for (; left >= 4; left -= 4) {
    const x0 = v128.load(a0)
    const x1 = v128.load(a1)
    let y = v128.load(b0)
    s00 = addProduct(s00, x0, y)
    s10 = addProduct(s10, x1, y)
    y = v128.load(b1)
    s01 = addProduct(s01, x0, y)
    s11 = addProduct(s11, x1, y)
    y = v128.load(b2)
    s02 = addProduct(s02, x0, y)
    s12 = addProduct(s12, x1, y)
    y = v128.load(b3)
    s03 = addProduct(s03, x0, y)
    s13 = addProduct(s13, x1, y)
    a0 += 16
    a1 += 16
    b0 += 16
    b1 += 16
    b2 += 16
    b3 += 16
  }
  finish(s00, a0, b0, left, c, alpha, accumulate, bias)
  finish(s01, a0, b1, left, c + 4, alpha, accumulate, bias ? bias + 4 : 0)
  finish(s02, a0, b2, left, c + 8, alpha, accumulate, bias ? bias + 8 : 0)
  finish(s03, a0, b3, left, c + 12, alpha, accumulate, bias ? bias + 12 : 0)
  c += cStep
  finish(s10, a1, b0, left, c, alpha, accumulate, bias)
  finish(s11, a1, b1, left, c + 4, alpha, accumulate, bias ? bias + 4 : 0)
  finish(s12, a1, b2, left, c + 8, alpha, accumulate, bias ? bias + 8 : 0)
  finish(s13, a1, b3, left, c + 12, alpha, accumulate, bias ? bias + 12 : 0)
}

function dots1x4(a: usize, b0: usize, K: u32, c: usize, alpha: f32, accumulate: bool, bias: usize): void {
  let b1 = b0 + bytes(K), b2 = b1 + bytes(K), b3 = b2 + bytes(K)
  let s0 = f32x4.splat(0), s1 = f32x4.splat(0), s2 = f32x4.splat(0), s3 = f32x4.splat(0)
  let left = K
  for (; left >= 4; left -= 4) {
    const x = v128.load(a)
    s0 = addProduct(s0, x, v128.load(b0))
    s1 = addProduct(s1, x, v128.load(b1))
    s2 = addProduct(s2, x, v128.load(b2))
    s3 = addProduct(s3, x, v128.load(b3))
    a += 16
    b0 += 16
    b1 += 16
    b2 += 16
    b3 += 16
  }
  finish(s0, a, b0, left, c, alpha, accumulate, bias)
  finish(s1, a, b1, left, c + 4, alpha, accumulate, bias ? bias + 4 : 0)
  finish(s2, a, b2, left, c + 8, alpha, accumulate, bias ? bias + 8 : 0)
  finish(s3, a, b3, left, c + 12, alpha, accumulate, bias ? bias + 12 : 0)
}

function dot1x1(a: usize, b: usize, K: u32, c: usize, alpha: f32, accumulate: bool, bias: usize): void {
  let sum = f32x4.splat(0)
  let left = K
  for (; left >= 4; left -= 4) {
    sum = addProduct(sum, v128.load(a), v128.load(b))
    a += 16
    b += 16
  }
  finish(sum, a, b, left, c, alpha, accumulate, bias)
}
