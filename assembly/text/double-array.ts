// A vocabulary as a double array (Aoe 1989) over bytes: the unit behind node n and byte b lies at base(n) + b and says
// which byte leads to it. No two nodes have the same base, so that the byte alone tells whose unit it is.
//
// Unit: u32 label (8), used (1), base (23); u32 id + 1, or 0 where no entry ends. While the array is built, a free unit
// holds its neighbours in the list of free ones instead, and bit 31 of the second word says that some node has this
// unit's place as its base.
import { aligned, at4, at8, keep, reach, workspace } from './memory'

export const USED: u32 = 0x100
const BASE_SHIFT: u32 = 9
const MOST_UNITS: u32 = 1 << 23
const IS_BASE: u32 = 1 << 31
/** Places tried in vain, after which the next search begins further on. */
const TRIES: u32 = 16

export let units: usize = 0
let unitCount: u32 = 0
// Where places are looked for, for nodes of one child and of several: what is free below was tried in vain too often.
let near: u32 = 0
let far: u32 = 0
/** Where the base of the root is; its byte is none. */
export let rootBase: u32 = 0

// First as a tree: (nodeCount) u32 first child, u32 next sibling, u32 label, u32 id + 1 and, once placed, its unit.
const NODE_SHIFT: usize = 4
let nodes: usize = 0
let nodeCount: u32 = 0

// Entries while they are put in: (count) u32 ends in bytes, then the bytes. An entry's id is its place.
let entries: usize = 0

/** Room for that many entries; their address, or 0 where the memory cannot grow. */
export function stageArray(bytes: u32, count: u32): usize {
  entries = workspace()
  const end = <u64>entries + 4 * <u64>count + bytes
  return reach(end + 64) ? entries : 0
}

@inline
export function baseOf(unit: u32): u32 {
  return unit >> BASE_SHIFT
}

@inline
function nodeAt(node: u32): usize {
  return nodes + (<usize>node << NODE_SHIFT)
}

/** The child comes first among its siblings, so that what is common is found soon. */
function childOf(node: u32, label: u32): u32 {
  const parent = nodeAt(node)
  const first = load<u32>(parent)
  let last: usize = 0
  let child = first
  while (child && load<u32>(nodeAt(child), 8) != label) {
    last = nodeAt(child)
    child = load<u32>(last, 4)
  }
  if (child && !last) return child
  if (child) store<u32>(last, load<u32>(nodeAt(child), 4), 4)
  else {
    child = nodeCount++
    if (!reach(<u64>nodeAt(child) + (1 << NODE_SHIFT))) return 0
    store<u32>(nodeAt(child), 0)
    store<u64>(nodeAt(child), label, 8)
  }
  store<u32>(nodeAt(child), first, 4)
  store<u32>(parent, child)
  return child
}

/**
 * Of an entry that is there twice, the later id counts. False where the memory cannot grow. The nodes near the root have many children: those behind
 * two bytes are found in a table.
 */
function makeTree(bytes: u32, count: u32): bool {
  const text = at4(entries, count)
  const second = aligned(text + bytes) // (65536) u32 node behind two bytes, 0: none yet
  nodes = at4(second, 1 << 16)
  if (!reach(<u64>nodes + 16)) return false
  memory.fill(second, 0, at4(0, 1 << 16) + 16)
  nodeCount = 1
  let start = text
  for (let i: u32 = 0; i < count; i++) {
    const end = text + load<u32>(at4(entries, i))
    const known = end - start > 1 ? at4(second, load<u16>(start)) : 0
    let node = known ? load<u32>(known) : 0
    for (let p = node ? start + 2 : start; p < end; p++) {
      if (known && p == start + 2) store<u32>(known, node)
      node = childOf(node, load<u8>(p))
      if (!node) return false
    }
    if (end > start) store<u32>(nodeAt(node), i + 1, 12)
    start = end
  }
  return true
}

// The list of free units goes around through unit 0, which stays free.
@inline
function nextFree(unit: u32): u32 {
  return load<u32>(at8(units, unit), 4) & ~IS_BASE
}

@inline
function previousFree(unit: u32): u32 {
  return load<u32>(at8(units, unit)) >> BASE_SHIFT
}

function link(first: u32, second: u32): void {
  const next = at8(units, first)
  store<u32>(next, (load<u32>(next, 4) & IS_BASE) | second, 4)
  const previous = at8(units, second)
  store<u32>(previous, first << BASE_SHIFT)
}

/** False where the memory cannot grow or the units are too many. */
function makeUnits(count: u32): bool {
  if (count > MOST_UNITS || !reach(<u64>units + 8 * <u64>count)) return false
  memory.fill(at8(units, unitCount), 0, at8(0, count - unitCount))
  for (; unitCount < count; unitCount++) {
    if (unitCount > 0) link(previousFree(0), unitCount)
    link(unitCount, 0)
  }
  return true
}

@inline
function isFree(unit: u32): bool {
  return !(load<u32>(at8(units, unit)) & USED)
}

function fits(base: u32, node: u32): bool {
  if (load<u32>(at8(units, base), 4) & IS_BASE) return false
  for (let child = load<u32>(nodeAt(node)); child; child = load<u32>(nodeAt(child), 4))
    if (!isFree(base + load<u32>(nodeAt(child), 8))) return false
  return true
}

/** A base for a node's children, or 0 where the memory cannot grow. */
function findBase(node: u32): u32 {
  const child = nodeAt(load<u32>(nodeAt(node)))
  const label = load<u32>(child, 8)
  const several = load<u32>(child, 4) != 0
  let tries: u32 = 0
  for (let unit = several ? far : near; unit && unit + 256 < unitCount; unit = nextFree(unit)) {
    if (unit <= label) continue
    if (fits(unit - label, node)) {
      if (tries > TRIES) moveOn(several, unit)
      return unit - label
    }
    tries++
  }
  const base = unitCount
  if (!makeUnits(unitCount + (unitCount >> 4) + 1024)) return 0
  moveOn(several, base)
  return base
}

function moveOn(several: bool, to: u32): void {
  if (several) far = to
  else near = to
}

function take(unit: u32, label: u32, value: u32): void {
  if (unit == near) near = nextFree(unit)
  if (unit == far) far = nextFree(unit)
  link(previousFree(unit), nextFree(unit))
  const cell = at8(units, unit)
  store<u32>(cell, USED | label)
  store<u32>(cell, (load<u32>(cell, 4) & IS_BASE) | value, 4)
}

/** Builds the array from the staged entries and keeps it; false where the memory cannot grow. */
export function buildArray(bytes: u32, count: u32): bool {
  if (!makeTree(bytes, count)) return false
  units = aligned(nodeAt(nodeCount))
  unitCount = 0
  if (!makeUnits(1024)) return false
  near = far = nextFree(0)
  for (let node: u32 = 0; node < nodeCount; node++) {
    let child = load<u32>(nodeAt(node))
    if (!child) continue
    const base = findBase(node)
    if (!base) return false
    const mark = at8(units, base)
    store<u32>(mark, load<u32>(mark, 4) | IS_BASE, 4)
    // A child's unit is kept where its id was.
    if (node) {
      const cell = at8(units, load<u32>(nodeAt(node), 12))
      store<u32>(cell, load<u32>(cell) | (base << BASE_SHIFT))
    } else rootBase = base
    for (; child; child = load<u32>(nodeAt(child), 4)) {
      const cell = nodeAt(child)
      const label = load<u32>(cell, 8)
      take(base + label, label, load<u32>(cell, 12))
      store<u32>(cell, base + label, 12)
    }
  }
  finish()
  return true
}

/** Clears what only the building needed, and moves the units down over it. */
function finish(): void {
  for (let unit: u32 = 0; unit < unitCount; unit++) {
    const cell = at8(units, unit)
    const used = load<u32>(cell) & USED
    store<u32>(cell, used ? load<u32>(cell, 4) & ~IS_BASE : 0, 4)
    if (!used) store<u32>(cell, 0)
  }
  memory.copy(workspace(), units, at8(0, unitCount))
  units = workspace()
  keep(at8(0, unitCount))
}
