// Pairs of neighbours: how often each occurs, and the words in which it has come up since it was last put in the queue.
// Words of a pair are a chain of blocks; a word is put in once, as long as its changes come together.
import { allocate, at24, at4, at8 } from './memory'

/** No word, no pair. */
export const NONE: u32 = 0xffffffff

// Open addressing: (2^bits) u32 number of the pair, NONE where empty.
let slots: usize = 0
let bits: u32 = 0

// (capacity) u64 left << 32 | right, i64 count, u32 its last block of words, u32 words in that block.
let pairs: usize = 0
let pairCount: u32 = 0
let capacity: u32 = 0

// A block: (14) u32 words, u32 words that are in it, u32 the block before (an index). 64 bytes.
export const BLOCK_WORDS: u32 = 14
const BLOCKS_AT_ONCE: u32 = 1 << 12
let free: u32 = NONE
let chunkFrom: usize = 0
let chunkLeft: u32 = 0

// Pairs that have words since the last time they were taken. (capacity) u32
let changed: usize = 0
export let changedCount: u32 = 0

@inline
export function blockAt(block: u32): usize {
  return <usize>block << 6
}

@inline
export function keyOf(pair: u32): u64 {
  return load<u64>(at24(pairs, pair))
}

@inline
export function countOf(pair: u32): i64 {
  return load<i64>(at24(pairs, pair), 8)
}

@inline
export function changedPair(i: u32): u32 {
  return load<u32>(at4(changed, i))
}

/** `expected`: pairs there will be about. False where the memory cannot grow. */
export function setUpPairs(expected: u32): bool {
  bits = 12
  while ((<u64>1 << bits) < 2 * <u64>expected) bits++
  capacity = 1 << (bits - 1)
  return allocatePairs()
}

function allocatePairs(): bool {
  slots = allocate(<u64>4 << bits)
  const records = allocate(24 * <u64>capacity)
  const list = allocate(4 * <u64>capacity)
  if (!slots || !records || !list) return false
  memory.fill(slots, 0xff, <usize>4 << bits)
  memory.copy(records, pairs, 24 * <usize>pairCount)
  memory.copy(list, changed, 4 * <usize>changedCount)
  pairs = records
  changed = list
  return true
}

@inline
function hash(key: u64): u32 {
  key ^= key >> 29
  return <u32>((key * 0x9e3779b97f4a7c15) >> (64 - bits))
}

function emptySlot(key: u64): usize {
  const mask: u32 = (1 << bits) - 1
  let slot = hash(key)
  while (load<u32>(at4(slots, slot)) != NONE) slot = (slot + 1) & mask
  return at4(slots, slot)
}

function enlarge(): bool {
  bits++
  capacity <<= 1
  if (bits > 30 || !allocatePairs()) return false
  for (let pair: u32 = 0; pair < pairCount; pair++) store<u32>(emptySlot(keyOf(pair)), pair)
  return true
}

/** The pair's number; it is made where it is not there. */
@inline
function find(left: u32, right: u32): u32 {
  const key = (<u64>left << 32) | right
  const mask: u32 = (1 << bits) - 1
  let slot = hash(key)
  let pair = load<u32>(at4(slots, slot))
  while (pair != NONE && keyOf(pair) != key) {
    slot = (slot + 1) & mask
    pair = load<u32>(at4(slots, slot))
  }
  return pair == NONE ? make(key) : pair
}

function make(key: u64): u32 {
  if (pairCount == capacity && !enlarge()) return NONE
  const at = at24(pairs, pairCount)
  store<u64>(at, key)
  store<i64>(at, 0, 8)
  store<u32>(at, NONE, 16)
  store<u32>(emptySlot(key), pairCount)
  return pairCount++
}

function newBlock(): u32 {
  if (free != NONE) {
    const block = free
    free = load<u32>(blockAt(block), 60)
    return block
  }
  if (chunkLeft == 0) {
    chunkFrom = allocate(<u64>BLOCKS_AT_ONCE << 6)
    if (!chunkFrom) return NONE
    chunkLeft = BLOCKS_AT_ONCE
  }
  const block = <u32>(chunkFrom >> 6)
  chunkFrom += 64
  chunkLeft--
  return block
}

/** The pair occurs less often. */
@inline
export function subtract(left: u32, right: u32, count: i64): void {
  const pair = find(left, right)
  if (pair == NONE) return
  const at = at24(pairs, pair)
  store<i64>(at, load<i64>(at, 8) - count, 8)
}

/** The pair occurs more often, in this word. */
@inline
export function add(left: u32, right: u32, count: i64, word: u32): void {
  const pair = find(left, right)
  if (pair == NONE) return
  const at = at24(pairs, pair)
  store<i64>(at, load<i64>(at, 8) + count, 8)
  putWord(at, pair, word)
}

function putWord(at: usize, pair: u32, word: u32): void {
  let block = load<u32>(at, 16)
  let used: u32 = BLOCK_WORDS
  if (block == NONE) store<u32>(at4(changed, changedCount++), pair)
  else {
    used = load<u32>(blockAt(block), 56)
    if (load<u32>(at4(blockAt(block), used - 1)) == word) return
  }
  if (used == BLOCK_WORDS) {
    const next = newBlock()
    if (next == NONE) return
    store<u32>(blockAt(next), block, 60)
    store<u32>(at, next, 16)
    block = next
    used = 0
  }
  store<u32>(at4(blockAt(block), used), word)
  store<u32>(blockAt(block), used + 1, 56)
}

/** The words of a changed pair, as its last block; from now on it has none. */
export function takeWords(pair: u32): u32 {
  const at = at24(pairs, pair)
  const block = load<u32>(at, 16)
  store<u32>(at, NONE, 16)
  return block
}

/** The block before; this one may be used again. */
export function releaseBlock(block: u32): u32 {
  const before = load<u32>(blockAt(block), 60)
  store<u32>(blockAt(block), free, 60)
  free = block
  return before
}

export function clearChanged(): void {
  changedCount = 0
}
