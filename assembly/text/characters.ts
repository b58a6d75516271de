// Normalizers that look at one character at a time, buffer to buffer: StripAccents drops marks of every kind, Nmt drops
// control characters and makes odd spaces plain ones (the list of SentencePiece's nmt rules).
import { ACCENT, flagsOf } from './unicode'
import { decode, decoded } from './utf8'

export function stripAccents(start: usize, end: usize, to: usize): usize {
  let out = to
  for (let p = start; p < end; ) {
    const bytes = v128.load(p)
    const ascii = min<usize>(ctz(i8x16.bitmask(bytes) | 0x10000), end - p)
    if (ascii) {
      v128.store(out, bytes)
      p += ascii
      out += ascii
      continue
    }
    const code = decode(p)
    if (!(flagsOf(code) & ACCENT)) {
      store<u32>(out, load<u32>(p))
      out += decoded
    }
    p += decoded
  }
  return out
}

function isDropped(code: u32): bool {
  if (code < 0x20) return code - 1 < 8 || code == 0x0b || code >= 0x0e
  return code == 0x7f || code == 0x8f || code == 0x9f
}

function isOddSpace(code: u32): bool {
  if (code < 0x20) return code == 0x09 || code == 0x0a || code == 0x0c || code == 0x0d
  if (code < 0x1680) return false
  if (code - 0x200b < 5 || code - 0x2028 < 2) return true
  return code == 0x1680 || code == 0x2581 || code == 0xfeff || code == 0xfffd
}

export function nmt(start: usize, end: usize, to: usize): usize {
  let out = to
  for (let p = start; p < end; ) {
    const bytes = v128.load(p)
    // Control characters and bytes above ASCII look negative or small.
    const plain = ctz(~i8x16.bitmask(i8x16.gt_s(bytes, i8x16.splat(0x1f))) | 0x10000)
    if (plain && load<u8>(p) != 0x7f) {
      const deleted = ctz(i8x16.bitmask(i8x16.eq(bytes, i8x16.splat(0x7f))) | 0x10000)
      const length = min<usize>(min(plain, deleted), end - p)
      v128.store(out, bytes)
      p += length
      out += length
      continue
    }
    const code = decode(p)
    if (isOddSpace(code)) store<u8>(out++, 0x20)
    else if (!isDropped(code)) {
      store<u32>(out, load<u32>(p))
      out += decoded
    }
    p += decoded
  }
  return out
}
