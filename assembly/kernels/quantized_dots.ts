// c = [c +] alpha · a · bᵀ [+ bias] for one to four rows of a and a row of b of 8 or 4 bits a number in groups, see quantized.ts: of each group the codes are
// summed, and step and least value taken in once, Σ a · (least + step · code) = least · Σ a + step · Σ a · code. Four words of codes are one vector, of which
// two codes each are masked, then all are moved by two. The second of the two is a whole number that is 2^bits times too large where it stands: the a that
// it meets was made that much smaller.
import { finish } from './dots'
import { at, bytes } from './memory'
import { packQuad } from './pack'
import { GROUP, groupsOf } from './quantized'
import { addProduct } from './tile'

/** Of a group of a: its 32 numbers in the order of their codes, and their sums in four lanes. */
const GROUP_BYTES: u32 = 4 * GROUP + 16

/** What one row of a takes. */
@inline
export function arrangedBytes(K: u32): u32 {
  return groupsOf(K) * GROUP_BYTES
}

/** A row of a as quantizedDots reads it; zeros fill up the last group, in `room` for one. */
export function arrange(a: usize, K: u32, bits: u32, to: usize, room: usize): void {
  const codes: u32 = 32 / bits // of a word
  const smaller = f32x4.splat(1 / <f32>(1 << bits))
  for (let k: u32 = 0; k < K; k += GROUP) {
    let from = at(a, k)
    if (K - k < GROUP) {
      memory.fill(room, 0, 4 * GROUP)
      memory.copy(room, from, bytes(K - k))
      from = room
    }
    // Lane w of vector j: of word w the code j. Of 8 bits words 4 to 7 follow.
    packQuad(from, codes, 4, codes, to, 16)
    if (bits == 8) packQuad(at(from, 16), codes, 4, codes, to + 64, 16)
    let sum = f32x4.splat(0)
    // The second of two codes
    for (let i: u32 = 0; i < GROUP; i += 8) {
      const even = v128.load(at(to, i))
      const odd = v128.load(at(to, i), 16)
      sum = f32x4.add(sum, f32x4.add(even, odd))
      v128.store(at(to, i), f32x4.mul(odd, smaller), 16)
    }
    v128.store(at(to, GROUP), sum)
    to += GROUP_BYTES
  }
}

/** A column of c, of `rows` arranged rows of a, one after the other. */
export function quantizedDots(
  arranged: usize, rows: u32, codes: usize, groups: usize, K: u32, bits: u32, c: usize, cStep: usize, alpha: f32, accumulate: bool, bias: usize,
): void {
  const step = <usize>arrangedBytes(K)
  if (rows == 4) {
    if (bits == 8) dotsOf(4, arranged, step, codes, groups, K, 8, c, cStep, alpha, accumulate, bias)
    else dotsOf(4, arranged, step, codes, groups, K, 4, c, cStep, alpha, accumulate, bias)
    return
  }
  if (rows > 1) {
    if (bits == 8) dotsOf(2, arranged, step, codes, groups, K, 8, c, cStep, alpha, accumulate, bias)
    else dotsOf(2, arranged, step, codes, groups, K, 4, c, cStep, alpha, accumulate, bias)
  }
  if (rows % 2 == 0) return
  arranged += <usize>(rows - 1) * step
  c += <usize>(rows - 1) * cStep
  if (bits == 8) dotsOf(1, arranged, step, codes, groups, K, 8, c, cStep, alpha, accumulate, bias)
  else dotsOf(1, arranged, step, codes, groups, K, 4, c, cStep, alpha, accumulate, bias)
}

/** sum + Σ a · code over four vectors of each. */
@inline
function addFour(sum: v128, a: usize, y0: v128, y1: v128, y2: v128, y3: v128): v128 {
  sum = addProduct(sum, v128.load(a), y0)
  sum = addProduct(sum, v128.load(a, 16), y1)
  sum = addProduct(sum, v128.load(a, 32), y2)
  return addProduct(sum, v128.load(a, 48), y3)
}

/** sum + size · x + least · Σ a */
@inline
function addGroup(sum: v128, x: v128, a: usize, size: v128, least: v128): v128 {
  return addProduct(addProduct(sum, x, size), v128.load(a, 128), least)
}

@inline
function codesOf(words: v128, mask: i32): v128 {
  return f32x4.convert_i32x4_s(v128.and(words, i32x4.splat(mask)))
}

@inline
function dotsOf(
  rows: u32, a0: usize, step: usize, codes: usize, groups: usize, K: u32, bits: u32, c: usize, cStep: usize, alpha: f32, accumulate: bool, bias: usize,
): void {
  const even: i32 = (1 << bits) - 1
  const odd: i32 = even << bits
  let a1 = a0 + step, a2 = a1 + step, a3 = a2 + step
  let s0 = f32x4.splat(0), s1 = f32x4.splat(0), s2 = f32x4.splat(0), s3 = f32x4.splat(0)
  for (const last = groups + bytes(groupsOf(K)); groups < last; groups += 4) {
    let words = v128.load(codes)
    let x0 = f32x4.splat(0), x1 = f32x4.splat(0), x2 = f32x4.splat(0), x3 = f32x4.splat(0)
    let y0 = codesOf(words, even), y1 = codesOf(words, odd)
    words = i32x4.shr_u(words, 2 * bits)
    let y2 = codesOf(words, even), y3 = codesOf(words, odd)
    words = bits == 8 ? v128.load(codes, 16) : i32x4.shr_u(words, 2 * bits)
    x0 = addFour(x0, a0, y0, y1, y2, y3)
    if (rows > 1) x1 = addFour(x1, a1, y0, y1, y2, y3)
    if (rows > 2) x2 = addFour(x2, a2, y0, y1, y2, y3)
    if (rows > 2) x3 = addFour(x3, a3, y0, y1, y2, y3)
    y0 = codesOf(words, even), y1 = codesOf(words, odd)
    words = i32x4.shr_u(words, 2 * bits)
    y2 = codesOf(words, even), y3 = codesOf(words, odd)
    x0 = addFour(x0, a0 + 64, y0, y1, y2, y3)
    if (rows > 1) x1 = addFour(x1, a1 + 64, y0, y1, y2, y3)
    if (rows > 2) x2 = addFour(x2, a2 + 64, y0, y1, y2, y3)
    if (rows > 2) x3 = addFour(x3, a3 + 64, y0, y1, y2, y3)
    codes += 4 * bits
    const word = load<u32>(groups)
    const size = i32x4.splat(word << 16)
    const least = i32x4.splat(word & 0xffff0000)
    s0 = addGroup(s0, x0, a0, size, least)
    a0 += GROUP_BYTES
    if (rows > 1) {
      s1 = addGroup(s1, x1, a1, size, least)
      a1 += GROUP_BYTES
    }
    if (rows > 2) {
      s2 = addGroup(s2, x2, a2, size, least)
      s3 = addGroup(s3, x3, a3, size, least)
      a2 += GROUP_BYTES
      a3 += GROUP_BYTES
    }
  }
  finish(s0, a0, codes, 0, c, alpha, accumulate, bias)
  if (rows > 1) finish(s1, a0, codes, 0, c + cStep, alpha, accumulate, bias)
  if (rows > 2) finish(s2, a0, codes, 0, c + 2 * cStep, alpha, accumulate, bias)
  if (rows > 2) finish(s3, a0, codes, 0, c + 3 * cStep, alpha, accumulate, bias)
}
