// The k best of each row, kept over several calls: a binary heap with the worst kept entry on top, laid in the result's own row, which
// is sorted at the end. Order: value descending, then index ascending; an entry's index as u32 puts the missing (−∞, −1) last.
import { at, rowAt } from './memory'

export function top_k(scores: usize, values: usize, indices: usize, rows: u32, columns: u32, k: u32, first: u32, fresh: u32, begin: u32, end: u32): void {
  if (!k) return
  for (let row = begin; row < end; row++) {
    const value = rowAt(values, row, k)
    const index = rowAt(indices, row, k)
    if (fresh) clear(value, index, k)
    else heapify(value, index, k)
    scan(rowAt(scores, row, columns), value, index, columns, k, first)
    sort(value, index, k)
  }
}

function clear(value: usize, index: usize, k: u32): void {
  for (let i: u32 = 0; i < k; i++) put(value, index, i, -Infinity, 0xffffffff)
}

function heapify(value: usize, index: usize, k: u32): void {
  for (let i = k >> 1; i > 0; i--) sink(value, index, k, i - 1, load<f32>(at(value, i - 1)), load<u32>(at(index, i - 1)))
}

function scan(scores: usize, value: usize, index: usize, columns: u32, k: u32, first: u32): void {
  let j: u32 = 0
  let worst = v128.load32_splat(value)
  for (; j + 4 <= columns; j += 4) {
    // Not below the worst: a NaN passes too, and is judged one by one
    const below = f32x4.lt(v128.load(at(scores, j)), worst)
    if (i32x4.all_true(below)) continue
    for (let i = j; i < j + 4; i++) offer(load<f32>(at(scores, i)), first + i, value, index, k)
    worst = v128.load32_splat(value)
  }
  for (; j < columns; j++) offer(load<f32>(at(scores, j)), first + j, value, index, k)
}

/** Takes an entry in where it is better than the worst kept. */
function offer(score: f32, column: u32, value: usize, index: usize, k: u32): void {
  if (score != score) score = -Infinity
  if (better(score, column, load<f32>(value), load<u32>(index))) sink(value, index, k, 0, score, column)
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
