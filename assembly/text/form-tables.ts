// What the normal forms ask about a code point: its combining class, its decompositions, and what two compose to.
// Unpacked at start from the stream that scripts/unicode-forms.mjs wrote: runs of combining classes, then decompositions.
import { at2, at4, at8, reserve } from './memory'
import { FORM_CODES, FORM_RECORDS, FORMS_END, NORMAL_FORMS_STREAM } from './normal-forms-data'
import { next, nextSigned, open } from './stream'

// One bit each, also in a record's flags: whether the character may look different in that form, or changes its
// neighbours.
export const NFC: u32 = 1
export const NFD: u32 = 2
export const NFKC: u32 = 4
export const NFKD: u32 = 8
export const COMPOSED: u32 = NFC | NFKC
export const COMPATIBLE: u32 = NFKC | NFKD
const ALL: u32 = 15

export const HANGUL: u32 = 0xac00
export const HANGUL_COUNT: u32 = 11172
export const LEADING: u32 = 0x1100
const LEADING_COUNT: u32 = 19
export const VOWEL: u32 = 0x1161
export const VOWEL_COUNT: u32 = 21
export const TRAILING: u32 = 0x11a7
export const TRAILING_COUNT: u32 = 28

export const NOBODY: u32 = <u32>-1

let table: usize = 0 // (FORMS_END) u16 number of its record
let records: usize = 0 // (FORM_RECORDS) u16 canonical place, u16 compatible place (0: none), u16 flags, u8 class, u8
let codes: usize = 0 // (1 + FORM_CODES) u32: length, code points, length, …
let count: u32 = 0

const PAIR_BITS: u32 = 11
const pairs = memory.data(16 << PAIR_BITS) // (2^PAIR_BITS) u64 first << 21 | second (0: empty), u32 composed

function recordFor(code: u32): usize {
  const cell = at2(table, code)
  if (!load<u16>(cell)) store<u16>(cell, count++)
  return at8(records, load<u16>(cell))
}

function addFlags(record: usize, flags: u32): void {
  store<u16>(record, load<u16>(record, 4) | <u16>flags, 4)
}

/** False where there is no memory. Does nothing the second time. */
export function setUpForms(): bool {
  if (table) return true
  table = reserve(FORMS_END * sizeof<u16>())
  records = reserve(FORM_RECORDS * sizeof<u64>())
  codes = reserve((1 + FORM_CODES) * sizeof<u32>())
  if (!table || !records || !codes) return false
  count = 1
  open(NORMAL_FORMS_STREAM)
  unpackClasses()
  const place = unpackDecompositions(1, true)
  addPairs(2)
  addPairs(3)
  addPairs(4)
  unpackDecompositions(place, false)
  const syllables = count++
  addFlags(at8(records, syllables), NFD | NFKD)
  for (let i: u32 = 0; i < HANGUL_COUNT; i++) store<u16>(at2(table, HANGUL + i), syllables)
  const parts = count++
  addFlags(at8(records, parts), COMPOSED)
  for (let i: u32 = 0; i < VOWEL_COUNT; i++) store<u16>(at2(table, VOWEL + i), parts)
  for (let i: u32 = 1; i < TRAILING_COUNT; i++) store<u16>(at2(table, TRAILING + i), parts)
  return true
}

function unpackClasses(): void {
  let code: u32 = 0
  for (let left = next(); left > 0; left--) {
    code += next()
    const end = code + next()
    const order = next()
    for (; code < end; code++) {
      const record = recordFor(code)
      store<u8>(record, order, 6)
      addFlags(record, ALL)
    }
  }
}

const before = memory.data(32 * 4) // (32) u32, the entry before, place by place

function unpackDecompositions(place: u32, canonical: bool): u32 {
  memory.fill(before, 0, 128)
  let code: u32 = 0
  for (let left = next(); left > 0; left--) {
    code += next()
    let length = next()
    const record = recordFor(code)
    if (canonical) {
      // One that composes again is in composed form as it stands.
      addFlags(record, length & 1 ? NFD | NFKD : ALL)
      length >>= 1
    } else addFlags(record, COMPATIBLE)
    store<u16>(record + (canonical ? 0 : 2), place)
    store<u32>(at4(codes, place++), length)
    for (let i: u32 = 0; i < length; i++) {
      const last = canonical || i == 0 ? load<u32>(at4(before, i)) : load<u32>(at4(codes, place - 1))
      store<u32>(at4(codes, place++), last + nextSigned())
    }
    for (let i: u32 = 0; i < length; i++) store<u32>(at4(before, i), load<u32>(at4(codes, place - length + i)))
  }
  return place
}

/** What composes from `length` code points: from all but the last, composed by shorter ones, and the last. */
function addPairs(length: u32): void {
  for (let code: u32 = 0; code < FORMS_END; code++) {
    const record = at8(records, load<u16>(at2(table, code)))
    const place = load<u16>(record)
    if (!place || load<u32>(at4(codes, place)) != length || load<u16>(record, 4) & NFC) continue
    let first = load<u32>(at4(codes, place + 1))
    for (let i: u32 = 2; i < length; i++) first = composed(first, load<u32>(at4(codes, place + i)))
    const second = load<u32>(at4(codes, place + length))
    const slot = slotOf(first, second)
    store<u64>(slot, ((<u64>first) << 21) | second)
    store<u32>(slot, code, 8)
    addFlags(recordFor(second), COMPOSED)
  }
}

function slotOf(first: u32, second: u32): usize {
  const key = ((<u64>first) << 21) | second
  let slot = pairs + (<usize>((key * 0x9e3779b97f4a7c15) >> (64 - PAIR_BITS)) << 4)
  while (load<u64>(slot) && load<u64>(slot) != key) slot = slot + 16 < pairs + (16 << PAIR_BITS) ? slot + 16 : pairs
  return slot
}

/** One code point for two, or NOBODY. */
export function composed(first: u32, second: u32): u32 {
  if (first - LEADING < LEADING_COUNT && second - VOWEL < VOWEL_COUNT)
    return HANGUL + ((first - LEADING) * VOWEL_COUNT + (second - VOWEL)) * TRAILING_COUNT
  const syllable = first - HANGUL
  if (syllable < HANGUL_COUNT && syllable % TRAILING_COUNT == 0 && second - TRAILING - 1 < TRAILING_COUNT - 1)
    return first + (second - TRAILING)
  const slot = slotOf(first, second)
  return load<u64>(slot) ? load<u32>(slot, 8) : NOBODY
}

/** The address of a code point's record. */
@inline
export function recordOf(code: u32): usize {
  return at8(records, code < FORMS_END ? load<u16>(at2(table, code)) : 0)
}

/** The forms in which the character may look different, or changes its neighbours. */
@inline
export function formsIn(record: usize): u32 {
  return load<u16>(record, 4)
}

@inline
export function classIn(record: usize): u32 {
  return load<u8>(record, 6)
}

/** The address of a decomposition: its length, then its code points; 0 where there is none. */
@inline
export function decompositionIn(record: usize, compatible: bool): usize {
  let place = <u32>(compatible ? load<u16>(record, 2) : 0)
  if (!place) place = load<u16>(record)
  return place ? at4(codes, place) : 0
}
