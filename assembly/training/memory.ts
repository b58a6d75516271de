// Memory above the constants, handed out from the bottom up and never given back: one instance trains one vocabulary.

let top: usize = (__heap_base + 63) & ~63

let failed: bool = false

/** Whether memory could not grow at some time: what was computed since counts for nothing. */
export function outOfMemory(): bool {
  return failed
}

/** A region aligned to a cache line, not zeroed; 0 where the memory cannot grow. */
export function allocate(bytes: u64): usize {
  const end = ((<u64>top + bytes + 63) & ~63) + 64
  const pages = <u64>memory.size()
  const needed = (end + 0xffff) >> 16
  // Half as much again, so that many small regions are one growth.
  const wanted = min<u64>(65536, max(needed, pages + (pages >> 1)))
  if (needed > 65536 || (needed > pages && memory.grow(<i32>(wanted - pages)) < 0 && memory.grow(<i32>(needed - pages)) < 0)) {
    failed = true
    return 0
  }
  const start = top
  top = <usize>((<u64>top + bytes + 63) & ~63)
  return start
}

@inline
export function at4(base: usize, index: u32): usize {
  return base + (<usize>index << 2)
}

@inline
export function at8(base: usize, index: u32): usize {
  return base + (<usize>index << 3)
}

@inline
export function at16(base: usize, index: u32): usize {
  return base + (<usize>index << 4)
}

@inline
export function at24(base: usize, index: u32): usize {
  return base + <usize>index * 24
}
