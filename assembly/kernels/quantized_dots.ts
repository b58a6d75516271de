// c = [c +] alpha · a · bᵀ [+ bias] for one or two rows of a and a row of b of 8 or 4 bits a number in groups, see quantized.ts: of each group the codes are
// summed, and step and least value taken in once, Σ a · (least + step · code) = least · Σ a + step · Σ a · code. K is a multiple of GROUP.
import { finish } from './dots'
import { at } from './memory'
import { GROUP, sixteenCodes } from './quantized'
import { addProduct } from './tile'

/** What one row of a takes, in bytes. */
@inline
export function groupSumBytes(K: u32): usize {
  return <usize>(K / GROUP) << 4
}

/** Of a row of a the sums over each group, in four lanes. */
export function groupSums(a: usize, K: u32, to: usize): void {
  for (let k: u32 = 0; k < K; k += GROUP) {
    let sum = v128.load(at(a, k))
    for (let i: u32 = 4; i < GROUP; i += 4) sum = f32x4.add(sum, v128.load(at(a, k + i)))
    v128.store(to, sum)
    to += 16
  }
}

/** `a1` is a0 and `two` false for one row; `sums` holds groupSums of both, one after the other. */
export function quantizedDots(
  a0: usize, a1: usize, two: bool, sums: usize, codes: usize, groups: usize, K: u32, bits: u32,
  c: usize, cStep: usize, alpha: f32, accumulate: bool, bias: usize,
): void {
  if (bits == 8) {
    if (two) dotsOf(a0, a1, true, sums, codes, groups, K, 8, c, cStep, alpha, accumulate, bias)
    else dotsOf(a0, a1, false, sums, codes, groups, K, 8, c, cStep, alpha, accumulate, bias)
  } else if (two) dotsOf(a0, a1, true, sums, codes, groups, K, 4, c, cStep, alpha, accumulate, bias)
  else dotsOf(a0, a1, false, sums, codes, groups, K, 4, c, cStep, alpha, accumulate, bias)
}

@inline
function dotsOf(
  a0: usize, a1: usize, two: bool, sums: usize, codes: usize, groups: usize, K: u32, bits: u32,
  c: usize, cStep: usize, alpha: f32, accumulate: bool, bias: usize,
): void {
  const secondSums = groupSumBytes(K)
  let s0 = f32x4.splat(0)
  let s1 = f32x4.splat(0)
  for (let left = K; left; left -= GROUP) {
    let x0 = f32x4.splat(0)
    let x1 = f32x4.splat(0)
    for (let i: u32 = 0; i < GROUP; i += 16) {
      const code = sixteenCodes(codes, bits)
      const low = i16x8.extend_low_i8x16_u(code)
      const high = i16x8.extend_high_i8x16_u(code)
      let y = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(low))
      x0 = addProduct(x0, v128.load(a0), y)
      if (two) x1 = addProduct(x1, v128.load(a1), y)
      y = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(low))
      x0 = addProduct(x0, v128.load(a0, 16), y)
      if (two) x1 = addProduct(x1, v128.load(a1, 16), y)
      y = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(high))
      x0 = addProduct(x0, v128.load(a0, 32), y)
      if (two) x1 = addProduct(x1, v128.load(a1, 32), y)
      y = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(high))
      x0 = addProduct(x0, v128.load(a0, 48), y)
      if (two) x1 = addProduct(x1, v128.load(a1, 48), y)
      a0 += 64
      if (two) a1 += 64
      codes += 2 * bits
    }
    const word = load<u32>(groups)
    const step = i32x4.splat(word << 16)
    const least = i32x4.splat(word & 0xffff0000)
    s0 = addProduct(addProduct(s0, x0, step), v128.load(sums), least)
    if (two) s1 = addProduct(addProduct(s1, x1, step), v128.load(sums + secondSums), least)
    groups += 4
    sums += 16
  }
  finish(s0, a0, codes, 0, c, alpha, accumulate, bias)
  if (two) finish(s1, a1, codes, 0, c + cStep, alpha, accumulate, bias)
}
