// Addresses. The one module with pointer arithmetic: `pointer + <usize>n << 2` would shift the sum. Elements are of 4 bytes.
// Scratch is memory that the host lends to this instance alone (several instances may share one memory), so nothing here is static.

/** Bytes of scratch that the kernels need: an instance runs one kernel at a time, each lays scratch out anew. */
export const SCRATCH_BYTES: u32 = 1 << 20

let scratch: usize = 0

/** Lends this instance `SCRATCH_BYTES` bytes at `pointer`, a multiple of 64. Before any kernel. */
export function setScratch(pointer: usize): void {
  scratch = pointer
}

export function scratchBytes(): u32 {
  return SCRATCH_BYTES
}

/** Where the host's memory begins: below lies the constant data of this module. */
export function heapBase(): usize {
  return __heap_base
}

/** Address of byte `offset` of scratch. */
@inline
export function scratchAt(offset: u32): usize {
  return scratch + <usize>offset
}

/** Address of element i. */
@inline
export function at(base: usize, i: u32): usize {
  return base + ((<usize>i) << 2)
}

/** Address of element (row, 0) of a matrix with `columns` columns. */
@inline
export function rowAt(base: usize, row: u32, columns: u32): usize {
  return base + ((<usize>row * <usize>columns) << 2)
}

/** Address of element i of f64. */
@inline
export function at64(base: usize, i: u32): usize {
  return base + ((<usize>i) << 3)
}

/** Bytes of n elements. */
@inline
export function bytes(n: u32): usize {
  return (<usize>n) << 2
}

/** The next four elements, or zeros after the `left` that are there. */
@inline
export function loadFew(x: usize, left: u32): v128 {
  if (left >= 4) return v128.load(x)
  let value = v128.load32_zero(x)
  if (left > 1) value = v128.load_lane<f32>(at(x, 1), value, 1)
  if (left > 2) value = v128.load_lane<f32>(at(x, 2), value, 2)
  return value
}

const CACHE_LINE: usize = 64

/** Reads a word of each cache line of `size` bytes in order, memory being at its quickest so, for what reads rows side by side after it. */
export function fetch(from: usize, size: usize, sink: usize): void {
  let seen: u32 = 0
  for (const end = from + size; from < end; from += CACHE_LINE) seen |= load<u32>(from)
  store<u32>(sink, seen)
}
