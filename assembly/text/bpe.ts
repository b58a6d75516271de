// Byte-pair encoding (Sennrich et al. 2016): a word begins as its bytes or characters, then the pair of neighbours of
// the lowest rank is merged, the leftmost of several, until no pair is left that may be merged. Pairs are found in one
// open-addressing table. Short words look for the lowest rank with vectors; long ones keep a heap.
import { at4, at8, fail, reach, reserve, scratch, workspace } from './memory'
import { CONTINUATIONS, follow, NONE, valueOf, WORDS } from './trie'
import { decode, decoded } from './utf8'
import { emit } from './words'

const NO_PAIR: u32 = 0xffffffff

let pairs: usize = 0 // (2^bits) u32 left + 1 (0: empty), u32 right, u32 rank, i32 id
let shift: u32 = 0
let pairMask: u32 = 0

const byteIds = memory.data(256 * 4) // (256) i32
// (256) u8: whether some token has a space behind this byte.
const spaceBehind = memory.data(256)

// The same of a word's last byte, where that has a suffix in the vocabulary.
const lastByteIds = memory.data(256 * 4) // (256) i32
let suffixed: bool = false

let ofBytes: bool = false
let wholeWords: bool = false
let fallback: bool = false
let fuses: bool = false
let unknownId: i32 = NONE

@inline
function slotOf(slot: u32): usize {
  return pairs + (<usize>slot << 4)
}

@inline
function hash(left: u32, right: u32): u32 {
  return <u32>(((<u64>left << 32) | right) * 0x9e3779b97f4a7c15 >>> shift)
}

/** The slot of a pair, or an empty one. */
@inline
function find(left: u32, right: u32): usize {
  let slot = hash(left, right)
  let cell = slotOf(slot)
  while (load<u32>(cell) && (load<u32>(cell) != left + 1 || load<u32>(cell, 4) != right)) {
    slot = (slot + 1) & pairMask
    cell = slotOf(slot)
  }
  return cell
}

/** The slot of a pair, empty (its first number is 0) where the two are not merged. */
export function pairAt(left: u32, right: u32): usize {
  return find(left, right)
}

/**
 * Room for that many merges: left ids, right ids, ids of the results (count each), by rank. Returns their address, 0
 * where the memory cannot grow; they are not needed after setUpBpe.
 */
export function stageBpe(count: u32): usize {
  let bits: u32 = 8
  while (<u64>2 << bits < 3 * <u64>count) bits++
  pairs = reserve(<usize>16 << bits)
  shift = 64 - bits
  pairMask = (1 << bits) - 1
  return pairs && reach(<u64>workspace() + 12 * <u64>count + 64) ? workspace() : 0
}

/**
 * Of equal pairs the last counts. `bytes`: words begin as bytes, not characters. `whole`: a word that is a token is not
 * taken apart. `unknown`: NONE where there is none.
 */
export function setUpBpe(
  count: u32,
  bytes: bool,
  whole: bool,
  byteFallback: bool,
  fuseUnknown: bool,
  unknown: i32,
): void {
  const merges = workspace()
  const rights = at4(merges, count)
  const results = at4(rights, count)
  for (let rank: u32 = 0; rank < count; rank++) {
    const left = load<u32>(at4(merges, rank))
    const right = load<u32>(at4(rights, rank))
    const cell = find(left, right)
    store<u32>(cell, left + 1)
    store<u32>(cell, right, 4)
    store<u32>(cell, rank, 8)
    store<u32>(cell, load<u32>(at4(results, rank)), 12)
  }
  ofBytes = bytes
  wholeWords = whole
  fallback = byteFallback
  fuses = fuseUnknown
  unknownId = unknown
}

/** (256) ids of the bytes: what words begin as, or what stands in for a character without a token. */
export function byteIdsAt(): usize {
  return byteIds
}

/**
 * From now on the last byte or character of a word begins as another token: bytes as those whose ids are to be written to the result (256), characters as the
 * trie's continuations have them.
 */
export function setUpSuffix(): usize {
  suffixed = true
  return lastByteIds
}

/** (256) u8: 1 for the bytes that a space follows within some token. */
export function spaceBehindAt(): usize {
  return spaceBehind
}

/** Whether a merge can reach over the border between the byte and a space. */
@inline
export function joinsSpace(before: u8): bool {
  return load<u8>(spaceBehind + before) != 0
}

// Symbols of a short word: ids, and of each pair with the next symbol its rank and place as one number, its result, the
// next symbol and the one before.
const SHORT: u32 = 128
const PLACE_BITS: u32 = 7
const shortIds = memory.data((SHORT + 4) * 4)
const shortKeys = memory.data((SHORT + 4) * 4)
const shortResults = memory.data((SHORT + 4) * 4)
const shortNext = memory.data((SHORT + 4) * 4)
const shortPrevious = memory.data((SHORT + 4) * 4)

export function bpeToIds(start: usize, end: usize): void {
  if (wholeWords) {
    const id = wholeToken(start, end)
    if (id != NONE) {
      emit(id)
      return
    }
  }
  const bytes = <u32>(end - start)
  if (bytes <= SHORT) {
    mergeShort(symbols(start, end, shortIds))
    return
  }
  const ids = scratch(at4(0, bytes) * 4 + at8(0, 2 * bytes) + 64)
  if (!ids) fail()
  else mergeLong(ids, symbols(start, end, ids), bytes)
}

function wholeToken(start: usize, end: usize): i32 {
  let node = WORDS
  for (let p = start; p < end; p++) {
    node = follow(node, load<u8>(p))
    if (!node) return NONE
  }
  return valueOf(node)
}

/**
 * The ids that a word begins as; returns their number. A character without a token or bytes is unknown, or left out.
 */
function symbols(start: usize, end: usize, to: usize): u32 {
  let count: u32 = 0
  let unknowns: u32 = 0
  for (let p = start; p < end; ) {
    let id: i32
    let size: u32 = 1
    if (ofBytes) id = load<i32>(at4(suffixed && p + 1 == end ? lastByteIds : byteIds, load<u8>(p)))
    else {
      id = tokenAt(p, end)
      size = decoded
    }
    if (id != NONE) {
      if (unknowns) store<i32>(at4(to, count++), unknownId)
      unknowns = 0
      store<i32>(at4(to, count++), id)
    } else if (fallback && hasBytes(p, size)) {
      for (let i: u32 = 0; i < size; i++) store<i32>(at4(to, count++), load<i32>(at4(byteIds, load<u8>(p + i))))
    } else if (unknownId != NONE) {
      if (unknowns && !fuses) store<i32>(at4(to, count++), unknownId)
      unknowns = 1
    }
    p += size
  }
  if (unknowns) store<i32>(at4(to, count++), unknownId)
  return count
}

/** The token of the character at p in a word up to `end`; its bytes are in `decoded`. */
function tokenAt(p: usize, end: usize): i32 {
  decode(p)
  let node = suffixed && p + decoded == end ? CONTINUATIONS : WORDS
  for (let i: u32 = 0; i < decoded; i++) {
    node = follow(node, load<u8>(p + i))
    if (!node) return NONE
  }
  return valueOf(node)
}

function hasBytes(p: usize, size: u32): bool {
  for (let i: u32 = 0; i < size; i++) if (load<i32>(at4(byteIds, load<u8>(p + i))) == NONE) return false
  return true
}

/** Looks up the pair of symbol `i` and the next, which is symbol `j`. */
@inline
function rankShort(i: u32, j: u32): void {
  const cell = find(load<u32>(at4(shortIds, i)), load<u32>(at4(shortIds, j)))
  store<u32>(at4(shortKeys, i), load<u32>(cell) ? (load<u32>(cell, 8) << PLACE_BITS) | i : NO_PAIR)
  store<u32>(at4(shortResults, i), load<u32>(cell, 12))
}

/** The smallest key, that is the lowest rank, leftmost. */
@inline
function lowest(count: u32): u32 {
  let smallest = v128.load(shortKeys)
  for (let i: u32 = 4; i < count; i += 4) smallest = i32x4.min_u(smallest, v128.load(at4(shortKeys, i)))
  smallest = i32x4.min_u(smallest, v128.shuffle<i32>(smallest, smallest, 2, 3, 0, 1))
  smallest = i32x4.min_u(smallest, v128.shuffle<i32>(smallest, smallest, 1, 0, 3, 2))
  return i32x4.extract_lane(smallest, 0)
}

function mergeShort(count: u32): void {
  if (count == 0) return
  const last = count - 1
  for (let i: u32 = 0; i < last; i++) {
    store<u32>(at4(shortNext, i), i + 1)
    store<u32>(at4(shortPrevious, i), i - 1)
    rankShort(i, i + 1)
  }
  store<u32>(at4(shortNext, last), count)
  store<u32>(at4(shortPrevious, last), last - 1)
  for (let i = last; i < count + 3; i++) store<u32>(at4(shortKeys, i), NO_PAIR)
  for (let key = lowest(count); key != NO_PAIR; key = lowest(count)) {
    const i = key & (SHORT - 1)
    const gone = load<u32>(at4(shortNext, i))
    const next = load<u32>(at4(shortNext, gone))
    store<u32>(at4(shortIds, i), load<u32>(at4(shortResults, i)))
    store<u32>(at4(shortNext, i), next)
    store<u32>(at4(shortKeys, gone), NO_PAIR)
    if (next < count) {
      store<u32>(at4(shortPrevious, next), i)
      rankShort(i, next)
    } else store<u32>(at4(shortKeys, i), NO_PAIR)
    if (i > 0) rankShort(load<u32>(at4(shortPrevious, i)), i)
  }
  for (let i: u32 = 0; i < count; i = load<u32>(at4(shortNext, i))) emit(load<i32>(at4(shortIds, i)))
}

// A long word: (bytes) ids, ranks of the pairs, next and previous symbols; a binary heap of (rank, place), of which an
// entry counts only while the pair at its place has its rank.
let ranks: usize = 0
let nexts: usize = 0
let previouses: usize = 0
let heap: usize = 0
let heapSize: u32 = 0

function push(entry: u64): void {
  let at = heapSize++
  while (at > 0) {
    const parent = (at - 1) >> 1
    const above = load<u64>(at8(heap, parent))
    if (above <= entry) break
    store<u64>(at8(heap, at), above)
    at = parent
  }
  store<u64>(at8(heap, at), entry)
}

function pop(): u64 {
  const first = load<u64>(heap)
  const last = load<u64>(at8(heap, --heapSize))
  let at: u32 = 0
  for (;;) {
    let child: u32 = 2 * at + 1
    if (child >= heapSize) break
    if (child + 1 < heapSize && load<u64>(at8(heap, child + 1)) < load<u64>(at8(heap, child))) child++
    const below = load<u64>(at8(heap, child))
    if (last <= below) break
    store<u64>(at8(heap, at), below)
    at = child
  }
  store<u64>(at8(heap, at), last)
  return first
}

function rankLong(ids: usize, i: u32, j: u32): void {
  const cell = find(load<u32>(at4(ids, i)), load<u32>(at4(ids, j)))
  const rank = load<u32>(cell) ? load<u32>(cell, 8) : NO_PAIR
  store<u32>(at4(ranks, i), rank)
  if (rank != NO_PAIR) push((<u64>rank << 32) | i)
}

function mergeLong(ids: usize, count: u32, capacity: u32): void {
  if (count == 0) return
  ranks = at4(ids, capacity)
  nexts = at4(ranks, capacity)
  previouses = at4(nexts, capacity)
  heap = at4(previouses, capacity)
  heapSize = 0
  for (let i: u32 = 0; i < count; i++) {
    store<u32>(at4(nexts, i), i + 1)
    store<u32>(at4(previouses, i), i - 1)
    if (i + 1 < count) rankLong(ids, i, i + 1)
    else store<u32>(at4(ranks, i), NO_PAIR)
  }
  while (heapSize > 0) {
    const entry = pop()
    const i = <u32>entry
    if (load<u32>(at4(ranks, i)) != <u32>(entry >> 32)) continue
    const gone = load<u32>(at4(nexts, i))
    const next = load<u32>(at4(nexts, gone))
    store<u32>(at4(ids, i), load<u32>(find(load<u32>(at4(ids, i)), load<u32>(at4(ids, gone))), 12))
    store<u32>(at4(nexts, i), next)
    store<u32>(at4(ranks, gone), NO_PAIR)
    store<u32>(at4(ranks, i), NO_PAIR)
    if (next < count) {
      store<u32>(at4(previouses, next), i)
      rankLong(ids, i, next)
    }
    if (i > 0) rankLong(ids, load<u32>(at4(previouses, i)), i)
  }
  for (let i: u32 = 0; i < count; i = load<u32>(at4(nexts, i))) emit(load<i32>(at4(ids, i)))
}
