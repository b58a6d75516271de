// Added tokens ([CLS], [MASK], …) are cut out of the text before it is split into words: the leftmost first, of those
// the longest. Those marked "normalized" are looked for in the normalised text instead. A value is twice the id, plus
// one if the token may only stand as a single word. White space around a token disappears anyway, so that lstrip and
// rstrip change no id.
import { normalize, splitNormalized } from './normalize'
import { scan } from './scan'
import { ADDED, ADDED_NORMALIZED, follow, NONE, valueOf } from './trie'
import { flagsOf, WORD } from './unicode'
import { decode, decodeBefore } from './utf8'
import { emit, output } from './words'

// Bit 0: an added token begins with this byte; bit 1: a normalised one does.
const beginnings = memory.data(256) // (256) u8
let hasNormalized: bool = false
/** The byte that every added token begins with; NONE if they differ. */
let onlyBeginning: i32 = NONE

/** After the trie. */
export function setUpAdded(): void {
  let different = 0
  for (let byte: u32 = 0; byte < 256; byte++) {
    const raw = follow(ADDED, byte) != 0
    const normalized = follow(ADDED_NORMALIZED, byte) != 0
    store<u8>(beginnings + byte, <u8>raw | (<u8>normalized << 1))
    if (raw) {
      onlyBeginning = byte
      different++
    }
    if (normalized) hasNormalized = true
  }
  if (different != 1) onlyBeginning = NONE
}

export function findsInNormalized(): bool {
  return hasNormalized
}

/** The first place from p on where an added token may begin, or the end. */
function candidate(p: usize, end: usize, bit: u32): usize {
  if (bit == 1 && onlyBeginning != NONE) {
    const wanted = i8x16.splat(<i8>onlyBeginning)
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

function pieceToIds(start: usize, end: usize, bit: u32, work: usize, limit: usize): void {
  if (bit == 2) splitNormalized(start, end)
  else if (hasNormalized) toIds(work, normalize(start, end, work), 2, 0, limit)
  else scan(start, end, limit)
}

/**
 * Text to ids at `output`, until its end or until the output has passed the limit. `bit`: 1 for raw text, 2 for
 * normalised; `work`: room for the normalised text, where an added token asks for it.
 */
export function toIds(start: usize, end: usize, bit: u32, work: usize, limit: usize): void {
  let piece = start
  for (let p = candidate(start, end, bit); p < end && output <= limit; p = candidate(p, end, bit)) {
    if (!findAt(p, end, bit == 1 ? ADDED : ADDED_NORMALIZED)) {
      p++
      continue
    }
    const stop = matchEnd
    const value = matchValue
    // The search goes on behind a token that does not stand alone: what begins within it is not found.
    if (!(value & 1) || standsAlone(start, end, p, stop)) {
      if (piece < p) pieceToIds(piece, p, bit, work, limit)
      if (output > limit) return
      emit(value >> 1)
      piece = stop
    }
    p = stop
  }
  if (piece < end && output <= limit) pieceToIds(piece, end, bit, work, limit)
}
