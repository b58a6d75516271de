// Normalised text into words: stages one after another, each of which cuts a stretch into shorter ones for the next;
// the last hands them to the model. No stage looks at what stands before its stretch, so that a space may be put there.
import { joinsSpace } from './bpe'
import { wordToIds } from './cache'
import { findExpression, matchedFrom, matchedTo } from './expressions'
import { cl100kMatch, gpt2Match, setUpPatterns } from './patterns'
import { flagsOf, NUMERIC, PUNCTUATION, SPACE, WORD } from './unicode'
import { decode, decoded } from './utf8'
import { output, stop } from './words'

// Kinds of stages, as src/text/stages.ts numbers them.
const GPT2: u32 = 0
const CL100K: u32 = 1 // a: numbers that stand together at most
const PREFIX_SPACE: u32 = 2
const METASPACE: u32 = 3 // a: 0 never, 1 before the text, 2 before every stretch; b: cut before each space
const WORD_STARTS: u32 = 4
const WHITESPACE: u32 = 5
const DELIMITED: u32 = 6 // a: what the delimiter is; b: a behaviour, plus 8 if inverted; c, d: address and bytes of a string

// Delimiters.
const STRING: u32 = 0
const BLANK: u32 = 1
const NUMERAL: u32 = 2
const EXPRESSION: u32 = 4 // c: address of its program; 3: punctuation

// Behaviours.
const REMOVED: u32 = 0 // 1: isolated
const MERGED_WITH_PREVIOUS: u32 = 2
const MERGED_WITH_NEXT: u32 = 3
const CONTIGUOUS: u32 = 4
const INVERTED: u32 = 8

const MAXIMUM_STAGES: u32 = 16
const stages = memory.data(MAXIMUM_STAGES * 20) // (MAXIMUM_STAGES) u32 kind, a, b, c, d
let stageCount: u32 = 0

@inline
function stageAt(stage: u32): usize {
  return stages + <usize>stage * 20
}

/** False where there are too many. */
export function addPreTokenizer(kind: u32, a: u32, b: u32, c: u32, d: u32): bool {
  if (stageCount == MAXIMUM_STAGES) return false
  const at = stageAt(stageCount++)
  store<u32>(at, kind)
  store<u32>(at, a, 4)
  store<u32>(at, b, 8)
  store<u32>(at, c, 12)
  store<u32>(at, d, 16)
  if (kind == GPT2 || kind == CL100K) setUpPatterns()
  return true
}

// What became of the first character of the text, as long as its first piece is at hand: some spaces are put there
// only.
let firstStart: usize = 0
let firstEnd: usize = 0

export function setFirst(start: usize, bytes: usize): void {
  firstStart = start
  firstEnd = start + bytes
}

/** Normalised text into ids. */
export function preTokenize(start: usize, end: usize): void {
  if (start < end) cut(0, start, end)
}

/** A stretch that is not empty, to the next stage. */
@inline
function word(stage: u32, start: usize, end: usize): void {
  if (stage == stageCount) wordToIds(start, end)
  else cut(stage, start, end)
}

function cut(stage: u32, start: usize, end: usize): void {
  if (stage == stageCount) {
    wordToIds(start, end)
    return
  }
  const at = stageAt(stage)
  const next = stage + 1
  switch (load<u32>(at)) {
    case GPT2:
      for (let p = start; p < end && output <= stop; ) {
        const q = gpt2Match(p, end)
        word(next, p, q)
        p = q
      }
      break
    case CL100K: {
      const digits = load<u32>(at, 4)
      for (let p = start; p < end && output <= stop; ) {
        const q = cl100kMatch(p, end, digits)
        word(next, p, q)
        p = q
      }
      break
    }
    case PREFIX_SPACE:
      if (load<u8>(start) != 0x20) store<u8>(--start, 0x20)
      word(next, start, end)
      break
    case METASPACE:
      metaspace(next, start, end, load<u32>(at, 4), load<u32>(at, 8) != 0)
      break
    case WORD_STARTS:
      cutAtWordStarts(next, start, end)
      break
    case WHITESPACE:
      cutAtWordBorders(next, start, end)
      break
    case DELIMITED:
      if (load<u32>(at, 4) == BLANK && load<u32>(at, 8) == REMOVED) cutAtBlanks(next, start, end)
      else cutAtDelimiters(at, next, start, end)
      break
    default:
      word(next, start, end)
  }
}

/** The next space from p on, or the end. */
@inline
function spaceFrom(p: usize, end: usize): usize {
  const wanted = i8x16.splat(0x20)
  for (; p < end; p += 16) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(p), wanted))
    if (found) return min(p + ctz(found), end)
  }
  return end
}

/** ▁ becomes a space, in place: in this pipeline they are one. Returns the new end. */
export function metaToSpaces(start: usize, end: usize): usize {
  const first = metaFrom(start, end)
  if (first == end) return end
  let to = first
  for (let p = first; p < end; ) {
    const found = metaFrom(p, end)
    memory.copy(to, p, found - p)
    to += found - p
    if (found == end) break
    store<u8>(to++, 0x20)
    p = found + 3
  }
  return to
}

/** The next ▁ from p on, or the end. */
export function metaFrom(p: usize, end: usize): usize {
  const wanted = i8x16.splat(<i8>0xe2)
  while (p < end) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(p), wanted))
    if (!found) {
      p += 16
      continue
    }
    p += ctz(found)
    if (p >= end) return end
    if (load<u16>(p, 1) == 0x8196) return p
    p++
  }
  return end
}

function metaspace(next: u32, start: usize, end: usize, prepend: u32, split: bool): void {
  end = metaToSpaces(start, end)
  const wanted = prepend == 2 || (prepend == 1 && start >= firstStart && start < firstEnd)
  if (wanted && load<u8>(start) != 0x20) store<u8>(--start, 0x20)
  if (!split) {
    word(next, start, end)
    return
  }
  for (let p = start; p < end && output <= stop; ) {
    const q = spaceFrom(p + 1, end)
    word(next, p, q)
    p = q
  }
}

/** Cuts before a space where no token reaches over it: what byte-pair encoding does there is the same either way. */
function cutAtWordStarts(next: u32, start: usize, end: usize): void {
  let from = start
  for (let p = spaceFrom(start + 1, end); p < end; p = spaceFrom(p + 1, end)) {
    if (joinsSpace(load<u8>(p - 1))) continue
    word(next, from, p)
    if (output > stop) return
    from = p
  }
  word(next, from, end)
}

/** \w+|[^\w\s]+ */
function cutAtWordBorders(next: u32, start: usize, end: usize): void {
  let from = start
  let before: u32 = SPACE
  for (let p = start; p < end && output <= stop; ) {
    const flags = flagsOf(decode(p))
    const after = p + decoded
    const kind = flags & WORD ? WORD : flags & SPACE
    if (kind != before) {
      if (before != SPACE) word(next, from, p)
      from = p
      before = kind
    }
    p = after
  }
  if (before != SPACE && output <= stop) word(next, from, end)
}

let matchStart: usize = 0
let matchEnd: usize = 0

@inline
function isDelimiter(kind: u32, flags: u32): bool {
  if (kind == BLANK) return (flags & SPACE) != 0
  if (kind == NUMERAL) return (flags & NUMERIC) != 0
  return (flags & PUNCTUATION) != 0
}

/** The next delimiter from p on in the stretch from `start` to `end`; an empty one at the end where there is none. */
function findDelimiter(at: usize, start: usize, p: usize, end: usize): void {
  const kind = load<u32>(at, 4)
  if (kind == EXPRESSION) {
    const found = findExpression(load<u32>(at, 12), start, p, end)
    matchStart = found ? matchedFrom : end
    matchEnd = found ? matchedTo : end
    return
  }
  if (kind == STRING) {
    const string = load<u32>(at, 12)
    const bytes = load<u32>(at, 16)
    const head = load<u8>(string)
    while (p + bytes <= end && (load<u8>(p) != head || memory.compare(p, string, bytes) != 0)) p++
    matchStart = p + bytes <= end ? p : end
    matchEnd = p + bytes <= end ? p + bytes : end
    return
  }
  for (; p < end; p += decoded) {
    if (!isDelimiter(kind, flagsOf(decode(p)))) continue
    matchStart = p
    matchEnd = p + decoded
    return
  }
  matchStart = end
  matchEnd = end
}

/** The next white space from p on, or the end. */
function blankFrom(p: usize, end: usize): usize {
  while (p < end) {
    // Neither printable ASCII nor its control character 0x7f.
    const others = i8x16.ge_u(i8x16.sub(v128.load(p), i8x16.splat(0x21)), i8x16.splat(0x5f))
    const found = i8x16.bitmask(others)
    if (!found) {
      p += 16
      continue
    }
    p += ctz(found)
    do {
      if (p >= end) return end
      if (flagsOf(decode(p)) & SPACE) return p
      p += decoded
    } while (load<u8>(p) >= 0x80)
  }
  return end
}

/** Words between white space, which is dropped. */
function cutAtBlanks(next: u32, start: usize, end: usize): void {
  for (let p = start; p < end && output <= stop; ) {
    const q = blankFrom(p, end)
    if (q > p) word(next, p, q)
    if (q >= end) return
    decode(q)
    p = q + decoded
  }
}

function cutAtDelimiters(at: usize, next: u32, start: usize, end: usize): void {
  const behavior = load<u32>(at, 8) & (INVERTED - 1)
  const inverted = (load<u32>(at, 8) & INVERTED) != 0
  // The piece that the next one may be added to.
  let held = start
  let heldEnd = start
  let afterDelimiter = false
  for (let p = start; p < end && output <= stop; ) {
    findDelimiter(at, start, p, end)
    const border = matchStart
    const pieceEnd = matchEnd
    for (let from = p; from < pieceEnd; ) {
      const to = from < border ? border : pieceEnd
      const delimiter = (from >= border) != inverted
      if (heldEnd > held && joins(behavior, delimiter, afterDelimiter)) heldEnd = to
      else {
        if (heldEnd > held) word(next, held, heldEnd)
        held = from
        heldEnd = behavior == REMOVED && delimiter ? from : to
      }
      afterDelimiter = delimiter
      from = to
    }
    p = pieceEnd
  }
  if (heldEnd > held && output <= stop) word(next, held, heldEnd)
}

function joins(behavior: u32, delimiter: bool, afterDelimiter: bool): bool {
  if (behavior == MERGED_WITH_PREVIOUS) return delimiter && !afterDelimiter
  if (behavior == MERGED_WITH_NEXT) return !delimiter && afterDelimiter
  return behavior == CONTIGUOUS && delimiter == afterDelimiter
}
