// c = [c +] alpha · a · bᵀ [+ bias] for one or two rows of a and four rows of b of 16 bits a number, widened in registers: copying them widened would
// cost more than these products. The sums are those of dots.ts over the widened rows, to the bit. K is a multiple of eight.
import { finish } from './dots'
import { BF16, halfAt, anyOpen, scaledUpper } from './half'
import { addProduct } from './tile'

/** `a1` is a0 and `two` false for one row. Writes nothing, and says so, where a number of f16 is not finite. */
export function halfDots(
  a0: usize, a1: usize, two: bool, b: usize, K: u32, format: u32,
  c: usize, cStep: usize, alpha: f32, accumulate: bool, bias: usize,
): bool {
  if (format == BF16) {
    return two
      ? dotsOf(a0, a1, true, b, K, true, c, cStep, alpha, accumulate, bias)
      : dotsOf(a0, a1, false, b, K, true, c, cStep, alpha, accumulate, bias)
  }
  return two
    ? dotsOf(a0, a1, true, b, K, false, c, cStep, alpha, accumulate, bias)
    : dotsOf(a0, a1, false, b, K, false, c, cStep, alpha, accumulate, bias)
}

@inline
function low(halves: v128, bf16: bool): v128 {
  const upper = i16x8.shuffle(i16x8.splat(0), halves, 0, 8, 1, 9, 2, 10, 3, 11)
  return bf16 ? upper : scaledUpper(upper)
}

@inline
function high(halves: v128, bf16: bool): v128 {
  const upper = i16x8.shuffle(i16x8.splat(0), halves, 4, 12, 5, 13, 6, 14, 7, 15)
  return bf16 ? upper : scaledUpper(upper)
}

@inline
function dotsOf(
  a0: usize, a1: usize, two: bool, b0: usize, K: u32, bf16: bool,
  c: usize, cStep: usize, alpha: f32, accumulate: bool, bias: usize,
): bool {
  let b1 = halfAt(b0, K), b2 = halfAt(b1, K), b3 = halfAt(b2, K)
  let s00 = f32x4.splat(0), s01 = f32x4.splat(0), s02 = f32x4.splat(0), s03 = f32x4.splat(0)
  let s10 = f32x4.splat(0), s11 = f32x4.splat(0), s12 = f32x4.splat(0), s13 = f32x4.splat(0)
  let greatest = i16x8.splat(0)
  for (let left = K; left; left -= 8) {
    let y = v128.load(b0)
    if (!bf16) greatest = i16x8.max_u(greatest, i16x8.shl(y, 1))
    let y0 = low(y, bf16)
    let y1 = high(y, bf16)
    s00 = addProduct(addProduct(s00, v128.load(a0), y0), v128.load(a0, 16), y1)
    if (two) s10 = addProduct(addProduct(s10, v128.load(a1), y0), v128.load(a1, 16), y1)
    y = v128.load(b1)
    if (!bf16) greatest = i16x8.max_u(greatest, i16x8.shl(y, 1))
    y0 = low(y, bf16)
    y1 = high(y, bf16)
    s01 = addProduct(addProduct(s01, v128.load(a0), y0), v128.load(a0, 16), y1)
    if (two) s11 = addProduct(addProduct(s11, v128.load(a1), y0), v128.load(a1, 16), y1)
    y = v128.load(b2)
    if (!bf16) greatest = i16x8.max_u(greatest, i16x8.shl(y, 1))
    y0 = low(y, bf16)
    y1 = high(y, bf16)
    s02 = addProduct(addProduct(s02, v128.load(a0), y0), v128.load(a0, 16), y1)
    if (two) s12 = addProduct(addProduct(s12, v128.load(a1), y0), v128.load(a1, 16), y1)
    y = v128.load(b3)
    if (!bf16) greatest = i16x8.max_u(greatest, i16x8.shl(y, 1))
    y0 = low(y, bf16)
    y1 = high(y, bf16)
    s03 = addProduct(addProduct(s03, v128.load(a0), y0), v128.load(a0, 16), y1)
    if (two) s13 = addProduct(addProduct(s13, v128.load(a1), y0), v128.load(a1, 16), y1)
    a0 += 32
    if (two) a1 += 32
    b0 += 16
    b1 += 16
    b2 += 16
    b3 += 16
  }
  if (anyOpen(i16x8.shr_u(greatest, 1))) return false
  finish(s00, a0, b0, 0, c, alpha, accumulate, bias)
  finish(s01, a0, b1, 0, c + 4, alpha, accumulate, bias ? bias + 4 : 0)
  finish(s02, a0, b2, 0, c + 8, alpha, accumulate, bias ? bias + 8 : 0)
  finish(s03, a0, b3, 0, c + 12, alpha, accumulate, bias ? bias + 12 : 0)
  if (!two) return true
  c += cStep
  finish(s10, a1, b0, 0, c, alpha, accumulate, bias)
  finish(s11, a1, b1, 0, c + 4, alpha, accumulate, bias ? bias + 4 : 0)
  finish(s12, a1, b2, 0, c + 8, alpha, accumulate, bias ? bias + 8 : 0)
  finish(s13, a1, b3, 0, c + 12, alpha, accumulate, bias ? bias + 12 : 0)
  return true
}
