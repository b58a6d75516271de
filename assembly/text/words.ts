// Words to ids: greedy longest match first (Schuster and Nakajima 2012; Wu et al. 2016, section 4.1), each continuation
// looked up without its prefix in a trie of its own. Text repeats its words, so that a direct-mapped cache from a
// word's bytes to its ids answers nearly always.
//
// Cache entry, one line of 64 bytes: the word (32, zeros behind it), up to 7 ids (28), their number (4).
import { at4, reserve } from './memory'
import { CONTINUATIONS, follow, NONE, valueOf, WORDS } from './trie'
import { encode } from './utf8'

const CACHE_BITS: u32 = 15
const ENTRY_SHIFT: u32 = 6
export const KEY_BYTES: u32 = 32
export const CACHED_IDS: u32 = 7
export const COUNT_AT: usize = 60

let cache: usize = 0 // (2^CACHE_BITS) entries

/** The next id goes here. Up to a word's ids and 32 bytes more may be written past the limit. */
export let output: usize = 0

export let unknown: i32 = 0
let maximumCharacters: u32 = 0

// The word that is being put together, normalised. Bytes stop at the first character too many.
let word: usize = 0
let wordBytes: u32 = 0
let wordCharacters: u32 = 0
// A zero byte cannot be told from the zeros behind a word.
let hasZero: bool = false

// 32 bytes of ones, then of zeros: read at 32 − n, a mask of n bytes.
const ones = memory.data(96)

export function setUpCache(): bool {
  memory.fill(ones, 0xff, 32)
  cache = reserve(<usize>1 << (CACHE_BITS + ENTRY_SHIFT))
  return cache != 0
}

export function setUpWords(characters: u32, unknownId: i32): bool {
  maximumCharacters = characters
  unknown = unknownId
  word = reserve(at4(0, characters) + 128)
  return word != 0
}

export function setOutput(address: usize): void {
  output = address
}

/** Once the output has passed this address, the rest of the text is not wanted. */
export let stop: usize = 0

export function setStop(address: usize): void {
  stop = address
}

@inline
export function emit(id: i32): void {
  store<i32>(output, id)
  output += 4
}

/** A mask of the first n of 16 bytes. */
@inline
export function firstBytes(n: u32): v128 {
  return v128.load(ones + 32 - n)
}

@inline
export function entryOf(low: v128, high: v128): usize {
  let hash = (i64x2.extract_lane(low, 0) * 0x9e3779b97f4a7c15) ^ (i64x2.extract_lane(low, 1) * 0xc2b2ae3d27d4eb4f)
  hash += (i64x2.extract_lane(high, 0) ^ rotl(i64x2.extract_lane(high, 1), 23)) * 0x165667b19e3779f9
  hash ^= hash >>> 29
  return cache + (<usize>((hash * 0xbf58476d1ce4e5b9) >>> (64 - CACHE_BITS)) << ENTRY_SHIFT)
}

@inline
export function holds(entry: usize, low: v128, high: v128): bool {
  return !v128.any_true(v128.or(v128.xor(v128.load(entry), low), v128.xor(v128.load(entry, 16), high)))
}

/** Writes a cached word's ids; returns the address after them. Writes 32 bytes whatever their number. */
@inline
export function writeCached(entry: usize, to: usize): usize {
  v128.store(to, v128.load(entry, 32))
  v128.store(to, v128.load(entry, 48), 16)
  return at4(to, load<u32>(entry, COUNT_AT))
}

/** Has an entry hold another word, of so many bytes, and writes the word's ids. */
@inline
export function learn(entry: usize, low: v128, high: v128, bytes: u32): void {
  v128.store(entry, low)
  v128.store(entry, high, 16)
  splitInto(entry, bytes)
}

function splitInto(entry: usize, bytes: u32): void {
  const first = output
  split(entry, bytes)
  const count = <u32>((output - first) >> 2)
  if (count <= CACHED_IDS) {
    memory.copy(entry + KEY_BYTES, first, at4(0, count))
    store<u32>(entry, count, COUNT_AT)
  } else memory.fill(entry, 0, KEY_BYTES)
}

/** A word as a whole, already normalised. */
export function wordPieceToIds(start: usize, end: usize): void {
  let characters: u32 = 0
  for (let p = start; p < end; p++) if ((load<u8>(p) & 0xc0) != 0x80) characters++
  if (characters > maximumCharacters) emit(unknown)
  else split(start, <u32>(end - start))
}

function split(from: usize, bytes: u32): void {
  const first = output
  const end = from + bytes
  let root = WORDS
  for (let start = from; start < end; ) {
    let node = root
    let id = NONE
    let next = start
    for (let p = start; p < end; ) {
      node = follow(node, load<u8>(p++))
      if (!node) break
      const value = valueOf(node)
      if (value != NONE) {
        id = value
        next = p
      }
    }
    if (id == NONE) {
      output = first
      emit(unknown)
      return
    }
    emit(id)
    start = next
    root = CONTINUATIONS
  }
}

@inline
export function wordIsEmpty(): bool {
  return wordCharacters == 0
}

@inline
export function append(code: u32): void {
  if (code == 0) hasZero = true
  if (wordCharacters++ < maximumCharacters) wordBytes = <u32>(encode(word + wordBytes, code) - word)
}

/** Appends the first n ≤ 16 of the given bytes, all ASCII. */
@inline
export function append16(bytes: v128, n: u32): void {
  if (wordCharacters <= maximumCharacters) {
    v128.store(word + wordBytes, bytes)
    wordBytes += n
  }
  wordCharacters += n
}

/** Ends the word, if there is one, and writes its ids. */
export function endWord(): void {
  if (wordCharacters == 0) return
  if (wordCharacters > maximumCharacters) emit(unknown)
  else if (wordBytes > KEY_BYTES || hasZero) split(word, wordBytes)
  else {
    const low = v128.and(v128.load(word), firstBytes(min<u32>(wordBytes, 16)))
    const high = wordBytes > 16 ? v128.and(v128.load(word, 16), firstBytes(wordBytes - 16)) : i64x2.splat(0)
    const entry = entryOf(low, high)
    if (holds(entry, low, high)) output = writeCached(entry, output)
    else learn(entry, low, high, wordBytes)
  }
  wordBytes = 0
  wordCharacters = 0
  hasZero = false
}

/** A word of one character. */
export function wordOf(code: u32): void {
  append(code)
  endWord()
}
