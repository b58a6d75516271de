// Unigram (Kudo 2018): of all ways to cut a word into pieces of the vocabulary, the one with the greatest sum of
// scores, found by Viterbi's algorithm from left to right. A character that is no piece by itself is unknown, at the score
// of the worst piece less 10. Of equal sums the first one found counts: the one whose last piece is the longest. Sums are
// those of the Hugging Face tokenizers, addition by addition, in 64 bits.
import { baseOf, buildArray, rootBase, stageArray, units, USED } from './double-array'
import { at4, at8, fail, scratch } from './memory'
import { emit } from './words'

export { stageArray as stageUnigram }

// Place in a word: f64 the best sum up to here, u32 where its last piece begins, i32 that piece.
const PLACE_SHIFT: usize = 4
const SHORT_WORD: usize = 255
const places = memory.data((256 << 4) + 16, 16)

let scores: usize = 0 // (vocabulary) f64
let unknownScore: f64 = 0
let unknownId: i32 = 0
let byteIds: usize = 0 // (256) i32, −1: none; 0: bytes are not fallen back on

/**
 * `scoresAt`: a score for each id; `bytesAt`: 256 ids of single bytes, −1 where there is none, or 0 without byte
 * fallback.
 */
export function setUpUnigram(scoresAt: usize, lowest: f64, unknown: i32, bytesAt: usize): void {
  scores = scoresAt
  unknownScore = lowest - 10
  unknownId = unknown
  byteIds = bytesAt
}

/** False where there is no memory. */
export function buildUnigram(bytes: u32, count: u32): bool {
  return buildArray(bytes, count)
}

@inline
function placeAt(lattice: usize, index: usize): usize {
  return lattice + (index << PLACE_SHIFT)
}

@inline
function widthOf(first: u32): usize {
  return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
}

/** One word to ids. */
export function unigramToIds(start: usize, end: usize): void {
  const length = end - start
  const lattice = length <= SHORT_WORD ? places : scratch(placeAt(0, length + 1))
  if (!lattice) return fail()
  const nothing = f64x2.splat(-Infinity)
  for (let i: usize = 1; i <= length; i++) v128.store(placeAt(lattice, i), nothing)
  store<f64>(lattice, 0)
  for (let at: usize = 0; at < length; ) {
    const width = widthOf(load<u8>(start + at))
    const sum = load<f64>(placeAt(lattice, at))
    if (!pieces(lattice, start, at, length, width, sum))
      reachPlace(placeAt(lattice, at + width), sum + unknownScore, at, unknownId)
    at += width
  }
  write(lattice, start, length)
}

@inline
function reachPlace(place: usize, sum: f64, from: usize, id: i32): void {
  if (sum > load<f64>(place)) {
    store<f64>(place, sum)
    store<u32>(place, <u32>from, 8)
    store<i32>(place, id, 12)
  }
}

/** Tries all pieces that begin at a place; returns whether one is a character of `width` bytes. */
@inline
function pieces(lattice: usize, start: usize, at: usize, length: usize, width: usize, sum: f64): bool {
  let base = rootBase
  let single = false
  let to = at
  while (to < length) {
    const byte = <u32>load<u8>(start + to)
    const cell = at8(units, base + byte)
    const unit = load<u32>(cell)
    if ((unit & 0x1ff) != (byte | USED)) break
    to++
    const value = load<u32>(cell, 4)
    if (value) {
      const id = value - 1
      reachPlace(placeAt(lattice, to), sum + load<f64>(at8(scores, id)), at, id)
      if (to - at == width) single = true
    }
    base = baseOf(unit)
  }
  return single
}

/** Writes the ids of the best way. */
function write(lattice: usize, start: usize, length: usize): void {
  // Backwards from the end: each place learns where the piece that begins there ends.
  let to = length
  let id = load<i32>(placeAt(lattice, to), 12)
  while (to > 0) {
    const place = placeAt(lattice, to)
    const from = <usize>load<u32>(place, 8)
    const before = placeAt(lattice, from)
    const idBefore = load<i32>(before, 12)
    store<u32>(before, <u32>to)
    store<i32>(before, id, 4)
    id = idBefore
    to = from
  }
  for (let at: usize = 0; at < length; ) {
    const place = placeAt(lattice, at)
    let end = <usize>load<u32>(place)
    const id = load<i32>(place, 4)
    if (id == unknownId) {
      let count = 1
      for (; end < length && load<i32>(placeAt(lattice, end), 4) == unknownId; count++)
        end = <usize>load<u32>(placeAt(lattice, end))
      writeUnknown(start + at, start + end, count)
    } else emit(id)
    at = end
  }
}

/** The id of a piece that is exactly this text, or −1. */
function idOf(p: usize, end: usize): i32 {
  let base = rootBase
  let value: u32 = 0
  for (; p < end; p++) {
    const byte = <u32>load<u8>(p)
    const cell = at8(units, base + byte)
    const unit = load<u32>(cell)
    if ((unit & 0x1ff) != (byte | USED)) return -1
    value = load<u32>(cell, 4)
    base = baseOf(unit)
  }
  return <i32>value - 1
}

/** Unknown pieces next to each other are one: a piece after all, or its bytes, or unknown. */
function writeUnknown(start: usize, end: usize, count: u32): void {
  const id = count > 1 || byteIds ? idOf(start, end) : -1
  if (id >= 0) emit(id)
  else if (!byteIds || !writeBytes(start, end)) emit(unknownId)
}

/** False where a byte has no id. */
function writeBytes(start: usize, end: usize): bool {
  for (let p = start; p < end; p++) if (byteIdOf(load<u8>(p)) < 0) return false
  for (let p = start; p < end; p++) emit(byteIdOf(load<u8>(p)))
  return true
}

@inline
function byteIdOf(byte: u32): i32 {
  return load<i32>(at4(byteIds, byte))
}
