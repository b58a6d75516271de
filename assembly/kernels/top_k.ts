// The k best of each row, kept over several calls, best first. Order: value descending, then index ascending; an entry's index as u32 puts the
// missing (−∞, −1) last. What an earlier call kept is in this order already. Most scores lie below the worst kept: sixteen at a time are
// compared with it. The first few that do not are inserted where they belong; where more come, the row's result becomes a binary heap
// with the worst on top, which is sorted at the end.
import { at, rowAt } from './memory'

/** So many insertions cost about what making a heap of 100 entries and sorting it does; of more entries, less. */
const INSERTIONS: u32 = 128

export function top_k(scores: usize, values: usize, indices: usize, rows: u32, columns: u32, k: u32, first: u32, fresh: u32, begin: u32, end: u32): void {
  if (!k) return
  for (let row = begin; row < end; row++) {
    const value = rowAt(values, row, k)
    const index = rowAt(indices, row, k)
    const score = rowAt(scores, row, columns)
    let column: u32 = 0
    if (fresh) clear(value, index, k)
    else {
      column = insertFew(score, value, index, columns, k, first)
      if (column >= columns) continue
      // Backwards, the worst is on top
      reverse(value, index, k)
    }
    keepOnHeap(score, column, value, index, columns, k, first)
    sort(value, index, k)
  }
}

export function clear(value: usize, index: usize, k: u32): void {
  for (let i: u32 = 0; i < k; i++) put(value, index, i, -Infinity, 0xffffffff)
}

function reverse(value: usize, index: usize, k: u32): void {
  for (let i: u32 = 0, j = k - 1; i < j; i++, j--) {
    const v = load<f32>(at(value, i))
    const n = load<u32>(at(index, i))
    put(value, index, i, load<f32>(at(value, j)), load<u32>(at(index, j)))
    put(value, index, j, v, n)
  }
}

/** The next column from j on that may be better than an entry with the value at `worst`, or `columns`. A NaN may. */
@inline
function candidate(scores: usize, j: u32, columns: u32, worst: usize): u32 {
  const bound = v128.load32_splat(worst)
  for (; j + 16 <= columns; j += 16) {
    const from = at(scores, j)
    const below01 = v128.and(f32x4.lt(v128.load(from), bound), f32x4.lt(v128.load(from, 16), bound))
    const below23 = v128.and(f32x4.lt(v128.load(from, 32), bound), f32x4.lt(v128.load(from, 48), bound))
    if (!i32x4.all_true(v128.and(below01, below23))) break
  }
  for (; j + 4 <= columns; j += 4) {
    const below = i32x4.bitmask(f32x4.lt(v128.load(at(scores, j)), bound))
    if (below != 15) return j + ctz(~below)
  }
  const value = load<f32>(worst)
  while (j < columns && load<f32>(at(scores, j)) < value) j++
  return j
}

@inline
function scoreAt(scores: usize, j: u32): f32 {
  const score = load<f32>(at(scores, j))
  return score == score ? score : -Infinity
}

/** Takes better scores into a sorted result; returns the column from which on there may be more, or `columns`. */
function insertFew(scores: usize, value: usize, index: usize, columns: u32, k: u32, first: u32): u32 {
  const worst = at(value, k - 1)
  let left = INSERTIONS
  let j = candidate(scores, 0, columns, worst)
  while (j < columns) {
    const score = scoreAt(scores, j)
    if (better(score, first + j, load<f32>(worst), load<u32>(at(index, k - 1)))) {
      if (!left) break
      left--
      insert(value, index, k, score, first + j)
    }
    j = candidate(scores, j + 1, columns, worst)
  }
  return j
}

/** Puts (v, n) before all that are worse; the last entry falls out. */
export function insert(value: usize, index: usize, k: u32, v: f32, n: u32): void {
  let low: u32 = 0
  let high = k - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (better(load<f32>(at(value, middle)), load<u32>(at(index, middle)), v, n)) low = middle + 1
    else high = middle
  }
  const moved = <usize>(k - 1 - low) << 2
  memory.copy(at(value, low + 1), at(value, low), moved)
  memory.copy(at(index, low + 1), at(index, low), moved)
  put(value, index, low, v, n)
}

function keepOnHeap(scores: usize, from: u32, value: usize, index: usize, columns: u32, k: u32, first: u32): void {
  for (let j = candidate(scores, from, columns, value); j < columns; j = candidate(scores, j + 1, columns, value)) {
    const score = scoreAt(scores, j)
    if (better(score, first + j, load<f32>(value), load<u32>(index))) sink(value, index, k, 0, score, first + j)
  }
}

@inline
function better(value0: f32, index0: u32, value1: f32, index1: u32): bool {
  return value0 > value1 || (value0 == value1 && index0 < index1)
}

@inline
function put(value: usize, index: usize, i: u32, v: f32, n: u32): void {
  store<f32>(at(value, i), v)
  store<u32>(at(index, i), n)
}

/** Replaces entry i of the heap of `size` entries by (v, n) and lets it sink below all that are worse. */
function sink(value: usize, index: usize, size: u32, i: u32, v: f32, n: u32): void {
  for (;;) {
    let child: u32 = 2 * i + 1
    if (child >= size) break
    let childValue = load<f32>(at(value, child))
    let childIndex = load<u32>(at(index, child))
    if (child + 1 < size) {
      const otherValue = load<f32>(at(value, child + 1))
      const otherIndex = load<u32>(at(index, child + 1))
      if (better(childValue, childIndex, otherValue, otherIndex)) {
        child++
        childValue = otherValue
        childIndex = otherIndex
      }
    }
    if (better(childValue, childIndex, v, n)) break
    put(value, index, i, childValue, childIndex)
    i = child
  }
  put(value, index, i, v, n)
}

/** Takes the worst from the heap to the end of what is left: best first. */
function sort(value: usize, index: usize, k: u32): void {
  for (let size = k - 1; size > 0; size--) {
    const lastValue = load<f32>(at(value, size))
    const lastIndex = load<u32>(at(index, size))
    put(value, index, size, load<f32>(value), load<u32>(index))
    sink(value, index, size, 0, lastValue, lastIndex)
  }
}
