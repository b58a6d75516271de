// A permutation of n rows without a table (Black and Rogaway, CT-RSA 2002): a Feistel network over ℤ_a × ℤ_b,
// a ≈ b ≈ √n, a·b ≥ n, on position = left·b + right,
//     left += F_0(right) mod a,  right += F_1(left) mod b,  left += F_2(right) mod a …
// walking the cycle until it comes back below n. Each step can be undone, whatever F is, so every row comes once.
// a·b exceeds n by less than a, so hardly a position walks further than once. F is a hash of 32 bits under a key of 64,
// scaled to a or b by its high bits; eight positions at a time, in the lanes of vectors.
import { room } from './memory'
import { epochKey, output } from './random'

// Even: both halves change equally often.
const ROUNDS: u32 = 12
// With few values in each half a Feistel network falls short of a random permutation: below, rows walk, 2^10 steps an
// epoch in all.
const SMALLEST: u64 = 1 << 10

const keys = memory.data(96, 16) // (ROUNDS) u64

// Number of values of each half, and n in the same two digits.
let leftSize: u32 = 0
let rightSize: u32 = 0
let endLeft: u32 = 0
let endRight: u32 = 0

// Eight positions at hand: two groups of four left halves, right halves (each below 2^27), and a mask of those still
// walking. Two groups, since two chains of dependent steps keep a processor busier than one.
const GROUP: usize = 48
const groups = memory.data(96, 16) // (2, 3, 4) u32
// Left and right halves one step further.
const stepped = memory.data(96, 16)

/** `total`: 1 … 2^53 − 1. */
export function setPermutation(key: u64, total: u64): void {
  const domain = max(SMALLEST, total)
  leftSize = <u32>Math.ceil(Math.sqrt(<f64>domain))
  rightSize = <u32>((domain + leftSize - 1) / leftSize)
  endLeft = <u32>(total / rightSize)
  endRight = <u32>(total % rightSize)
  for (let round: u32 = 0; round < ROUNDS; round++) store<u64>(keys + (<usize>round << 3), output(key, round))
}

// (half + F(other)) mod size: the hash is lowbias32 (Wellons, “Prospecting for hash functions”, 2018) without its first
// and last shifts, of which a key and the scaling by high bits take the place.
@inline
function turned(half: v128, other: v128, key: usize, size: v128): v128 {
  let x = i32x4.mul(v128.xor(other, v128.load32_splat(key)), i32x4.splat(0x7feb352d))
  x = v128.xor(x, i32x4.shr_u(x, 15))
  x = i32x4.mul(i32x4.add(x, v128.load32_splat(key, 4)), i32x4.splat(0x846ca68b))
  const scaled = v128.shuffle<i32>(i64x2.extmul_low_i32x4_u(x, size), i64x2.extmul_high_i32x4_u(x, size), 1, 3, 5, 7)
  const sum = i32x4.add(half, scaled)
  return i32x4.sub(sum, v128.and(size, i32x4.ge_s(sum, size)))
}

function network(): void {
  const a = i32x4.splat(leftSize)
  const b = i32x4.splat(rightSize)
  let l0 = v128.load(groups)
  let r0 = v128.load(groups, 16)
  let l1 = v128.load(groups + GROUP)
  let r1 = v128.load(groups + GROUP, 16)
  for (let key = keys; key < keys + (ROUNDS << 3); key += 16) {
    l0 = turned(l0, r0, key, a)
    l1 = turned(l1, r1, key, a)
    r0 = turned(r0, l0, key + 8, b)
    r1 = turned(r1, l1, key + 8, b)
  }
  v128.store(stepped, l0)
  v128.store(stepped, r0, 16)
  v128.store(stepped + GROUP, l1)
  v128.store(stepped + GROUP, r1, 16)
}

// Lanes that are not rows: (left, right) ≥ n.
function outside(left: v128, right: v128): v128 {
  const end = i32x4.splat(endLeft)
  const same = v128.and(i32x4.eq(left, end), i32x4.ge_s(right, i32x4.splat(endRight)))
  return v128.or(same, i32x4.gt_s(left, end))
}

// Takes all lanes that still walk one step further: whether some do after that.
function walk(): bool {
  network()
  for (let offset: usize = 0; offset < 2 * GROUP; offset += GROUP) {
    const group = groups + offset
    const mask = v128.load(group, 32)
    const left = v128.bitselect(v128.load(stepped + offset), v128.load(group), mask)
    const right = v128.bitselect(v128.load(stepped + offset, 16), v128.load(group, 16), mask)
    v128.store(group, left)
    v128.store(group, right, 16)
    v128.store(group, outside(left, right), 32)
  }
  return v128.any_true(v128.or(v128.load(groups, 32), v128.load(groups + GROUP, 32)))
}

// The next eight positions from `first`. What lies behind the last row would perhaps never come back from its walk: row
// 0 takes its place, and is not looked at.
function stand(first: u64): void {
  const size = i32x4.splat(rightSize)
  let left = i32x4.splat(<u32>(first / rightSize))
  let right = i32x4.add(i32x4.splat(<u32>(first % rightSize)), i32x4(0, 1, 2, 3))
  for (let group = groups; group < groups + 2 * GROUP; group += GROUP) {
    const carry = i32x4.ge_s(right, size)
    left = i32x4.sub(left, carry)
    right = i32x4.sub(right, v128.and(size, carry))
    const out = outside(left, right)
    v128.store(group, v128.andnot(left, out))
    v128.store(group, v128.andnot(right, out), 16)
    v128.store(group, i32x4.splat(-1), 32)
    right = i32x4.add(right, i32x4.splat(4))
  }
}

/** The rows at `count` positions from `first` of the permutation set last: their address. (count) f64 */
export function permuted(first: u64, count: u32): usize {
  const result = room((<usize>count + 7) << 3)
  const size = f64x2.splat(rightSize)
  for (let at = result; at < result + (<usize>count << 3); ) {
    stand(first)
    first += 8
    while (walk()) {}
    // Exact: both digits and the row are below 2^53.
    for (let group = groups; group < groups + 2 * GROUP; group += GROUP) {
      for (let pair = group; pair < group + 16; pair += 8) {
        const left = f64x2.convert_low_i32x4_u(v128.load64_zero(pair))
        const right = f64x2.convert_low_i32x4_u(v128.load64_zero(pair, 16))
        v128.store(at, f64x2.add(f64x2.mul(left, size), right))
        at += 16
      }
    }
  }
  return result
}

/**
 * `count` positions from `first` on of the permutation of `total` (1 … 2^53 − 1) rows that belongs to this seed, this
 * set of rows and this epoch: the address of the rows there. (count) f64
 */
export function epochRows(set: u32, epoch: f64, total: f64, first: f64, count: u32): usize {
  setPermutation(epochKey(set, <u64>epoch), <u64>total)
  return permuted(<u64>first, count)
}
