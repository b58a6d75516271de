// Token vectors out of narrow storage: halves two to a word, and residuals of a few bits a column on top of centroids.
import { at, loadFew, rowAt, SCRATCH_BYTES, scratchAt } from './memory'
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

/** Bytes that a group of four columns takes of scratch: what multiplies a row's bits (v128), then byte, shift, bits to the right, middle. */
const GROUP_BYTES: u32 = 32
/** Groups that scratch holds: of 131,072 columns. */
const GROUPS: u32 = SCRATCH_BYTES / GROUP_BYTES
const SCALE_MASK: u32 = 7

/** See the kernel table. Four columns have as many bits each, side by side: a product moves each lane's field to its highest bits. */
export function unpack_residuals(tokens: usize, centroids: usize, scales: usize, curves: usize, fields: usize, y: usize, rows: u32, columns: u32, words: u32, codeBits: u32, normalize: u32, begin: u32, end: u32): void {
  const groups = (columns + 3) / 4
  if (begin >= end || groups > GROUPS) return
  for (let g: u32 = 0; g < groups; g++) layGroup(scratchAt(g * GROUP_BYTES), load<u32>(at(fields, 4 * g)), words)
  const codeMask = (<u32>1 << codeBits) - 1
  for (let row = begin; row < end; row++) {
    const packed = rowAt(tokens, row, words)
    const first = load<u32>(packed)
    const centroid = rowAt(centroids, first & codeMask, columns)
    const scale = v128.load32_splat(at(scales, (first >> codeBits) & SCALE_MASK))
    const to = rowAt(y, row, columns)
    let squares = f32x4.splat(0)
    let group = scratchAt(0)
    for (let c: u32 = 0; c < columns; c += 4, group += GROUP_BYTES) {
      const left = columns - c
      const bits = i32x4.splat(load<u32>(packed + load<u32>(group, 16)) >> load<u32>(group, 20))
      const field = i32x4.shr_u(i32x4.mul(bits, v128.load(group)), load<u32>(group, 24))
      const x = f32x4.sub(f32x4.convert_i32x4_s(field), v128.load32_splat(group, 28))
      const bent = f32x4.add(loadFew(at(curves, c), left), f32x4.mul(loadFew(at(curves, columns + c), left), f32x4.mul(x, x)))
      const value = f32x4.add(loadFew(at(centroid, c), left), f32x4.mul(f32x4.mul(scale, x), bent))
      squares = f32x4.add(squares, f32x4.mul(value, value))
      storeFew(at(to, c), value, left)
    }
    if (!normalize) continue
    const length = Math.sqrt(sum4(squares))
    const factor = f32x4.splat(length > 0 ? <f32>(1 / length) : 0)
    for (let c: u32 = 0; c < columns; c += 4) storeFew(at(to, c), f32x4.mul(factor, loadFew(at(to, c), columns - c)), columns - c)
  }
}

/** Where a group's fields lie in a row. Its word is never read beyond the row's last byte: the shift says the rest. */
function layGroup(group: usize, field: u32, words: u32): void {
  const first = field & 0xffff
  const bits = field >> 16
  const byte = min(first >> 3, 4 * words - 4)
  let factors = i32x4.splat(0)
  if (bits > 0) {
    factors = i32x4.replace_lane(factors, 0, 1 << (32 - bits))
    factors = i32x4.replace_lane(factors, 1, 1 << (32 - 2 * bits))
    factors = i32x4.replace_lane(factors, 2, 1 << (32 - 3 * bits))
    factors = i32x4.replace_lane(factors, 3, 1 << (32 - 4 * bits))
  }
  v128.store(group, factors)
  store<u32>(group, byte, 16)
  store<u32>(group, first - 8 * byte, 20)
  store<u32>(group, 32 - bits, 24)
  store<f32>(group, 0.5 * <f32>((<u32>1 << bits) - 1), 28)
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
