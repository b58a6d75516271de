// A first-fit heap over a growing range of addresses: which bytes are free, and which have never been handed out and so are still zero.
// It moves no bytes; growing and clearing are the caller's. Blocks start at multiples of HEAP_ALIGNMENT.

export const HEAP_ALIGNMENT = 256

/** What `allocate` found: `dirty` bytes from the start may hold old data. Addresses and lengths in bytes. */
export interface Block {
  readonly start: number
  readonly dirty: number
}

export interface Heap {
  /** Undefined where the range would have to grow beyond what `grow` grants. */
  allocate(bytes: number): Block | undefined
  /** Gives back what `allocate` returned; anything else is an error. */
  free(start: number): void
  /** Bytes handed out, rounding included. */
  held(): number
}

interface Range {
  start: number
  end: number
}

const roundUp = (bytes: number, to: number): number => Math.ceil(bytes / to) * to

/** A heap from `base` to `end`; `grow(atLeast)` returns the new end, or undefined where there is no more to be had. */
export function createHeap(base: number, end: number, grow: (atLeast: number) => number | undefined): Heap {
  const bottom = roundUp(base, HEAP_ALIGNMENT)
  // Sorted by address, never touching each other
  const free: Range[] = end > bottom ? [{ start: bottom, end }] : []
  const lengths = new Map<number, number>()
  let top = Math.max(end, bottom)
  let highest = bottom
  let held = 0

  const extend = (bytes: number): boolean => {
    const last = free.at(-1)
    const open = last?.end === top ? last : undefined
    const newTop = grow((open ? open.start : top) + bytes)
    if (newTop === undefined) return false
    if (open) open.end = newTop
    else free.push({ start: top, end: newTop })
    top = newTop
    return true
  }

  const allocate = (bytes: number): Block | undefined => {
    const length = roundUp(Math.max(bytes, 1), HEAP_ALIGNMENT)
    const fits = (range: Range) => range.end - range.start >= length
    if (!free.some(fits) && !extend(length)) return undefined
    const index = free.findIndex(fits)
    const range = free[index]!
    const { start } = range
    range.start += length
    if (range.start === range.end) free.splice(index, 1)
    lengths.set(start, length)
    held += length
    const dirty = Math.min(length, Math.max(0, highest - start))
    highest = Math.max(highest, start + length)
    return { start, dirty }
  }

  const release = (start: number): void => {
    const length = lengths.get(start)
    if (length === undefined)
      throw new Error(`heap: address ${start} is not an allocated block; it may have been freed before`)
    lengths.delete(start)
    held -= length
    const end = start + length
    const found = free.findIndex(range => range.start > start)
    const index = found < 0 ? free.length : found
    const before = free[index - 1]
    const after = free[index]
    const joinsBefore = before?.end === start
    const joinsAfter = after?.start === end
    if (joinsBefore && joinsAfter) {
      before.end = after.end
      free.splice(index, 1)
    } else if (joinsBefore) before.end = end
    else if (joinsAfter) after.start = start
    else free.splice(index, 0, { start, end })
  }

  return { allocate, free: release, held: () => held }
}
