// BERT's normaliser and pre-tokeniser, one character at a time: clean_text, spaces around Chinese characters, canonical
// decomposition (Unicode 15, section 3.11) without nonspacing marks, lower case; then words end at white space, and
// punctuation is a word by itself. What comes out goes to the word that is being put together or, where normalised text
// is searched for added tokens first, to a buffer.
import { at8 } from './memory'
import { append, endWord, wordIsEmpty, wordOf } from './words'
import { decode, decoded, encode } from './utf8'
import {
  CHINESE,
  flagsIn,
  flagsOf,
  mappingIn,
  ORDER_SHIFT,
  PUNCTUATION,
  recordOf,
  REMOVED,
  sequenceAt,
  SPACE,
  TRANSPARENT,
  unpack,
} from './unicode'

const HANGUL: u32 = 0xac00
const HANGUL_COUNT: u32 = 11172
const LEADING: u32 = 0x1100
const VOWEL: u32 = 0x1161
const TRAILING: u32 = 0x11a7
const TRAILING_COUNT: u32 = 28
const VOWEL_BLOCK: u32 = 588

let cleanText: bool = false
let splitChinese: bool = false
let stripAccents: bool = false

/** Where normalised text is written; 0: nowhere, it is put into words at once. */
let buffer: usize = 0

// Spacing characters with a combining class, kept back until their canonical order is known. More than these in a row
// (never in real text, and far more than one word may hold of them) come out as several runs.
const HELD: u32 = 256
const held = memory.data(HELD * 8) // (HELD) u32 code point, u32 order
let heldCount: u32 = 0

export function setUpNormalizer(clean: bool, chinese: bool, strip: bool, lower: bool): bool {
  cleanText = clean
  splitChinese = chinese
  stripAccents = strip
  return unpack(strip, lower)
}

/** A normalised character to its place. */
@inline
function put(code: u32, flags: u32): void {
  if (buffer) buffer = encode(buffer, code)
  else if (flags & SPACE) endWord()
  else if (flags & PUNCTUATION) {
    endWord()
    wordOf(code)
  } else append(code)
}

function release(): void {
  for (let i: u32 = 0; i < heldCount; i++) {
    const code = load<u32>(at8(held, i))
    put(code, flagsOf(code))
  }
  heldCount = 0
}

function hold(code: u32, order: u32): void {
  if (heldCount == HELD) release()
  let i = heldCount++
  for (; i > 0 && load<u32>(at8(held, i - 1), 4) > order; i--) store<u64>(at8(held, i), load<u64>(at8(held, i - 1)))
  store<u32>(at8(held, i), code)
  store<u32>(at8(held, i), order, 4)
}

/** A character after decomposition, in its canonical order. */
@inline
function putInOrder(code: u32, flags: u32): void {
  const order = flags >> ORDER_SHIFT
  if (order && stripAccents) hold(code, order)
  else {
    if (heldCount) release()
    put(code, flags)
  }
}

function putHangul(code: u32): void {
  const index = code - HANGUL
  putInOrder(LEADING + index / VOWEL_BLOCK, 0)
  putInOrder(VOWEL + (index % VOWEL_BLOCK) / TRAILING_COUNT, 0)
  const trailing = index % TRAILING_COUNT
  if (trailing) putInOrder(TRAILING + trailing, 0)
}

function putSequence(mapping: i32, flags: u32): void {
  const sequence = sequenceAt(mapping)
  const length = load<u32>(sequence)
  // A dropped mark of class 0 still separates what stands before it from what stands after.
  if (!length && heldCount && flags >> ORDER_SHIFT != TRANSPARENT) release()
  for (let i: usize = 1; i <= length; i++) {
    const code = load<u32>(sequence + (i << 2))
    putInOrder(code, flagsOf(code))
  }
}

function putMapped(code: u32, flags: u32, mapping: i32): void {
  if (mapping & 1) putSequence(mapping, flags)
  else if (mapping) {
    code += mapping >> 1
    putInOrder(code, flagsOf(code))
  } else if (stripAccents && code - HANGUL < HANGUL_COUNT) putHangul(code)
  else putInOrder(code, flags)
}

/** One character of raw text. */
@inline
function putRaw(code: u32): void {
  const record = recordOf(code)
  const flags = flagsIn(record)
  if (cleanText && flags & (REMOVED | SPACE)) {
    if (flags & REMOVED) return
    if (heldCount) release()
    put(0x20, SPACE)
  } else if (splitChinese && flags & CHINESE) {
    if (heldCount) release()
    put(0x20, SPACE)
    putMapped(code, flags, mappingIn(record))
    put(0x20, SPACE)
  } else putMapped(code, flags, mappingIn(record))
}

/** Ends the text: the word that is being put together, and what was held back. */
export function endText(): void {
  if (heldCount) release()
  endWord()
}

/**
 * Reads raw text into words until one has just ended, or at `end`; returns the address reached. At least one character.
 */
export function readWord(p: usize, end: usize): usize {
  do {
    const code = decode(p)
    p += decoded
    putRaw(code)
  } while (p < end && !(wordIsEmpty() && heldCount == 0))
  return p
}

/** Normalises raw text into a buffer with room for three times its bytes; returns the end of what it wrote. */
export function normalize(start: usize, end: usize, to: usize): usize {
  buffer = to
  for (let p = start; p < end; p += decoded) putRaw(decode(p))
  if (heldCount) release()
  const written = buffer
  buffer = 0
  return written
}

/** Puts text that is already normalised into words. */
export function splitNormalized(start: usize, end: usize): void {
  for (let p = start; p < end; p += decoded) {
    const code = decode(p)
    put(code, flagsOf(code))
  }
  endWord()
}
