// Words told apart: each different word has a number, by which whoever trains a vocabulary counts them. In place of a
// model: a word's number is its id.
import { at4, reserve } from './memory'
import { NONE } from './trie'
import { emit } from './words'

let slots: usize = 0 // (2^bits) u32 number + 1, 0 where empty
let bits: u32 = 0
let ends: usize = 0 // (2^(bits − 1) + 1) u32 where each word ends among the bytes; the first is 0
let bytes: usize = 0 // (room)
let room: u32 = 0
let count: u32 = 0

/** Room for 2^(size − 1) words of so many bytes in all; false where the memory cannot grow. */
export function setUpCounting(size: u32, byteRoom: u32): bool {
  bits = size
  room = byteRoom
  slots = reserve(at4(0, 1 << size))
  ends = reserve(at4(8, 1 << (size - 1)))
  bytes = reserve(byteRoom)
  return slots != 0 && ends != 0 && bytes != 0
}

export function countedWords(): u32 {
  return count
}

/** (countedWords() + 1) u32: where words end among the bytes at countedBytesAt(), 0 before the first. */
export function countedEndsAt(): usize {
  return ends
}

export function countedBytesAt(): usize {
  return bytes
}

function hash(start: usize, length: u32): u32 {
  let value: u64 = length
  let i: u32 = 0
  for (; i + 8 <= length; i += 8) value = (value ^ load<u64>(start + i)) * 0x9e3779b97f4a7c15 ^ (value >> 29)
  for (; i < length; i++) value = (value ^ load<u8>(start + i)) * 0xbf58476d1ce4e5b9 ^ (value >> 31)
  return <u32>(((value ^ (value >> 32)) * 0x9e3779b97f4a7c15) >> (64 - bits))
}

function isWord(number: u32, start: usize, length: u32): bool {
  const from = load<u32>(at4(ends, number))
  if (load<u32>(at4(ends, number + 1)) - from != length) return false
  for (let i: u32 = 0; i < length; i++) if (load<u8>(bytes + from + i) != load<u8>(start + i)) return false
  return true
}

/** Its number; NONE where there is no room for another word. */
export function countingToIds(start: usize, end: usize): void {
  const length = <u32>(end - start)
  const mask: u32 = (1 << bits) - 1
  let slot = hash(start, length)
  for (let found = load<u32>(at4(slots, slot)); found; found = load<u32>(at4(slots, slot))) {
    if (isWord(found - 1, start, length)) {
      emit(found - 1)
      return
    }
    slot = (slot + 1) & mask
  }
  const from = load<u32>(at4(ends, count))
  if (count == 1 << (bits - 1) || from + length > room) {
    emit(NONE)
    return
  }
  memory.copy(bytes + from, start, length)
  store<u32>(at4(ends, count + 1), from + length)
  store<u32>(at4(slots, slot), ++count)
  emit(count - 1)
}
