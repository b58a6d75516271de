// The normalizer of a pipeline: stages one after another, from one buffer to the other, or in place where nothing
// grows.
import { nmt, stripAccents } from './characters'
import { findExpression, matchedFrom, matchedTo } from './expressions'
import { nfc, nfd, nfkc, nfkd } from './normal-forms'
import { normalize } from './normalize'
import { precompiled } from './precompiled'
import { metaToSpaces } from './pretokenize'
import { flagsOf, mappingIn, recordOf, sequenceAt, SPACE } from './unicode'
import { decode, decodeBefore, decoded, encode } from './utf8'

// Kinds of stages, as src/text/stages.ts numbers them.
const BERT: u32 = 0
const LOWERCASE: u32 = 1
const STRIP: u32 = 2 // a: left, b: right
const PREPEND: u32 = 3 // a, b: address and bytes, up to MARGIN
const REPLACE: u32 = 4 // a, b: what; c, d: by what
const REPLACE_SPACES: u32 = 5 // two and more; c, d: by what
const META_TO_SPACES: u32 = 6
// 7: a normal form, a: 0 NFC, 1 NFD, 2 NFKC, 3 NFKD
const STRIP_ACCENTS: u32 = 8
const NMT: u32 = 9
const PRECOMPILED: u32 = 10
const REPLACE_EXPRESSION: u32 = 11 // a: its program; c, d: by what

/** Bytes before a text and before the working buffers that may be written to. */
export const MARGIN: usize = 64

const MAXIMUM_STAGES: u32 = 16
const stages = memory.data(MAXIMUM_STAGES * 20) // (MAXIMUM_STAGES) u32 kind, a, b, c, d
let stageCount: u32 = 0

/** False where there are too many. */
export function addNormalizer(kind: u32, a: u32, b: u32, c: u32, d: u32): bool {
  if (stageCount == MAXIMUM_STAGES) return false
  const at = stages + <usize>(stageCount++) * 20
  store<u32>(at, kind)
  store<u32>(at, a, 4)
  store<u32>(at, b, 8)
  store<u32>(at, c, 12)
  store<u32>(at, d, 16)
  return true
}

let firstBuffer: usize = 0
let secondBuffer: usize = 0

/** Each with MARGIN before it, and room for the longest text after its growth. */
export function setBuffers(first: usize, second: usize): void {
  firstBuffer = first
  secondBuffer = second
}

/** What `normalizeText` made. */
export let normalizedStart: usize = 0
export let normalizedEnd: usize = 0
/** Bytes that were stripped from its beginning. */
export let strippedBytes: usize = 0

/**
 * The text begins with what has replaced more than one character. To the reference library that stands where the last of them stood, so that the text's
 * beginning is not at hand.
 */
export let beginsReplaced: bool = false

/** A character alone is not stripped: it has neighbours. */
let alone: bool = false

const character = memory.data(128) // MARGIN, then a character and what vector loads may read

/** A character at the beginning of a text. It is copied: stages work in place. */
export function normalizeCharacter(start: usize, bytes: u32): void {
  const at = character + MARGIN
  store<u32>(at, load<u32>(start))
  alone = true
  normalizeText(at, at + bytes, false)
  alone = false
}

/** A piece of raw text. `going`: its beginning is not that of the piece, which was cut before. */
export function normalizeText(start: usize, end: usize, going: bool): void {
  let to = firstBuffer
  strippedBytes = 0
  beginsReplaced = false
  for (let stage: u32 = 0; stage < stageCount && start < end; stage++) {
    const at = stages + <usize>stage * 20
    const kind = load<u32>(at)
    if (kind == STRIP) {
      if (alone) continue
      const from = start
      if (load<u32>(at, 4)) while (start < end && flagsOf(decode(start)) & SPACE) start += decoded
      if (load<u32>(at, 8)) while (start < end && flagsOf(decodeBefore(end)) & SPACE) end -= decoded
      strippedBytes += start - from
    } else if (kind == PREPEND) {
      const bytes = load<u32>(at, 8)
      if (!going) {
        start -= bytes
        memory.copy(start, load<u32>(at, 4), bytes)
      }
    } else if (kind == META_TO_SPACES) end = metaToSpaces(start, end)
    else {
      const written = apply(at, kind, start, end, to)
      if (!written) continue
      start = to
      end = written
      to = to == firstBuffer ? secondBuffer : firstBuffer
    }
  }
  normalizedStart = start
  normalizedEnd = end
}

/** From a buffer to another; returns the end of what was written, or 0 where nothing changes. */
function apply(at: usize, kind: u32, start: usize, end: usize, to: usize): usize {
  if (kind == BERT) return normalize(start, end, to)
  if (kind == LOWERCASE) return lowercase(start, end, to)
  if (kind == REPLACE) return replace(at, start, end, to)
  if (kind == REPLACE_EXPRESSION) return replaceExpression(at, start, end, to)
  if (kind == REPLACE_SPACES) return replaceSpaces(at, start, end, to)
  if (kind == STRIP_ACCENTS) return stripAccents(start, end, to)
  if (kind == NMT) return nmt(start, end, to)
  if (kind == PRECOMPILED) return precompiled(start, end, to)
  return normalForm(load<u32>(at, 4), start, end, to)
}

function normalForm(form: u32, start: usize, end: usize, to: usize): usize {
  if (form == 0) return nfc(start, end, to)
  if (form == 1) return nfd(start, end, to)
  return form == 2 ? nfkc(start, end, to) : nfkd(start, end, to)
}

function lowercase(start: usize, end: usize, to: usize): usize {
  for (let p = start; p < end; ) {
    const byte = load<u8>(p)
    if (byte < 0x80) {
      store<u8>(to++, byte - 0x41 < 26 ? byte | 0x20 : byte)
      p++
    } else {
      to = putLower(to, decode(p))
      p += decoded
    }
  }
  return to
}

function putLower(to: usize, code: u32): usize {
  const mapping = mappingIn(recordOf(code))
  if (!(mapping & 1)) return encode(to, code + (mapping >> 1))
  const sequence = sequenceAt(mapping)
  const length = load<u32>(sequence)
  for (let i: usize = 1; i <= length; i++) to = encode(to, load<u32>(sequence + (i << 2)))
  return to
}

function replace(at: usize, start: usize, end: usize, to: usize): usize {
  const what = load<u32>(at, 4)
  const bytes = load<u32>(at, 8)
  const first = load<u8>(what)
  let changed = false
  for (let p = start; p < end; ) {
    if (load<u8>(p) == first && p + bytes <= end && memory.compare(p, what, bytes) == 0) {
      if (p == start) {
        decode(p)
        if (decoded < bytes) beginsReplaced = true
      }
      to = put(at, to)
      p += bytes
      changed = true
    } else store<u8>(to++, load<u8>(p++))
  }
  return changed ? to : 0
}

function replaceExpression(at: usize, start: usize, end: usize, to: usize): usize {
  let p = start
  while (findExpression(load<u32>(at, 4), start, p, end)) {
    const from = matchedFrom
    if (from == start) {
      decode(start)
      if (start + decoded < matchedTo) beginsReplaced = true
    }
    memory.copy(to, p, from - p)
    to = put(at, to + (from - p))
    p = matchedTo
  }
  if (p == start) return 0
  memory.copy(to, p, end - p)
  return to + (end - p)
}

@inline
function put(at: usize, to: usize): usize {
  const bytes = load<u32>(at, 16)
  memory.copy(to, load<u32>(at, 12), bytes)
  return to + bytes
}

function replaceSpaces(at: usize, start: usize, end: usize, to: usize): usize {
  let changed = false
  for (let p = start; p < end; ) {
    const byte = load<u8>(p)
    if (byte == 0x20 && p + 1 < end && load<u8>(p, 1) == 0x20) {
      if (p == start) beginsReplaced = true
      while (p < end && load<u8>(p) == 0x20) p++
      to = put(at, to)
      changed = true
    } else {
      store<u8>(to++, byte)
      p++
    }
  }
  return changed ? to : 0
}
