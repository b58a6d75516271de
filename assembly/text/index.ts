// Tokenization in bulk: UTF-8 texts in, one packed array of ids out. One instance of this module is one tokenizer.
//
// Order of calls: setUp; setUpPipeline, the stages (addNormalizer, addPreTokenizer) and setGrowth; setModel and what
// the model needs; normalized (for added tokens that are looked for in normalised text); stage, then build; addSpecial.
// From then on, for each block of texts: prepare, then the texts and their ends are written, then encode.
import { setUpAdded, toIds } from './added'
import { aligned, at4, keep, reach, scratchAbove, takeFailure, workspace } from './memory'
import { setUpNormalizer } from './normalize'
import { MARGIN, normalizedEnd, normalizedStart, normalizeText, setBuffers } from './normalizers'
import { setUpScan } from './scan'
import { buildTrie, NO_MEMORY, NONE, stageEntries, trieBytes } from './trie'
import { emit, output, setOutput, setStop, setUpCache, setUpWords } from './words'

export { setUpPipeline } from './added'
export { byteIdsAt, setUpBpe, setUpSuffix, spaceBehindAt, stageBpe } from './bpe'
export { setModel } from './cache'
export { countedBytesAt, countedEndsAt, countedWords, setUpCounting } from './counting'
export { reserve, workspace } from './memory'
export { addNormalizer } from './normalizers'
export { addPreTokenizer } from './pretokenize'
export { setUpForms } from './normal-forms'
export { setUpPrecompiled } from './precompiled'
export {
  classOf,
  clusterEnd,
  composedOf,
  decomposedAt,
  findExpression,
  firstPlace,
  flagsOf,
  mappedAt,
  matchedFrom,
  matchedTo,
  pairAt,
  replacementOf,
  stepPiece,
  steppedTo,
} from './questions'
export { buildUnigram, setUpUnigram, stageUnigram } from './unigram'

const MAXIMUM_SPECIALS: u32 = 16
// Vector loads may run past the text, and a cached word's ids past the last.
const SLACK: usize = 128

let longestWord: u32 = 0
let lowerCase: bool = false

const before = memory.data(MAXIMUM_SPECIALS * 4) // (beforeCount) i32
const after = memory.data(MAXIMUM_SPECIALS * 4) // (afterCount) i32
let beforeCount: u32 = 0
let afterCount: u32 = 0

/** Bytes of normalised text a byte of text, and its ids a byte, at most. */
let growth: u32 = 1
let idGrowth: u32 = 1
let prepended: u32 = 0

/** Before anything else; false where the memory cannot grow. */
export function setUp(clean: bool, chinese: bool, strip: bool, lower: bool): bool {
  lowerCase = lower
  return setUpNormalizer(clean, chinese, strip, lower) && setUpCache()
}

/** `longest`: characters of a word above which it is unknown, at least 1. False where the memory cannot grow. */
export function setUpWordPiece(longest: u32, unknown: i32): bool {
  longestWord = longest
  return setUpWords(longest, unknown)
}

/** `more`: bytes that a stage may put before a text. */
export function setGrowth(text: u32, ids: u32, more: u32): void {
  growth = text
  idGrowth = ids
  prepended = more
}

/** The address to write a text at that is to be normalised, or 0. */
export function prepareNormalized(bytes: u32): usize {
  const from = workspace() + MARGIN
  const room = (<u64>growth * (<u64>bytes + prepended) + MARGIN + SLACK + 63) & ~63
  const buffers = <u64>from + aligned(<usize>bytes + SLACK) + MARGIN
  if (!reach(buffers + 2 * room)) return 0
  setBuffers(<usize>buffers, <usize>(buffers + room))
  scratchAbove(<usize>(buffers + 2 * room))
  return from
}

/** Normalises the text that was written there; the result lies at normalizedAt(). Returns its bytes. */
export function normalized(bytes: u32): u32 {
  const from = workspace() + MARGIN
  normalizeText(from, from + bytes, false)
  return <u32>(normalizedEnd - normalizedStart)
}

export function normalizedAt(): usize {
  return normalizedStart
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

// A block: ends of the texts (count), their bytes, two buffers for normalised text, ids.
let texts: usize = 0
let work: usize = 0
let ids: usize = 0

/**
 * Room for a block of texts. Returns the address of (count) i32 ends in bytes, 0 where the memory cannot grow; the
 * texts follow at textsAt().
 */
export function prepare(bytes: u32, count: u32): usize {
  const textsFrom = <u64>workspace() + aligned(at4(0, count)) + MARGIN
  const workFrom = textsFrom + aligned(<usize>bytes + SLACK) + MARGIN
  const room = growth ? (<u64>growth * (<u64>bytes + prepended) + MARGIN + SLACK + 63) & ~63 : 0
  const idsFrom = workFrom + 2 * room
  // No character becomes more tokens than it has bytes.
  const most = <u64>idGrowth * bytes + <u64>count * (beforeCount + afterCount) + longestWord
  const end = idsFrom + 4 * most + 2 * SLACK
  if (!reach(end)) return 0
  texts = <usize>textsFrom
  work = <usize>workFrom
  setBuffers(work, work + <usize>room)
  ids = (<usize>idsFrom + 63) & ~63
  scratchAbove(<usize>end)
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
 * going on. `closed`: whether the last text ends in this block. Returns the number of ids, or −1 if memory ran out.
 */
export function encode(count: u32, limit: u32, special: bool, used: u32, opened: bool, closed: bool): i32 {
  setOutput(ids)
  cuts = 0
  let start = texts
  for (let i: u32 = 0; i < count; i++) {
    const end = texts + load<u32>(at4(workspace(), i))
    const going = opened && i == 0
    if (special && !going) writeSpecials(before, beforeCount)
    const most = <u64>output + 4 * (<u64>limit - (going ? used : 0))
    const stop = <usize>min<u64>(most, u32.MAX_VALUE)
    setStop(stop)
    toIds(start, end, 1, work, going)
    lastWasCut = output > stop
    if (lastWasCut) {
      setOutput(stop)
      cuts++
    }
    if (special && (closed || lastWasCut || i + 1 < count)) writeSpecials(after, afterCount)
    store<u32>(at4(workspace(), i), <u32>((output - ids) >> 2))
    start = end
  }
  return takeFailure() ? -1 : <i32>((output - ids) >> 2)
}

function writeSpecials(from: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i++) emit(load<i32>(at4(from, i)))
}
