// The regular expressions that byte-level tokenizers cut text with, as scanners: from an address to the end of the
// match there. Each expression covers all text.
//
// GPT-2:   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// cl100k:  (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//          (Qwen: \p{N} instead of \p{N}{1,3})
import { flagsOf, LETTER, NUMBER, SPACE } from './unicode'
import { decode, decoded } from './utf8'

const OTHER: u32 = 0
const LETTERS: u32 = 1
const NUMBERS: u32 = 2
const BLANK: u32 = 3
const WIDE: u32 = 4 // not ASCII: look it up

const classes = memory.data(256) // (256) u8

export function setUpPatterns(): void {
  for (let byte: u32 = 0; byte < 256; byte++) {
    const flags = byte < 0x80 ? flagsOf(byte) : 0
    store<u8>(classes + byte, byte >= 0x80 ? WIDE : classIn(flags))
  }
}

@inline
function classIn(flags: u32): u32 {
  return flags & LETTER ? LETTERS : flags & NUMBER ? NUMBERS : flags & SPACE ? BLANK : OTHER
}

/** Bytes of the character that `classAt` looked at last. */
let size: u32 = 0

@inline
function classAt(p: usize): u32 {
  const kind = <u32>load<u8>(classes + load<u8>(p))
  size = 1
  return kind == WIDE ? wideClassAt(p) : kind
}

function wideClassAt(p: usize): u32 {
  const kind = classIn(flagsOf(decode(p)))
  size = decoded
  return kind
}

/** How many of 16 bytes, from the first, are ASCII letters. */
@inline
function lettersIn(bytes: v128): usize {
  const letter = i8x16.lt_u(i8x16.sub(v128.or(bytes, i8x16.splat(0x20)), i8x16.splat(0x61)), i8x16.splat(26))
  return ctz(~i8x16.bitmask(letter))
}

/** The end of the letters from p on. */
@inline
function letters(p: usize, end: usize): usize {
  const n = lettersIn(v128.load(p))
  p += n
  if (p >= end) return end
  return n == 16 || load<u8>(p) >= 0x80 ? moreLetters(p, end) : p
}

function moreLetters(p: usize, end: usize): usize {
  while (p < end) {
    const n = lettersIn(v128.load(p))
    p += n
    if (n == 16) continue
    if (p >= end || load<u8>(p) < 0x80) break
    const from = p
    p = wideLetters(p, end)
    if (p == from) break
  }
  return min(p, end)
}

/** The same, of letters that are not ASCII. */
function wideLetters(p: usize, end: usize): usize {
  while (p < end && load<u8>(p) >= 0x80) {
    if (!(flagsOf(decode(p)) & LETTER)) return p
    p += decoded
  }
  return p
}

/** The end of the characters of one class from p on. */
function run(p: usize, end: usize, kind: u32): usize {
  while (p < end && classAt(p) == kind) p += size
  return p
}

/** \s+(?!\S)|\s+ at white space. */
function blanks(p: usize, end: usize): usize {
  let last = p
  let q = p
  while (q < end && classAt(q) == BLANK) {
    last = q
    q += size
  }
  return q < end && last > p ? last : q
}

/** Of the contraction at an apostrophe, or p: 's|'t|'re|'ve|'m|'ll|'d. `fold`: 0x20 for either case, else 0. */
function contraction(p: usize, end: usize, fold: u32): usize {
  if (p + 1 >= end) return p
  const first = <u32>load<u8>(p, 1) | fold
  if (first == 0x73 || first == 0x74 || first == 0x6d || first == 0x64) return p + 2
  if (p + 2 >= end) return p
  const second = <u32>load<u8>(p, 2) | fold
  if ((first == 0x72 || first == 0x76) && second == 0x65) return p + 3
  if (first == 0x6c && second == 0x6c) return p + 3
  // ſ is an s to an expression that ignores case.
  if (fold && load<u16>(p, 1) == 0xbfc5) return p + 3
  return p
}

/** The end of GPT-2's match at p < end. */
export function gpt2Match(p: usize, end: usize): usize {
  let q = p
  let kind = classAt(p)
  if (load<u8>(p) == 0x20 && p + 1 < end) {
    const next = classAt(p + 1)
    if (next != BLANK) {
      kind = next
      q = p + 1
    }
  }
  if (kind == LETTERS) return letters(q, end)
  if (kind == BLANK) return blanks(p, end)
  if (load<u8>(p) == 0x27) {
    const found = contraction(p, end, 0)
    if (found > p) return found
  }
  return run(q, end, kind)
}

/** The end of cl100k's match at p < end; `digits`: how many numbers at most stand together. */
export function cl100kMatch(p: usize, end: usize, digits: u32): usize {
  const byte = <u32>load<u8>(p)
  const kind = classAt(p)
  const after = p + size
  if (kind == LETTERS) return letters(p, end)
  if (kind == NUMBERS) return numbers(p, end, digits)
  if (byte == 0x27) {
    const found = contraction(p, end, 0x20)
    if (found > p) return found
  }
  const next = after < end ? classAt(after) : BLANK
  if (next == LETTERS && byte != 0x0a && byte != 0x0d) return letters(after, end)
  if (kind == OTHER || (byte == 0x20 && next == OTHER)) {
    let q = run(after, end, OTHER)
    while (q < end && isLineEnd(load<u8>(q))) q++
    return q
  }
  return blanksOrLines(p, end)
}

function numbers(p: usize, end: usize, most: u32): usize {
  for (let i: u32 = 0; i < most && p < end && classAt(p) == NUMBERS; i++) p += size
  return p
}

@inline
function isLineEnd(byte: u32): bool {
  return byte == 0x0a || byte == 0x0d
}

/** \s*[\r\n]+|\s+(?!\S)|\s+ at white space. */
function blanksOrLines(p: usize, end: usize): usize {
  let lines = p
  let last = p
  let q = p
  while (q < end && classAt(q) == BLANK) {
    last = q
    q += size
    if (isLineEnd(load<u8>(last))) lines = q
  }
  if (lines > p) return lines
  return q < end && last > p ? last : q
}
