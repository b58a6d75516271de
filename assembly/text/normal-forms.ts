// The normal forms of Unicode (UAX 15): canonical or compatible decomposition, marks in canonical order, and for NFC
// and NFKC composition. Text to text; what is in its form already, nearly all of it, is copied.
import {
  COMPATIBLE,
  COMPOSED,
  classIn,
  composed,
  decompositionIn,
  formsIn,
  HANGUL,
  HANGUL_COUNT,
  LEADING,
  NFC,
  NFD,
  NFKC,
  NFKD,
  NOBODY,
  recordOf,
  TRAILING,
  TRAILING_COUNT,
  VOWEL,
  VOWEL_COUNT,
} from './form-tables'
import { at4, at8, fail, scratch } from './memory'
import { decode, decodeBefore, decoded, encode } from './utf8'

export { setUpForms } from './form-tables'

// What is being put together: a character that marks may join, and the marks so far. Marks lie here until they are too
// many (never in real text), then in working space that grows.
const FEW: u32 = 256
const few = memory.data(FEW * 4)
let starter: u32 = NOBODY
let marks: usize = few // (markCount) u32 class << 24 | code point
let markCount: u32 = 0
let room: u32 = FEW

let form: u32 = 0
let out: usize = 0

/** Twice as many marks, and as many again for sorting them. False where there is no memory. */
function makeRoom(): bool {
  const larger = scratch(at8(0, 2 * room))
  if (!larger) {
    fail()
    return false
  }
  if (larger != marks) memory.copy(larger, marks, at4(0, markCount))
  marks = larger
  room *= 2
  return true
}

/** Marks in the order of their classes; those of one class stay in theirs. */
function sortMarks(): void {
  if (marks == few) {
    for (let i: u32 = 1; i < markCount; i++) {
      const mark = load<u32>(at4(marks, i))
      let j = i
      for (; j > 0 && load<u32>(at4(marks, j - 1)) >> 24 > mark >> 24; j--)
        store<u32>(at4(marks, j), load<u32>(at4(marks, j - 1)))
      store<u32>(at4(marks, j), mark)
    }
  } else countingSort(at4(marks, room))
}

const ends = memory.data(257 * 4) // (257) u32

function countingSort(sorted: usize): void {
  memory.fill(ends, 0, 257 * 4)
  for (let i: u32 = 0; i < markCount; i++) {
    const cell = at4(ends, (load<u32>(at4(marks, i)) >> 24) + 1)
    store<u32>(cell, load<u32>(cell) + 1)
  }
  for (let order: u32 = 1; order < 257; order++)
    store<u32>(at4(ends, order), load<u32>(at4(ends, order)) + load<u32>(at4(ends, order - 1)))
  for (let i: u32 = 0; i < markCount; i++) {
    const mark = load<u32>(at4(marks, i))
    const cell = at4(ends, mark >> 24)
    store<u32>(at4(sorted, load<u32>(cell)), mark)
    store<u32>(cell, load<u32>(cell) + 1)
  }
  memory.copy(marks, sorted, at4(0, markCount))
}

/** Joins marks to what they stand on: each but those that another one, kept, of its class or higher cuts off. */
function joinMarks(): void {
  let kept: u32 = 0
  let last: u32 = 0
  for (let i: u32 = 0; i < markCount; i++) {
    const mark = load<u32>(at4(marks, i))
    const whole = kept && last >= mark >> 24 ? NOBODY : composed(starter, mark & 0xffffff)
    if (whole != NOBODY) starter = whole
    else {
      store<u32>(at4(marks, kept++), mark)
      last = mark >> 24
    }
  }
  markCount = kept
}

function settle(): void {
  if (markCount > 1) sortMarks()
  if (form & COMPOSED && markCount && starter != NOBODY) joinMarks()
}

/** Writes what has been put together. */
function flush(): void {
  if (starter != NOBODY) out = encode(out, starter)
  for (let i: u32 = 0; i < markCount; i++) out = encode(out, load<u32>(at4(marks, i)) & 0xffffff)
  starter = NOBODY
  markCount = 0
}

/** One decomposed character. */
function push(code: u32, record: usize): void {
  const order = classIn(record)
  if (order) {
    if (markCount == room && !makeRoom()) return
    store<u32>(at4(marks, markCount++), (order << 24) | code)
    return
  }
  settle()
  if (starter != NOBODY && !markCount && formsIn(record) & form & COMPOSED) {
    const whole = composed(starter, code)
    if (whole != NOBODY) {
      starter = whole
      return
    }
  }
  flush()
  starter = code
}

function pushHangul(code: u32): void {
  const index = code - HANGUL
  const vowels = index / TRAILING_COUNT
  push(LEADING + vowels / VOWEL_COUNT, recordOf(LEADING))
  push(VOWEL + (vowels % VOWEL_COUNT), recordOf(VOWEL))
  const trailing = index % TRAILING_COUNT
  if (trailing) push(TRAILING + trailing, recordOf(VOWEL))
}

function decompose(code: u32): void {
  const record = recordOf(code)
  const decomposition = decompositionIn(record, (form & COMPATIBLE) != 0)
  if (decomposition) {
    const end = decomposition + at4(0, load<u32>(decomposition))
    for (let at = decomposition + 4; at <= end; at += 4) push(load<u32>(at), recordOf(load<u32>(at)))
  } else if (code - HANGUL < HANGUL_COUNT) pushHangul(code)
  else push(code, record)
}

export function nfc(start: usize, end: usize, to: usize): usize {
  return toForm(NFC, start, end, to)
}

export function nfd(start: usize, end: usize, to: usize): usize {
  return toForm(NFD, start, end, to)
}

export function nfkc(start: usize, end: usize, to: usize): usize {
  return toForm(NFKC, start, end, to)
}

export function nfkd(start: usize, end: usize, to: usize): usize {
  return toForm(NFKD, start, end, to)
}

/** The first place at which a text may not be in a form, at the beginning of a character; or its end. */
function firstChange(start: usize, end: usize): usize {
  for (let p = start; p < end; ) {
    const ascii = ctz(i8x16.bitmask(v128.load(p)) | 0x10000)
    if (ascii) {
      p += ascii
      continue
    }
    const code = decode(p)
    if (formsIn(recordOf(code)) & form) return p
    p += decoded
  }
  return end
}

/**
 * Text into a buffer with room for eleven times its bytes (compatible forms) or three; returns the end of what it
 * wrote, or 0 where nothing changes.
 */
function toForm(wanted: u32, start: usize, end: usize, to: usize): usize {
  form = wanted
  const same = firstChange(start, end)
  if (same >= end) return 0
  memory.copy(to, start, same - start)
  out = to + (same - start)
  for (let p = same; p < end; ) {
    const bytes = v128.load(p)
    const ascii = min<usize>(ctz(i8x16.bitmask(bytes) | 0x10000), end - p)
    if (ascii) {
      v128.store(out, bytes)
      p += ascii
      out += ascii
      continue
    }
    const code = decode(p)
    if (formsIn(recordOf(code)) & form) {
      p = changed(p, end, to)
      continue
    }
    store<u32>(out, load<u32>(p))
    p += decoded
    out += decoded
  }
  return out
}

/** A run of characters that need more than copying; returns where it ends. */
function changed(p: usize, end: usize, to: usize): usize {
  if (out > to && form & COMPOSED) {
    // What has just been copied may be joined by what follows.
    const code = decodeBefore(out)
    out -= decoded
    decompose(code)
  }
  do {
    const code = decode(p)
    if (!(formsIn(recordOf(code)) & form)) break
    p += decoded
    decompose(code)
  } while (p < end)
  settle()
  flush()
  marks = few
  room = FEW
  return p
}
