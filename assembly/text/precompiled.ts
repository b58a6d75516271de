// SentencePiece's compiled normalisation (Precompiled of the Hugging Face tokenizers): a double array over UTF-8 maps
// texts to texts. What is looked up is a grapheme cluster if it has fewer than 6 bytes, and a match of its beginning,
// the shortest there is, replaces all of it; where nothing matches, and in longer clusters, the characters one by one.
//
// A unit of the double array: bits 0 to 7 label, 8 whether a key ends here, 9 whether the offset counts in 256s, from
// 10 on the offset; the unit of a key's end: bit 31 set, then the place of the replacement, which a zero byte ends.
import { clusterEnd } from './graphemes'
import { at4 } from './memory'
import { decode, decoded } from './utf8'

const CLUSTER_BYTES: usize = 6

let units: usize = 0 // (…) u32; every place that a walk may look at is there
let replacements: usize = 0

// Whether an ASCII character alone stays as it is, and whether all but control characters do.
const plain = memory.data(128) // (128) u8
let allPlain: bool = false

/** The tables' addresses: they have been checked, so that no walk leaves them. */
export function setUpPrecompiled(unitsAt: usize, replacementsAt: usize): void {
  units = unitsAt
  replacements = replacementsAt
  allPlain = true
  const one = memory.data(16)
  for (let byte: u32 = 0; byte < 128; byte++) {
    store<u8>(one, byte)
    const stays = replacementOf(one, one + 1) == 0
    store<u8>(plain + byte, stays)
    if (!stays && byte - 0x20 < 0x5f) allPlain = false
  }
}

@inline
function offsetOf(unit: u32): u32 {
  return (unit >> 10) << ((unit & 0x200) >> 6)
}

/** What replaces a text of which a beginning is a key, or 0. */
@inline
export function replacementOf(p: usize, end: usize): usize {
  let node = offsetOf(load<u32>(units))
  while (p < end) {
    const byte = <u32>load<u8>(p++)
    if (!byte) return 0
    node ^= byte
    const unit = load<u32>(at4(units, node))
    if ((unit & 0x800000ff) != byte) return 0
    node ^= offsetOf(unit)
    if (unit & 0x100) return replacements + (load<u32>(at4(units, node)) & 0x7fffffff)
  }
  return 0
}

@inline
function write(replacement: usize, to: usize): usize {
  for (let byte = load<u8>(replacement); byte; byte = load<u8>(++replacement)) store<u8>(to++, byte)
  return to
}

/** How many of the bytes at p, up to 16, are ASCII characters that stay and that nothing behind them joins. */
@inline
function plainBytes(p: usize, end: usize): usize {
  if (!allPlain) return 0
  const bytes = v128.load(p)
  const other = i8x16.bitmask(v128.or(i8x16.lt_s(bytes, i8x16.splat(0x20)), i8x16.eq(bytes, i8x16.splat(0x7f))))
  const length = min<usize>(ctz(other | 0x10000), end - p)
  // The last one may begin a cluster.
  return length && p + length < end ? length - 1 : length
}

/** Text to text, with room for what the table makes of it; returns the end of what it wrote, or 0: nothing changes. */
export function precompiled(start: usize, end: usize, to: usize): usize {
  let same = start
  for (let n = plainBytes(same, end); n; n = plainBytes(same, end)) same += n
  if (same >= end) return 0
  memory.copy(to, start, same - start)
  let out = to + (same - start)
  for (let p = same; p < end; ) {
    const n = plainBytes(p, end)
    if (n) {
      v128.store(out, v128.load(p))
      p += n
      out += n
      continue
    }
    const byte = load<u8>(p)
    if (byte < 0x80 && load<u8>(plain + byte) && (p + 1 == end || load<u8>(p + 1) - 0x20 < 0x60)) {
      store<u8>(out++, byte)
      p++
      continue
    }
    const next = clusterEnd(p, end)
    out = cluster(p, next, out)
    p = next
  }
  return out
}

function cluster(p: usize, end: usize, to: usize): usize {
  if (end - p < CLUSTER_BYTES) {
    const replacement = replacementOf(p, end)
    if (replacement) return write(replacement, to)
  }
  while (p < end) {
    decode(p)
    const replacement = replacementOf(p, p + decoded)
    if (replacement) to = write(replacement, to)
    else {
      store<u32>(to, load<u32>(p))
      to += decoded
    }
    p += decoded
  }
  return to
}
