// UTF-8, known to be valid (it comes from a TextEncoder).

/** Bytes of the code point that `decode` read last. */
export let decoded: u32 = 0

@inline
export function decode(address: usize): u32 {
  const first = <u32>load<u8>(address)
  if (first < 0x80) {
    decoded = 1
    return first
  }
  const second = <u32>load<u8>(address, 1) & 0x3f
  if (first < 0xe0) {
    decoded = 2
    return ((first & 0x1f) << 6) | second
  }
  const third = <u32>load<u8>(address, 2) & 0x3f
  if (first < 0xf0) {
    decoded = 3
    return ((first & 0x0f) << 12) | (second << 6) | third
  }
  decoded = 4
  return ((first & 0x07) << 18) | (second << 12) | (third << 6) | (<u32>load<u8>(address, 3) & 0x3f)
}

/** Writes a code point; returns the address after it. */
@inline
export function encode(address: usize, code: u32): usize {
  if (code < 0x80) {
    store<u8>(address, code)
    return address + 1
  }
  if (code < 0x800) {
    store<u8>(address, 0xc0 | (code >> 6))
    store<u8>(address, 0x80 | (code & 0x3f), 1)
    return address + 2
  }
  if (code < 0x10000) {
    store<u8>(address, 0xe0 | (code >> 12))
    store<u8>(address, 0x80 | ((code >> 6) & 0x3f), 1)
    store<u8>(address, 0x80 | (code & 0x3f), 2)
    return address + 3
  }
  store<u8>(address, 0xf0 | (code >> 18))
  store<u8>(address, 0x80 | ((code >> 12) & 0x3f), 1)
  store<u8>(address, 0x80 | ((code >> 6) & 0x3f), 2)
  store<u8>(address, 0x80 | (code & 0x3f), 3)
  return address + 4
}

/** The code point that ends before `address`. */
export function decodeBefore(address: usize): u32 {
  address--
  while ((load<u8>(address) & 0xc0) == 0x80) address--
  return decode(address)
}
