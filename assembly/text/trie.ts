// The vocabulary as a trie over bytes, its edges in one open-addressing table: edge (node, byte) → value of the node it
// leads to. A node is the slot of the only edge that leads to it, so that one load answers both where to go and what
// ends there.
import { at4, at8, reach, workspace } from './memory'

/** Where a walk begins; these nodes have no slot. */
export const WORDS: u32 = 0
export const CONTINUATIONS: u32 = 1
export const ADDED: u32 = 2
export const ADDED_NORMALIZED: u32 = 3
const ROOTS: u32 = 4

export const NONE: i32 = -1

/** Slots are numbered in 24 bits. */
const MAXIMUM_BITS: u32 = 23

let slots: usize = 0 // (2^bits) u32 key (0: empty), i32 value
let shift: u32 = 0
let edges: u32 = 0

/** The node that an edge leads to, or 0: a root is never led to. */
@inline
export function follow(node: u32, byte: u32): u32 {
  const key = ((node << 8) | byte) + 1
  let slot = hash(key)
  let found = load<u32>(at8(slots, slot))
  while (found != key && found) {
    slot = (slot + 1) & mask()
    found = load<u32>(at8(slots, slot))
  }
  return found ? slot + ROOTS : 0
}

/** The value of a node that `follow` returned. */
@inline
export function valueOf(node: u32): i32 {
  return load<i32>(at8(slots, node - ROOTS), 4)
}

@inline
function mask(): u32 {
  return (<u32>-1) >> shift
}

@inline
function hash(key: u32): u32 {
  return (key * 0x9e3779b1) >> shift
}

function insertEdge(node: u32, byte: u32): u32 {
  const found = follow(node, byte)
  if (found) return found
  const key = ((node << 8) | byte) + 1
  let slot = hash(key)
  while (load<u32>(at8(slots, slot))) slot = (slot + 1) & mask()
  store<u32>(at8(slots, slot), key)
  store<i32>(at8(slots, slot), NONE, 4)
  edges++
  return slot + ROOTS
}

/** False where the entry was there before. */
function insert(root: u32, start: usize, end: usize, value: i32): bool {
  let node = root
  for (let p = start; p < end; p++) node = insertEdge(node, load<u8>(p))
  const cell = at8(slots, node - ROOTS)
  if (load<i32>(cell, 4) != NONE) return false
  store<i32>(cell, value, 4)
  return true
}

function clear(bits: u32): void {
  shift = 32 - bits
  edges = 0
  memory.fill(slots, 0, at8(0, 1 << bits))
}

/** Bits of a table that is at most two thirds full. */
function bitsFor(count: u32): u32 {
  let bits: u32 = 8
  while ((<u64>2 << bits) < 3 * <u64>count) bits++
  return bits
}

export const TOO_LARGE: i32 = -2
export const NO_MEMORY: i32 = -3

// Entries while they are put in: (count) ends in bytes, values, roots, then the bytes; above the largest table they
// could need.
let entries: usize = 0

/** Room for that many entries; returns their address, 0 where the memory cannot grow, or 1 where they are too many. */
export function stageEntries(bytes: u32, count: u32): usize {
  const bits = bitsFor(bytes)
  if (bits > MAXIMUM_BITS) return 1
  slots = workspace()
  entries = slots + at8(0, 1 << bits)
  return reach(<u64>entries + 12 * <u64>count + bytes + 64) ? entries : 0
}

/**
 * Builds the table from the staged entries and reports its size: NONE, or the index of an entry that was there before.
 */
export function buildTrie(bytes: u32, count: u32): i32 {
  clear(bitsFor(bytes))
  const duplicate = insertEntries(count)
  if (duplicate != NONE) return duplicate
  // Shared prefixes made most edges superfluous; a small table stays in the cache.
  const bits = bitsFor(edges)
  if (bits < bitsFor(bytes)) {
    clear(bits)
    insertEntries(count)
  }
  return NONE
}

/** Bytes of the built table. */
export function trieBytes(): usize {
  return at8(0, mask() + 1)
}

function insertEntries(count: u32): i32 {
  const values = at4(entries, count)
  const roots = at4(values, count)
  const text = at4(roots, count)
  let start = text
  for (let i: u32 = 0; i < count; i++) {
    const end = text + load<u32>(at4(entries, i))
    if (end > start && !insert(load<u32>(at4(roots, i)), start, end, load<i32>(at4(values, i)))) return i
    start = end
  }
  return NONE
}
