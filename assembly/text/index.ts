// WordPiece tokenization in bulk: UTF-8 texts in, one packed array of ids out. One instance of this module is one
// tokenizer.
//
// Order of calls: setUp; normalized (for added tokens that are looked for in normalised text); stage, then build;
// addSpecial. From then on, for each block of texts: prepare, then the texts and their ends are written, then encode.
import { findsInNormalized, setUpAdded, toIds } from './added'
import { aligned, at4, keep, reach, workspace } from './memory'
import { normalize, setUpNormalizer } from './normalize'
import { setUpScan } from './scan'
import { buildTrie, NO_MEMORY, NONE, stageEntries, trieBytes } from './trie'
import { emit, output, setOutput, setUpWords } from './words'

const MAXIMUM_SPECIALS: u32 = 16
// Vector loads may run past the text, and a cached word's ids past the last.
const SLACK: usize = 128

let longestWord: u32 = 0
let lowerCase: bool = false

const before = memory.data(MAXIMUM_SPECIALS * 4) // (beforeCount) i32
const after = memory.data(MAXIMUM_SPECIALS * 4) // (afterCount) i32
let beforeCount: u32 = 0
let afterCount: u32 = 0

/** `longest`: characters of a word above which it is unknown, at least 1. False where the memory cannot grow. */
export function setUp(clean: bool, chinese: bool, strip: bool, lower: bool, longest: u32, unknown: i32): bool {
  longestWord = longest
  lowerCase = lower
  return setUpNormalizer(clean, chinese, strip, lower) && setUpWords(longest, unknown)
}

/** The address to write a text at that is to be normalised, or 0. */
export function prepareNormalized(bytes: u32): usize {
  return reach(<u64>workspace() + 4 * <u64>bytes + 2 * SLACK) ? workspace() : 0
}

/** Normalises the text; the result follows it. Returns its bytes. */
export function normalized(bytes: u32): u32 {
  const to = workspace() + bytes
  return <u32>(normalize(workspace(), to, to) - to)
}

/** Room for the entries of the vocabulary: see stageEntries. */
export function stage(bytes: u32, count: u32): usize {
  return stageEntries(bytes, count)
}

/** −1; −3 without memory; or the index of an entry that is there twice. */
export function build(bytes: u32, count: u32): i32 {
  const duplicate = buildTrie(bytes, count)
  if (duplicate != NONE) return duplicate
  keep(trieBytes())
  setUpScan(lowerCase, longestWord >= 16)
  setUpAdded()
  return reach(<u64>workspace() + SLACK) ? NONE : NO_MEMORY
}

/** An id that stands before every text, or after it; false where there are too many. */
export function addSpecial(behind: bool, id: i32): bool {
  if (max(beforeCount, afterCount) >= MAXIMUM_SPECIALS) return false
  if (behind) store<i32>(at4(after, afterCount++), id)
  else store<i32>(at4(before, beforeCount++), id)
  return true
}

// A block: ends of the texts (count), their bytes, room for normalised text, ids.
let texts: usize = 0
let work: usize = 0
let ids: usize = 0

/**
 * Room for a block of texts. Returns the address of (count) i32 ends in bytes, 0 where the memory cannot grow; the
 * texts follow at textsAt().
 */
export function prepare(bytes: u32, count: u32): usize {
  const textsFrom = <u64>workspace() + aligned(at4(0, count))
  const workFrom = textsFrom + aligned(<usize>bytes + SLACK)
  const idsFrom = workFrom + (findsInNormalized() ? 3 * <u64>bytes + SLACK : 0)
  // No character becomes more tokens than it has bytes.
  const most = <u64>bytes + <u64>count * (beforeCount + afterCount) + longestWord
  if (!reach(idsFrom + 4 * most + 2 * SLACK)) return 0
  texts = <usize>textsFrom
  work = <usize>workFrom
  ids = (<usize>idsFrom + 63) & ~63
  return workspace()
}

export function textsAt(): usize {
  return texts
}

export function idsAt(): usize {
  return ids
}

/** Whether the last text of the block reached its limit. */
let lastWasCut: bool = false
let cuts: u32 = 0

export function lastTextWasCut(): bool {
  return lastWasCut
}

/** How many texts of the block were cut. */
export function cutTexts(): u32 {
  return cuts
}

/**
 * The block's ids; each end of a text becomes the end of its ids. `limit`: ids of a text at most, without the special
 * ones. `used`: how many of those the first text has already had in blocks before; `opened`: whether it is such a text,
 * going on. `closed`: whether the last text ends in this block. Returns the number of ids.
 */
export function encode(count: u32, limit: u32, special: bool, used: u32, opened: bool, closed: bool): u32 {
  setOutput(ids)
  cuts = 0
  let start = texts
  for (let i: u32 = 0; i < count; i++) {
    const end = texts + load<u32>(at4(workspace(), i))
    const going = opened && i == 0
    if (special && !going) writeSpecials(before, beforeCount)
    const most = <u64>output + 4 * (<u64>limit - (going ? used : 0))
    const stop = <usize>min<u64>(most, u32.MAX_VALUE)
    toIds(start, end, 1, work, stop)
    lastWasCut = output > stop
    if (lastWasCut) {
      setOutput(stop)
      cuts++
    }
    if (special && (closed || lastWasCut || i + 1 < count)) writeSpecials(after, afterCount)
    store<u32>(at4(workspace(), i), <u32>((output - ids) >> 2))
    start = end
  }
  return <u32>((output - ids) >> 2)
}

function writeSpecials(from: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i++) emit(load<i32>(at4(from, i)))
}
