// Pairs in the order of their merging: the most frequent first, of equally frequent ones that of the smaller ids. A
// pair may be there several times, each time with other words. A heap in which a node has four children, so that
// they lie on one cache line.
import { allocate, at16 } from './memory'
import { countOf, keyOf } from './pairs'

// (capacity) u64 count, u32 pair, u32 last block of its words.
let heap: usize = 0
let capacity: u32 = 0
let size: u32 = 0

export let topCount: i64 = 0
export let topPair: u32 = 0
export let topWords: u32 = 0

export function setUpQueue(expected: u32): bool {
  capacity = max<u32>(expected, 1 << 10)
  // Three entries in front, so that the children 4i + 1 … 4i + 4 share a line.
  heap = allocate(16 * (<u64>capacity + 4)) + 48
  return heap != 48
}

function enlarge(): bool {
  const larger = allocate(32 * <u64>capacity + 64)
  if (!larger) return false
  memory.copy(larger + 48, heap, 16 * <usize>size)
  heap = larger + 48
  capacity <<= 1
  return true
}

@inline
function before(count: i64, pair: u32, other: usize): bool {
  const otherCount = load<i64>(other)
  return count > otherCount || (count == otherCount && keyOf(pair) < keyOf(load<u32>(other, 8)))
}

@inline
function put(at: u32, count: i64, pair: u32, words: u32): void {
  const entry = at16(heap, at)
  store<i64>(entry, count)
  store<u32>(entry, pair, 8)
  store<u32>(entry, words, 12)
}

export function push(pair: u32, words: u32): void {
  if (size == capacity && !enlarge()) return
  const count = countOf(pair)
  let at = size++
  while (at > 0) {
    const parent = (at - 1) >> 2
    const entry = at16(heap, parent)
    if (!before(count, pair, entry)) break
    memory.copy(at16(heap, at), entry, 16)
    at = parent
  }
  put(at, count, pair, words)
}

/** Lets an entry sink from the top. */
function sink(count: i64, pair: u32, words: u32): void {
  let at: u32 = 0
  for (;;) {
    const first: u32 = 4 * at + 1
    if (first >= size) break
    let best = first
    const end = min<u32>(first + 4, size)
    for (let child = first + 1; child < end; child++) {
      const entry = at16(heap, child)
      if (before(load<i64>(entry), load<u32>(entry, 8), at16(heap, best))) best = child
    }
    const entry = at16(heap, best)
    if (before(count, pair, entry)) break
    memory.copy(at16(heap, at), entry, 16)
    at = best
  }
  put(at, count, pair, words)
}

/** The first entry whose count is still right, taken out; false where there is none. */
export function pop(): bool {
  while (size > 0) {
    topCount = load<i64>(heap)
    topPair = load<u32>(heap, 8)
    topWords = load<u32>(heap, 12)
    const count = countOf(topPair)
    if (count != topCount) {
      // Merges have taken from it since: it goes where it belongs now.
      sink(count, topPair, topWords)
      continue
    }
    const last = at16(heap, --size)
    if (size > 0) sink(load<i64>(last), load<u32>(last, 8), load<u32>(last, 12))
    return true
  }
  return false
}
