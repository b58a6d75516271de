// What the slower way through a tokenizer asks, which keeps track of where in the text its tokens come from
// (src/text/spans): single characters, pairs and steps, of the same tables as the fast way.
import { baseOf, rootBase, units, USED } from './double-array'
import { classIn, composed, decompositionIn, HANGUL, HANGUL_COUNT, recordOf as formOf } from './form-tables'
import { LEADING, TRAILING, TRAILING_COUNT, VOWEL, VOWEL_COUNT } from './form-tables'
import { at4, at8 } from './memory'
import { mappingIn, recordOf, sequenceAt } from './unicode'

export { pairAt } from './bpe'
export { findExpression, matchedFrom, matchedTo } from './expressions'
export { clusterEnd } from './graphemes'
export { replacementOf } from './precompiled'
export { flagsOf } from './unicode'

// A sequence of code points that is in no table: its length, then they.
const one = memory.data(4 * 4)

/** What the normalizer of this module makes of one character: the address of a length, then of code points. */
export function mappedAt(code: u32): usize {
  const mapping = mappingIn(recordOf(code))
  if (mapping & 1) return sequenceAt(mapping)
  store<u32>(one, 1)
  store<u32>(one, code + (mapping >> 1), 4)
  return one
}

/** The combining class. */
export function classOf(code: u32): u32 {
  return classIn(formOf(code))
}

/** A character decomposed: the address of a length, then of code points. */
export function decomposedAt(code: u32, compatible: bool): usize {
  const decomposition = decompositionIn(formOf(code), compatible)
  if (decomposition) return decomposition
  const index = code - HANGUL
  if (index < HANGUL_COUNT) {
    const vowels = index / TRAILING_COUNT
    const trailing = index % TRAILING_COUNT
    store<u32>(one, trailing ? 3 : 2)
    store<u32>(one, LEADING + vowels / VOWEL_COUNT, 4)
    store<u32>(one, VOWEL + (vowels % VOWEL_COUNT), 8)
    store<u32>(one, TRAILING + trailing, 12)
  } else {
    store<u32>(one, 1)
    store<u32>(one, code, 4)
  }
  return one
}

/** One code point for two, or −1. */
export function composedOf(first: u32, second: u32): i32 {
  return <i32>composed(first, second)
}

let stepValue: u32 = 0

/** Where every one of Unigram's pieces begins. */
export function firstPlace(): u32 {
  return rootBase
}

/** From a place among Unigram's pieces by one byte on to the next, or −1. */
export function stepPiece(place: u32, byte: u32): i32 {
  const cell = at8(units, place + byte)
  const unit = load<u32>(cell)
  if ((unit & 0x1ff) != (byte | USED)) return -1
  stepValue = load<u32>(cell, 4)
  return <i32>baseOf(unit)
}

/** The piece that ends where the last step led, or −1. */
export function steppedTo(): i32 {
  return <i32>stepValue - 1
}
