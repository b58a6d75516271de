// Added tokens ([CLS], [MASK], …) are cut out of the text before anything else sees it: the leftmost first, of those
// the longest. Those marked "normalized" are looked for in the normalised text instead. A value is eight times the id,
// plus the token's flags.
import { beginsReplaced, normalizeCharacter, normalizedEnd, normalizedStart, normalizeText, strippedBytes } from './normalizers'
import { normalize, splitNormalized } from './normalize'
import { preTokenize, setFirst } from './pretokenize'
import { scan } from './scan'
import { ADDED, ADDED_NORMALIZED, follow, NONE, valueOf } from './trie'
import { flagsOf, SPACE, WORD } from './unicode'
import { decode, decodeBefore, decoded } from './utf8'
import { emit, output, stop } from './words'

// Flags of a value.
const SINGLE_WORD: i32 = 1
const LEFT_STRIP: i32 = 2
const RIGHT_STRIP: i32 = 4

// Bit 0: an added token begins with this byte; bit 1: a normalised one does.
const beginnings = memory.data(256) // (256) u8
/** The byte that every token of this kind begins with, NONE if they differ; and whether there are any. */
let onlyRaw: i32 = NONE
let onlyNormalized: i32 = NONE
let hasRaw: bool = false
let hasNormalized: bool = false

/** BERT's normaliser, pre-tokeniser and WordPiece, which scan.ts does in one. */
let bert: bool = false
/** A space in the normalised text stands for ▁, which is no white space. */
let metaSpaces: bool = false

/** It matters what the normaliser makes of the first character. */
let asksFirst: bool = false

export function setUpPipeline(isBert: bool, spacesAreMeta: bool, firstMatters: bool): void {
  bert = isBert
  metaSpaces = spacesAreMeta
  asksFirst = firstMatters
}

/** After the trie. */
export function setUpAdded(): void {
  let raws = 0
  let normalizeds = 0
  for (let byte: u32 = 0; byte < 256; byte++) {
    const raw = follow(ADDED, byte) != 0
    const normalized = follow(ADDED_NORMALIZED, byte) != 0
    store<u8>(beginnings + byte, <u8>raw | (<u8>normalized << 1))
    if (raw) {
      onlyRaw = byte
      raws++
    }
    if (normalized) {
      onlyNormalized = byte
      normalizeds++
    }
  }
  hasRaw = raws > 0
  hasNormalized = normalizeds > 0
  if (raws != 1) onlyRaw = NONE
  if (normalizeds != 1) onlyNormalized = NONE
}

/** The first place from p on where an added token may begin, or the end. `bit`: 1 raw, 2 normalised. */
function candidate(p: usize, end: usize, bit: u32): usize {
  if (bit == 1 ? !hasRaw : !hasNormalized) return end
  const only = bit == 1 ? onlyRaw : onlyNormalized
  if (only != NONE) {
    const wanted = i8x16.splat(<i8>only)
    for (; p < end; p += 16) {
      const found = i8x16.bitmask(i8x16.eq(v128.load(p), wanted))
      if (found) return min(p + ctz(found), end)
    }
    return end
  }
  while (p < end && !(load<u8>(beginnings + load<u8>(p)) & bit)) p++
  return p
}

// The added token that `findAt` found: where it ends, and its value.
let matchEnd: usize = 0
let matchValue: i32 = NONE

function findAt(p: usize, end: usize, root: u32): bool {
  matchValue = NONE
  let node = root
  while (p < end) {
    node = follow(node, load<u8>(p++))
    if (!node) break
    const value = valueOf(node)
    if (value != NONE) {
      matchValue = value
      matchEnd = p
    }
  }
  return matchValue != NONE
}

function standsAlone(start: usize, end: usize, first: usize, last: usize): bool {
  if (first > start && flagsOf(decodeBefore(first)) & WORD) return false
  return last >= end || !(flagsOf(decode(last)) & WORD)
}

@inline
function isBlank(code: u32, bit: u32): bool {
  return (flagsOf(code) & SPACE) != 0 && !(metaSpaces && bit == 2 && code == 0x20)
}

/** `first`: the piece begins where the text does; `going`: so it does, but the text itself began before. */
function pieceToIds(start: usize, end: usize, bit: u32, work: usize, first: bool, going: bool): void {
  if (bert) {
    if (bit == 2) splitNormalized(start, end)
    else if (hasNormalized) toIds(work, normalize(start, end, work), 2, 0, false)
    else scan(start, end, stop)
    return
  }
  if (bit == 2) {
    preTokenize(start, end)
    return
  }
  const size = first && asksFirst ? sizeOfFirst(start) : 0
  normalizeText(start, end, going)
  setFirst(normalizedStart, size > strippedBytes && !beginsReplaced ? size - strippedBytes : 0)
  if (hasNormalized) toIdsFrom(normalizedStart, normalizedEnd, 2, 0, false, false)
  else preTokenize(normalizedStart, normalizedEnd)
}

/** Bytes of what the normaliser makes of the character at p. */
function sizeOfFirst(p: usize): usize {
  decode(p)
  normalizeCharacter(p, decoded)
  return normalizedEnd - normalizedStart
}

/**
 * Text to ids at `output`, until its end or until the output has passed `stop`. `bit`: 1 for raw text, 2 for
 * normalised; `work`: room for the normalised text, where an added token asks for it; `going`: the text began before.
 */
export function toIds(start: usize, end: usize, bit: u32, work: usize, going: bool): void {
  toIdsFrom(start, end, bit, work, !going, going)
}

function toIdsFrom(start: usize, end: usize, bit: u32, work: usize, first: bool, going: bool): void {
  let piece = start
  for (let p = candidate(start, end, bit); p < end && output <= stop; p = candidate(p, end, bit)) {
    if (!findAt(p, end, bit == 1 ? ADDED : ADDED_NORMALIZED)) {
      p++
      continue
    }
    const matched = matchEnd
    const value = matchValue
    // The search goes on behind a token that does not stand alone: what begins within it is not found.
    if (!(value & SINGLE_WORD) || standsAlone(start, end, p, matched)) {
      let from = p
      let to = matched
      if (value & LEFT_STRIP) while (from > piece && isBlank(decodeBefore(from), bit)) from -= decoded
      if (value & RIGHT_STRIP) while (to < end && isBlank(decode(to), bit)) to += decoded
      if (piece < from) pieceToIds(piece, from, bit, work, first && piece == start, going && piece == start)
      if (output > stop) return
      emit(value >> 3)
      piece = to
    }
    p = matched
  }
  if (piece < end && output <= stop) pieceToIds(piece, end, bit, work, first && piece == start, going && piece == start)
}
