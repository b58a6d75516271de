// Numbers out of a byte stream that scripts/unicode-stream.mjs wrote: seven bits a byte, the least first.

let cursor: usize = 0

export function open(stream: usize): void {
  cursor = stream
}

export function next(): u32 {
  let byte = <u32>load<u8>(cursor++)
  let value = byte & 0x7f
  for (let shift: u32 = 7; byte >= 0x80; shift += 7) {
    byte = load<u8>(cursor++)
    value |= (byte & 0x7f) << shift
  }
  return value
}

export function nextSigned(): i32 {
  const value = next()
  return <i32>(value >> 1) ^ -(<i32>(value & 1))
}
