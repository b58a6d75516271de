// What is known of a code point: a record of flags and a mapping, found through one flat table. The table is unpacked
// at start from the stream that scripts/unicode.mjs wrote (varints): records (flags, then three mappings), sequences,
// runs of (length, record).
//
// A mapping is even: twice the distance to the one code point that it becomes (0: itself); or odd: the place of a
// sequence.
import { at2, at4, at8, reserve } from './memory'
import { next, nextSigned, open } from './stream'
import { RECORDS, SEQUENCE_CODES, UNICODE_STREAM } from './unicode-data'

export const SPACE: u32 = 1
/** Dropped by clean_text. */
export const REMOVED: u32 = 2
export const PUNCTUATION: u32 = 4
/** Gets spaces around it. */
export const CHINESE: u32 = 8
/** \w of regular expressions. */
export const WORD: u32 = 16
/** A number of any kind: Rust's is_numeric. */
export const NUMERIC: u32 = 32
/** Dropped by StripAccents: any mark, spacing ones too. */
export const ACCENT: u32 = 64
/** \p{L} of regular expressions. */
export const LETTER: u32 = 128
/** \p{N} of regular expressions. */
export const NUMBER: u32 = 256
/** Four bits from here: class of grapheme clusters, see graphemes.ts. */
export const CLUSTER_SHIFT: u32 = 9
/** Above this: place in the canonical order (Unicode 3.11), 0 where the order is fixed. */
export const ORDER_SHIFT: u32 = 13
/** The order of a character that accent stripping drops without a trace. */
export const TRANSPARENT: u32 = 7

// Nothing but unassigned, tag and private code points lies above.
const PLANES: u32 = 0x33480
const TAGS: u32 = 0xe0000
const TAGS_END: u32 = 0xe1000
const PRIVATE: u32 = 0xf0000
const PRIVATE_SAMPLE: u32 = 0xe000
const UNASSIGNED_SAMPLE: u32 = 0x378

let table: usize = 0 // (PLANES + tags) u16
let records: usize = 0 // (RECORDS) u32 flags, i32 mapping
let sequences: usize = 0 // (SEQUENCE_CODES) u32: length, code points, length, …

/** Unpacks with the mappings of the wanted normaliser; false where there is no memory. */
export function unpack(strip: bool, lower: bool): bool {
  table = reserve((PLANES + (TAGS_END - TAGS)) * sizeof<u16>())
  records = reserve(RECORDS * sizeof<u64>())
  sequences = reserve(SEQUENCE_CODES * sizeof<u32>())
  if (!table || !records || !sequences) return false
  open(UNICODE_STREAM)
  const count = next()
  for (let record: u32 = 0; record < count; record++) {
    store<u32>(at8(records, record), next())
    const stripped = nextSigned()
    const lowered = nextSigned()
    const both = nextSigned()
    store<i32>(at8(records, record), strip ? (lower ? both : stripped) : lower ? lowered : 0, 4)
  }
  unpackSequences()
  for (let code: u32 = 0; code < 0x110000; ) {
    const end = code + next()
    const record = next()
    for (; code < end; code++) {
      if (code < PLANES || (code >= TAGS && code < TAGS_END)) store<u16>(at2(table, placeOf(code)), record)
    }
  }
  return true
}

function unpackSequences(): void {
  let place: u32 = 0
  for (let left = next(); left > 0; left--) {
    const length = next()
    store<u32>(at4(sequences, place++), length)
    for (let i: u32 = 0; i < length; i++) store<u32>(at4(sequences, place++), next())
  }
}

function placeOf(code: u32): u32 {
  if (code < PLANES) return code
  if (code >= TAGS && code < TAGS_END) return PLANES + (code - TAGS)
  return code >= PRIVATE && (code & 0xfffe) != 0xfffe ? PRIVATE_SAMPLE : UNASSIGNED_SAMPLE
}

/** The address of a code point's record. */
@inline
export function recordOf(code: u32): usize {
  return at8(records, load<u16>(at2(table, code < PLANES ? code : placeOf(code))))
}

@inline
export function flagsIn(record: usize): u32 {
  return load<u32>(record)
}

@inline
export function mappingIn(record: usize): i32 {
  return load<i32>(record, 4)
}

@inline
export function flagsOf(code: u32): u32 {
  return flagsIn(recordOf(code))
}

/** The length of the sequence at an odd mapping; its code points follow it. */
export function sequenceAt(mapping: i32): usize {
  return at4(sequences, <u32>mapping >> 1)
}
