// The fast way through raw text: ASCII words of up to 16 letters and digits are cut out, folded, hashed and looked up
// as one vector. Everything else takes the general way of normalize.ts, word by word.
import { at4 } from './memory'
import { endText, readWord } from './normalize'
import { append16, entryOf, firstBytes, holds, learn, output, setOutput, unknown, writeCached } from './words'
import { follow, NONE, valueOf, WORDS } from './trie'

// What an ASCII byte is; the order matters: up to PUNCTUATION a byte ends a word for certain.
const BLANK: u8 = 0
const PUNCTUATION: u8 = 1
const LETTER: u8 = 2
const GENERAL: u8 = 3

const kinds = memory.data(256) // (256) u8
const punctuationIds = memory.data(128 * 4) // (128) i32

/** Added to a capital letter; 0 where case is kept. */
let fold: u8 = 0

function isLetterOrDigit(byte: u32): bool {
  return (byte | 0x20) - 0x61 < 26 || byte - 0x30 < 10
}

/** After the trie. `short`: whether words of 16 characters are within the limit. */
export function setUpScan(lower: bool, short: bool): void {
  fold = lower ? 0x20 : 0
  memory.fill(kinds, GENERAL, 256)
  for (let byte: u32 = 0x20; byte < 0x7f; byte++) {
    const kind = byte == 0x20 ? BLANK : isLetterOrDigit(byte) ? (short ? LETTER : GENERAL) : PUNCTUATION
    store<u8>(kinds + byte, kind)
    const node = follow(WORDS, byte)
    const id = node ? valueOf(node) : NONE
    store<i32>(at4(punctuationIds, byte), id == NONE ? unknown : id)
  }
  for (let byte: u32 = 9; byte <= 13; byte++) if (byte < 11 || byte == 13) store<u8>(kinds + byte, BLANK)
}

/** How many of 16 bytes, from the first, are letters or digits. */
@inline
function lettersIn(bytes: v128): usize {
  const letter = i8x16.lt_u(i8x16.sub(v128.or(bytes, i8x16.splat(0x20)), i8x16.splat(0x61)), i8x16.splat(26))
  const digit = i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(0x30)), i8x16.splat(10))
  return ctz(~i8x16.bitmask(v128.or(letter, digit)))
}

@inline
function folded(bytes: v128, by: v128): v128 {
  const capital = i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(0x41)), i8x16.splat(26))
  return v128.or(bytes, v128.and(capital, by))
}

/** Text to ids, until its end or until the output has passed the limit. */
export function scan(start: usize, end: usize, limit: usize): void {
  let p = start
  let out = output
  const foldBy = i8x16.splat(fold)
  while (p < end && out <= limit) {
    const byte = load<u8>(p)
    const kind = load<u8>(kinds + byte)
    if (kind == BLANK) {
      p++
    } else if (kind == PUNCTUATION) {
      store<i32>(out, load<i32>(at4(punctuationIds, byte)))
      out += 4
      p++
    } else if (kind == LETTER) {
      const bytes = v128.load(p)
      const n = min<usize>(lettersIn(bytes), end - p)
      const next = p + n < end ? load<u8>(kinds + load<u8>(p + n)) : BLANK
      if (next <= PUNCTUATION) {
        const low = v128.and(folded(bytes, foldBy), firstBytes(<u32>n))
        const entry = entryOf(low, i64x2.splat(0))
        if (holds(entry, low, i64x2.splat(0))) out = writeCached(entry, out)
        else {
          setOutput(out)
          learn(entry, low, i64x2.splat(0), <u32>n)
          out = output
        }
        p += n
      } else {
        setOutput(out)
        p = longWord(p, end)
        out = output
      }
    } else {
      setOutput(out)
      p = readWord(p, end)
      if (p >= end) endText()
      out = output
    }
  }
  setOutput(out)
}

/** A word of more letters, or one that goes on with another kind of character. */
function longWord(p: usize, end: usize): usize {
  const foldBy = i8x16.splat(fold)
  let n: usize
  do {
    const bytes = v128.load(p)
    n = min<usize>(lettersIn(bytes), end - p)
    append16(folded(bytes, foldBy), <u32>n)
    p += n
  } while (n == 16)
  if (p < end && load<u8>(kinds + load<u8>(p)) > PUNCTUATION) p = readWord(p, end)
  endText()
  return p
}
