// Regular expressions, run by backtracking: the program and its tables are those of src/text/expressions/compile.ts. A span
// of one set takes one entry of the stack however long it is, and gives back character by character.
import { at4, fail, scratch } from './memory'
import { decode, decoded } from './utf8'

// Operations, each with what follows it.
const MATCH: u32 = 0
const SET: u32 = 1 // table
const SPAN: u32 = 2 // table, at least, at most, 1: gives nothing back
const SPLIT: u32 = 3 // where to go first, and then
const JUMP: u32 = 4 // where to
const LOOK: u32 = 5 // 1: must not match; where to go on; a program
const ATOMIC: u32 = 6 // where to go on; a program
const PLACE: u32 = 7 // which
const BEHIND: u32 = 8 // 1: must not; table

// Places.
const LINE_START: u32 = 0
const LINE_END: u32 = 1
const START: u32 = 2
const END: u32 = 3

/** Words before the first operation: bits of the bytes that a match may begin with. */
const HEAD: u32 = 8
/** Bytes of a table before its pages. */
const PAGES: usize = 0x1100 * 2

// The text; the stack of (u32 operation, place, least place), at an address that stays as it grows.
let first: usize = 0
let last: usize = 0
let stack: usize = 0
let room: usize = 0

@inline
function isIn(table: usize, code: u32): bool {
  const page = table + PAGES + (<usize>load<u16>(table + (<usize>(code >> 8) << 1)) << 5)
  return ((load<u8>(page + ((code & 0xff) >> 3)) >> <u8>(code & 7)) & 1) != 0
}

/** The bytes of the character at p if it is in the set, else 0. */
@inline
function sizeIn(table: usize, p: usize): u32 {
  const byte = <u32>load<u8>(p)
  if (byte < 0x80) return (load<u8>(table + PAGES + (byte >> 3)) >> <u8>(byte & 7)) & 1
  const code = decode(p)
  return isIn(table, code) ? decoded : 0
}

@inline
function before(p: usize): usize {
  do p--
  while ((load<u8>(p) & 0xc0) == 0x80)
  return p
}

const FRAME: usize = 12

function push(top: usize, operation: u32, place: usize, least: usize): usize {
  if (top + FRAME > room) {
    room = top + FRAME + 65536
    if (!scratch(room)) {
      room = top
      fail()
      return top
    }
  }
  store<u32>(stack + top, operation)
  store<u32>(stack + top, place, 4)
  store<u32>(stack + top, least, 8)
  return top + FRAME
}

export let matchedFrom: usize = 0
export let matchedTo: usize = 0

/**
 * The first match from `from` on in the text from `start` to `end`, which has a character at least. False where there is none; what was found lies from
 * `matchedFrom` to `matchedTo`.
 */
export function findExpression(program: usize, start: usize, from: usize, end: usize): bool {
  first = start
  last = end
  stack = scratch(0)
  room = 0
  for (let p = from; p < end; p++) {
    const byte = <u32>load<u8>(p)
    if (!((load<u8>(program + (byte >> 3)) >> <u8>(byte & 7)) & 1) || (byte & 0xc0) == 0x80) continue
    const to = run(program, HEAD, p, 0)
    if (to) {
      matchedFrom = p
      matchedTo = to
      return true
    }
  }
  return false
}

/** Where the match of the program from an operation on ends that begins at p; 0: there is none. `base`: the stack is used from there on. */
function run(program: usize, operation: u32, p: usize, base: usize): usize {
  let top = base
  for (;;) {
    const at = at4(program, operation)
    const kind = load<u32>(at)
    let matches = true
    if (kind == MATCH) return p
    if (kind == SET) {
      const size = p < last ? sizeIn(load<u32>(at, 4), p) : 0
      matches = size != 0
      p += size
      operation += 2
    } else if (kind == SPAN) {
      const least = load<u32>(at, 8)
      const end = span(load<u32>(at, 4), p, least, load<u32>(at, 12))
      matches = end != 0
      operation += 5
      if (matches && !load<u32>(at, 16) && end > leastEnd) top = push(top, operation, end, leastEnd)
      p = end
    } else if (kind == SPLIT) {
      // A place that is its own least one: nothing to give back.
      top = push(top, load<u32>(at, 8), p, 0)
      operation = load<u32>(at, 4)
    } else if (kind == JUMP) operation = load<u32>(at, 4)
    else if (kind == LOOK) {
      matches = (run(program, operation + 3, p, top) != 0) != (load<u32>(at, 4) != 0)
      operation = load<u32>(at, 8)
    } else if (kind == ATOMIC) {
      p = run(program, operation + 2, p, top)
      matches = p != 0
      operation = load<u32>(at, 4)
    } else if (kind == PLACE) {
      matches = isPlace(load<u32>(at, 4), p)
      operation += 2
    } else {
      const found = p > first && sizeIn(load<u32>(at, 8), before(p)) != 0
      matches = found != (load<u32>(at, 4) != 0)
      operation += 3
    }
    if (matches) continue
    if (top == base) return 0
    // Back to the last choice.
    const frame = stack + top - FRAME
    operation = load<u32>(frame)
    p = load<u32>(frame, 4)
    const least = <usize>load<u32>(frame, 8)
    if (least) {
      p = before(p)
      if (p > least) store<u32>(frame, <u32>p, 4)
      else top -= FRAME
    } else top -= FRAME
  }
  return 0
}

/** Where the fewest characters of the last span end. */
let leastEnd: usize = 0

/** The end of the characters of a set from p on, at most so many; 0 where they are too few. */
function span(table: usize, p: usize, least: u32, most: u32): usize {
  let count: u32 = 0
  leastEnd = p
  for (; count < most && p < last; count++) {
    if (count == least) leastEnd = p
    const size = sizeIn(table, p)
    if (!size) break
    p += size
  }
  if (count < least) return 0
  if (count == least) leastEnd = p
  return p
}

function isPlace(place: u32, p: usize): bool {
  if (place == LINE_START) return p == first || (p < last && load<u8>(p - 1) == 0x0a)
  if (place == LINE_END) return p == last || load<u8>(p) == 0x0a
  if (place == START) return p == first
  return p == last || (place != END && p + 1 == last && load<u8>(p) == 0x0a)
}
