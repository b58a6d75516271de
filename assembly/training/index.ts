// Byte-pair encoding learned from words and their counts (Sennrich et al. 2016): the pair of neighbours that occurs most
// often becomes one symbol, again and again. Counts change only where a merge happened, and each pair knows the words
// that it may be in, so that a merge costs what it changes.
//
// Order of calls: prepare; words are written; start; then next and merge in turns. What a merge's symbol is called, and
// whether it is one that there is already, the caller knows.
import { allocate, at4, at8, outOfMemory } from './memory'
import {
  add,
  blockAt,
  changedCount,
  changedPair,
  clearChanged,
  countOf,
  keyOf,
  NONE,
  releaseBlock,
  setUpPairs,
  subtract,
  takeWords,
} from './pairs'
import { pop, push, setUpQueue, topCount, topPair, topWords } from './queue'

export { outOfMemory } from './memory'

let words: u32 = 0
let counts: usize = 0 // (words) f64
let ends: usize = 0 // (words) u32, of the symbols that a word began with
let symbols: usize = 0 // (all) u32; a word's stand at the beginning of its room
let lengths: usize = 0 // (words) u32, symbols of each word now
let sizes: usize = 0 // (all) u32, characters of each symbol; only under a limit
let longest: u32 = 0

/** Room for words; false where the memory cannot grow. `limit`: characters of a token, or 0. */
export function prepare(wordCount: u32, symbolCount: u32, limit: u32): bool {
  words = wordCount
  longest = limit
  counts = allocate(8 * <u64>wordCount)
  ends = allocate(4 * <u64>wordCount)
  lengths = allocate(4 * <u64>wordCount)
  symbols = allocate(4 * <u64>symbolCount)
  if (limit) sizes = allocate(4 * <u64>symbolCount)
  return !outOfMemory()
}

/** (words) f64: how often each word occurs. */
export function countsAt(): usize {
  return counts
}

/** (words) u32: where each word ends among the symbols. */
export function endsAt(): usize {
  return ends
}

export function symbolsAt(): usize {
  return symbols
}

@inline
function countOfWord(word: u32): i64 {
  return <i64>load<f64>(at8(counts, word))
}

@inline
function startOf(word: u32): u32 {
  return word ? load<u32>(at4(ends, word - 1)) : 0
}

/** Counts the pairs of all words. False where memory has run out. */
export function start(): bool {
  const all = words ? load<u32>(at4(ends, words - 1)) : 0
  if (!setUpPairs(min<u32>(all, 1 << 18)) || !setUpQueue(1 << 16)) return false
  if (longest) for (let i: u32 = 0; i < all; i++) store<u32>(at4(sizes, i), 1)
  for (let word: u32 = 0; word < words; word++) {
    const first = startOf(word)
    const end = load<u32>(at4(ends, word))
    store<u32>(at4(lengths, word), end - first)
    for (let i = first + 1; i < end; i++)
      add(load<u32>(at4(symbols, i - 1)), load<u32>(at4(symbols, i)), countOfWord(word), word)
  }
  enqueueChanged()
  return !outOfMemory()
}

function enqueueChanged(): void {
  for (let i: u32 = 0; i < changedCount; i++) {
    const pair = changedPair(i)
    const block = takeWords(pair)
    if (countOf(pair) > 0) push(pair, block)
    else for (let b = block; b != NONE; ) b = releaseBlock(b)
  }
  clearChanged()
}

/** The pair to merge next, left << 32 | right; −1 where none occurs so often. */
export function next(least: f64): i64 {
  return pop() && topCount >= max<i64>(1, <i64>least) ? <i64>keyOf(topPair) : -1
}

/** Merges that pair in all its words into a symbol. False where memory has run out. */
export function merge(symbol: u32): bool {
  const key = keyOf(topPair)
  for (let block = topWords; block != NONE; ) {
    const count = load<u32>(blockAt(block), 56)
    for (let i: u32 = 0; i < count; i++) mergeIn(load<u32>(at4(blockAt(block), i)), <u32>(key >> 32), <u32>key, symbol)
    block = releaseBlock(block)
  }
  enqueueChanged()
  return !outOfMemory()
}

function mergeIn(word: u32, left: u32, right: u32, symbol: u32): void {
  const first = startOf(word)
  const row = at4(symbols, first)
  const length = load<u32>(at4(lengths, word))
  const count = countOfWord(word)
  const chars = longest ? at4(sizes, first) : 0
  let to: u32 = 0
  for (let from: u32 = 0; from < length; from++) {
    const here = load<u32>(at4(row, from))
    let size: u32 = chars ? load<u32>(at4(chars, from)) : 0
    const meets = here == left && from + 1 < length && load<u32>(at4(row, from + 1)) == right
    if (!meets) {
      store<u32>(at4(row, to), here)
      if (chars) store<u32>(at4(chars, to), size)
      to++
      continue
    }
    from++
    if (chars) size += load<u32>(at4(chars, from))
    if (to > 0) {
      const before = load<u32>(at4(row, to - 1))
      subtract(before, left, count)
      if (!chars || size + load<u32>(at4(chars, to - 1)) < longest) add(before, symbol, count, word)
    }
    if (from + 1 < length) {
      const behind = load<u32>(at4(row, from + 1))
      subtract(right, behind, count)
      if (!chars || size + load<u32>(at4(chars, from + 1)) < longest) add(symbol, behind, count, word)
    }
    store<u32>(at4(row, to), symbol)
    if (chars) store<u32>(at4(chars, to), size)
    to++
  }
  store<u32>(at4(lengths, word), to)
}
