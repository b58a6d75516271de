// Seeded sampling: a counter-based generator, a permutation of n rows without a table, and draws without replacement.
//
// Generator: output i of stream k is mix(k + (i + 1)·γ), the SplitMix64 of Steele, Lea and Flood (OOPSLA 2014) with Stafford's
// variant 13 as mix. Its whole state is (k, i): seed and number of draws, so a saved state is two integers.
// Permutation: a Feistel network of 12 rounds over 2^bits ≥ n values whose round function is that same generator
// (round r maps x to output x of stream k_r), restricted to 0 … n − 1 by walking the cycle until it comes back below n
// (Black and Rogaway, CT-RSA 2002).
// One instance of this module is one sampler: its globals are the state. Memory after __heap_base holds the last result.

const GAMMA: u64 = 0x9e3779b97f4a7c15

const ROUNDS: i32 = 12
// Halves of 5 bits and more: with smaller ones a Feistel network falls short of a random permutation. For n < 2^10 the walk
// costs at most 2^10 steps an epoch in all.
const MINIMUM_BITS: u32 = 10

/** Above this many, draws without replacement take the head of a fresh permutation: the insertion below is quadratic. */
const INSERTION_LIMIT: u32 = 64

let seedKey: u64 = 0

let drawKey: u64 = 0
let draws: u64 = 0

const roundKeys = memory.data(ROUNDS * sizeof<u64>()) // (ROUNDS)
let rows: u32 = 0
let leftBits: u32 = 0
let rightBits: u32 = 0

function mix(value: u64): u64 {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb
  return value ^ (value >> 31)
}

@inline
function output(stream: u64, index: u64): u64 {
  return mix(stream + (index + 1) * GAMMA)
}

/** `seed`: an integer from 0 to 2^53 − 1. */
export function start(seed: f64): void {
  seedKey = mix(<u64>seed)
  drawKey = output(seedKey, 0)
  draws = 0
}

/** The number of raw draws so far: with the seed, the state of the draws. */
export function drawCount(): f64 {
  return <f64>draws
}

export function setDrawCount(count: f64): void {
  draws = <u64>count
}

@inline
function next(): u64 {
  return output(drawKey, draws++)
}

/** A uniform integer below `bound` (0 stands for 2^32), without modulo bias: Lemire's multiply and reject (TOMACS 2019). */
export function below(bound: u32): u32 {
  if (bound == 0) return <u32>(next() >> 32)
  let product = (next() >> 32) * <u64>bound
  if (<u32>product < bound) {
    const threshold: u32 = (<u32>0 - bound) % bound // 2^32 mod bound
    while (<u32>product < threshold) product = (next() >> 32) * <u64>bound
  }
  return <u32>(product >> 32)
}

function setPermutation(key: u64, count: u32): void {
  rows = count
  const bits = max(MINIMUM_BITS, 32 - clz(count - 1))
  leftBits = bits >> 1
  rightBits = bits - leftBits
  for (let round = 0; round < ROUNDS; round++) store<u64>(roundKeys + (<usize>round << 3), output(key, <u64>round))
}

// The row at a position below `rows` of the permutation set last.
function permuted(position: u32): u32 {
  let value = position
  do {
    value = feistel(value)
  } while (value >= rows)
  return value
}

// The halves change places each round, and with an odd number of bits their widths too; ROUNDS is even, so both end as they began.
function feistel(value: u32): u32 {
  let leftWidth = leftBits
  let rightWidth = rightBits
  let left = value >> rightWidth
  let right = value & ((1 << rightWidth) - 1)
  for (let round = 0; round < ROUNDS; round++) {
    const turned = left ^ (<u32>output(load<u64>(roundKeys + (<usize>round << 3)), <u64>right) & ((1 << leftWidth) - 1))
    left = right
    right = turned
    const width = leftWidth
    leftWidth = rightWidth
    rightWidth = width
  }
  return (left << rightWidth) | right
}

// Room for `count` u32 values after the static data; what it held before is gone.
function room(count: u32): usize {
  const needed = <i32>((__heap_base + (<usize>count << 2) + 0xffff) >> 16)
  const pages = memory.size()
  if (needed > pages && memory.grow(needed - pages) < 0) unreachable()
  return __heap_base
}

function permutedRange(first: u32, count: u32): usize {
  const result = room(count)
  for (let i: u32 = 0; i < count; i++) store<u32>(result + (<usize>i << 2), permuted(first + i))
  return result
}

/**
 * Positions `first` to `first + count` − 1 of the permutation of `total` (1 … 2^32 − 1) rows that belongs to this seed and epoch:
 * the address of the rows there. (count) u32
 */
export function epochRows(epoch: f64, total: u32, first: u32, count: u32): usize {
  setPermutation(output(output(seedKey, 1), <u64>epoch), total)
  return permutedRange(first, count)
}

/** Draws `count` numbers below `bound`, each on its own: repetitions are possible. (count) u32 */
export function drawRepeated(count: u32, bound: u32): usize {
  const result = room(count)
  for (let i: u32 = 0; i < count; i++) store<u32>(result + (<usize>i << 2), below(bound))
  return result
}

/** Draws `count` different numbers below `bound` ≥ count, in uniformly random order. (count) u32 */
export function drawDistinct(count: u32, bound: u32): usize {
  if (count > INSERTION_LIMIT) {
    setPermutation(next(), bound)
    return permutedRange(0, count)
  }
  // Floyd's algorithm P (Bentley and Floyd, CACM 1987): a number drawn before is replaced by the newest possible one, put behind it.
  const result = room(count)
  for (let drawn: u32 = 0; drawn < count; drawn++) {
    const newest = bound - count + drawn
    const candidate = below(newest + 1)
    let place: u32 = 0
    while (place < drawn && load<u32>(result + (<usize>place << 2)) != candidate) place++
    const found = place < drawn
    const at = result + (found ? (<usize>place + 1) << 2 : 0)
    memory.copy(at + 4, at, result + (<usize>drawn << 2) - at)
    store<u32>(at, found ? newest : candidate)
  }
  return result
}
