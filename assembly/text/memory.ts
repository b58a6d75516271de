// The one linear memory: regions are reserved one above the other from __heap_base; what lies above `top` is working
// space that each use lays out anew. Addresses are computed here and nowhere else.

const PAGE_SHIFT: usize = 16

let top: usize = (__heap_base + 63) & ~63

export function workspace(): usize {
  return top
}

@inline
export function aligned(bytes: usize): usize {
  return (bytes + 63) & ~63
}

/** Makes everything below `end` addressable; false where the memory cannot grow so far. */
export function reach(end: u64): bool {
  const pages = <u64>memory.size()
  const needed = (end + ((1 << PAGE_SHIFT) - 1)) >> PAGE_SHIFT
  if (needed <= pages) return true
  return needed <= 65536 && memory.grow(<i32>(needed - pages)) >= 0
}

/** A region for good, aligned to a cache line and zeroed; 0 where the memory cannot grow. */
export function reserve(bytes: usize): usize {
  const start = top
  if (!reach(<u64>start + aligned(bytes))) return 0
  memory.fill(start, 0, bytes)
  top = start + aligned(bytes)
  return start
}

/** Above everything that a block of texts uses; set when a block is laid out. */
let scratchFrom: usize = 0

export function scratchAbove(address: usize): void {
  scratchFrom = (address + 63) & ~63
}

/** Room above everything else until the next call: not zeroed; 0 where the memory cannot grow (then `fail`). */
export function scratch(bytes: usize): usize {
  return reach(<u64>scratchFrom + bytes + 64) ? scratchFrom : 0
}

let failed: bool = false

/** Memory has run out in the middle of a text: its ids count for nothing. */
export function fail(): void {
  failed = true
}

/** Whether memory has run out since the last call. */
export function takeFailure(): bool {
  const was = failed
  failed = false
  return was
}

/** Keeps the first bytes of the working space, as they are, for good. */
export function keep(bytes: usize): void {
  top += aligned(bytes)
}

@inline
export function at2(base: usize, index: u32): usize {
  return base + (<usize>index << 1)
}

@inline
export function at4(base: usize, index: u32): usize {
  return base + (<usize>index << 2)
}

@inline
export function at8(base: usize, index: u32): usize {
  return base + (<usize>index << 3)
}
