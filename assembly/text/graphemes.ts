// Extended grapheme clusters (UAX 29): what a reader takes for one character.
import { CLUSTER_SHIFT, flagsOf } from './unicode'
import { decode, decoded } from './utf8'

// Classes, as scripts/unicode.mjs numbers them; 0 is any other character.
const CONTROL: u32 = 1
/** Also InCB=Extend. */
const EXTEND: u32 = 2
const JOINER: u32 = 3
const SPACING: u32 = 4
const PREPEND: u32 = 5
const LEADING: u32 = 6
const VOWEL: u32 = 7
const TRAILING: u32 = 8
const SYLLABLE: u32 = 9
const CLOSED_SYLLABLE: u32 = 10
const REGIONAL: u32 = 11
const PICTURE: u32 = 12
const CONSONANT: u32 = 13
const LINKER: u32 = 14
/** GCB=Extend, but not InCB=Extend. */
const PLAIN_EXTEND: u32 = 15

// Sets of classes.
const EXTENDS: u32 = (1 << EXTEND) | (1 << LINKER) | (1 << PLAIN_EXTEND)
const ALWAYS_JOINED: u32 = EXTENDS | (1 << JOINER) | (1 << SPACING)

@inline
function classOf(code: u32): u32 {
  return (flagsOf(code) >> CLUSTER_SHIFT) & 15
}

function isJoinedHangul(first: u32, second: u32): bool {
  if (first == LEADING) return second == VOWEL || second == LEADING || second - SYLLABLE < 2
  if (first == VOWEL || first == SYLLABLE) return second == VOWEL || second == TRAILING
  return (first == TRAILING || first == CLOSED_SYLLABLE) && second == TRAILING
}

/** The end of the cluster that begins at p, which is where one begins. */
export function clusterEnd(p: usize, end: usize): usize {
  const first = decode(p)
  p += decoded
  if (p >= end) return p
  if (first == 0x0d) return load<u8>(p) == 0x0a ? p + 1 : p
  let last = classOf(first)
  if (last == CONTROL) return p
  // Emoji joined by U+200D: 1 behind a picture and what extends it, 2 behind the joiner as well.
  let picture: u32 = last == PICTURE ? 1 : 0
  // Indic conjuncts: 1 behind a consonant and what extends it, 2 if that was a linker.
  let conjunct: u32 = last == CONSONANT ? 1 : 0
  let flags = last == REGIONAL ? 1 : 0
  while (p < end) {
    const next = classOf(decode(p))
    const joined =
      (ALWAYS_JOINED >> next) & 1 ||
      (last == PREPEND && next != CONTROL) ||
      (next == PICTURE && picture == 2) ||
      (next == CONSONANT && conjunct == 2) ||
      (next == REGIONAL && flags & 1) ||
      isJoinedHangul(last, next)
    if (!joined) break
    p += decoded
    if (next == JOINER) picture = picture == 1 ? 2 : 0
    else if (next == PICTURE) picture = 1
    else if (picture == 2 || !((EXTENDS >> next) & 1)) picture = 0
    if (next == CONSONANT) conjunct = 1
    else if (next == LINKER) conjunct = conjunct ? 2 : 0
    else if (next != EXTEND && next != JOINER) conjunct = 0
    flags = next == REGIONAL ? flags + 1 : 0
    last = next
  }
  return p
}
