// Pooling of packed sequences to one vector each, over their rows from `starts` on: POOLINGS of the kernel table. A sequence without such rows gives
// zeros. The gradient sets every row (=), or adds to it with `accumulate`.
import { at, rowAt, bytes } from './memory'

const MEAN: u32 = 0
const CLS: u32 = 1
const MAX: u32 = 2
const MEAN_SQRT: u32 = 3
const WEIGHTED: u32 = 4

/** The first row that counts. */
@inline
function firstRow(starts: usize, sequence: u32, begin: u32, end: u32): u32 {
  return !starts ? begin : min(begin + load<u32>(at(starts, sequence)), end)
}

/** What a sum over `rows` rows, the first at `position` of its sequence, is divided by. */
function divisor(mode: u32, position: u32, rows: u32): f32 {
  if (mode == MEAN) return <f32>rows
  if (mode == MEAN_SQRT) return <f32>Math.sqrt(rows)
  return <f32>((<f64>(2 * position + rows + 1) * <f64>rows) / 2)
}

export function pool_forward(
  x: usize, offsets: usize, starts: usize, out: usize, sequences: u32, columns: u32, mode: u32, hasStarts: u32, begin: u32, end: u32,
): void {
  for (let sequence = begin; sequence < end; sequence++) {
    const start = load<u32>(at(offsets, sequence))
    const last = load<u32>(at(offsets, sequence + 1))
    const first = firstRow(hasStarts ? starts : 0, sequence, start, last)
    const rows = last - first
    const to = rowAt(out, sequence, columns)
    if (!rows) memory.fill(to, 0, bytes(columns))
    else if (mode == MEAN || mode == MEAN_SQRT) sumOfRows(rowAt(x, first, columns), to, rows, columns, 0, divisor(mode, 0, rows))
    else if (mode == WEIGHTED) sumOfRows(rowAt(x, first, columns), to, rows, columns, first - start + 1, divisor(mode, first - start, rows))
    else if (mode == MAX) greatestOfRows(rowAt(x, first, columns), to, rows, columns)
    else memory.copy(to, rowAt(x, mode == CLS ? first : last - 1, columns), bytes(columns))
  }
}

/** Sums in f32 in the order of the rows: at most a few hundred rows of a sequence. Their weights are weight, weight + 1, …, or 1 where `weight` is 0. */
function sumOfRows(x: usize, out: usize, rows: u32, columns: u32, weight: u32, by: f32): void {
  const divisors = f32x4.splat(by)
  let j: u32 = 0
  for (; j + 4 <= columns; j += 4) {
    let sum = f32x4.splat(0)
    for (let row: u32 = 0; row < rows; row++) {
      const value = v128.load(at(rowAt(x, row, columns), j))
      sum = f32x4.add(sum, weight ? f32x4.mul(value, f32x4.splat(<f32>(weight + row))) : value)
    }
    v128.store(at(out, j), f32x4.div(sum, divisors))
  }
  for (; j < columns; j++) {
    let sum: f32 = 0
    for (let row: u32 = 0; row < rows; row++) sum += load<f32>(at(rowAt(x, row, columns), j)) * (weight ? <f32>(weight + row) : 1)
    store<f32>(at(out, j), sum / by)
  }
}

function greatestOfRows(x: usize, out: usize, rows: u32, columns: u32): void {
  memory.copy(out, x, bytes(columns))
  for (let row: u32 = 1; row < rows; row++) {
    const from = rowAt(x, row, columns)
    let j: u32 = 0
    for (; j + 4 <= columns; j += 4) v128.store(at(out, j), f32x4.pmax(v128.load(at(out, j)), v128.load(at(from, j))))
    for (; j < columns; j++) if (load<f32>(at(from, j)) > load<f32>(at(out, j))) store<f32>(at(out, j), load<f32>(at(from, j)))
  }
}

export function pool_backward(
  x: usize, dout: usize, offsets: usize, starts: usize, dx: usize,
  sequences: u32, columns: u32, mode: u32, hasStarts: u32, accumulate: u32, begin: u32, end: u32,
): void {
  for (let sequence = begin; sequence < end; sequence++) {
    const start = load<u32>(at(offsets, sequence))
    const last = load<u32>(at(offsets, sequence + 1))
    const first = firstRow(hasStarts ? starts : 0, sequence, start, last)
    const from = rowAt(dout, sequence, columns)
    if (mode == MAX) {
      spread(from, start, first, dx, columns, 0, accumulate != 0)
      if (first < last) toGreatest(x, from, dx, first, last, columns, accumulate != 0)
      continue
    }
    const by = divisor(mode, first - start, last - first)
    for (let row = start; row < last; row++) {
      let share: f32 = 0
      if (mode == CLS) share = row == first ? 1 : 0
      else if (mode == MEAN || mode == MEAN_SQRT) share = row < first ? 0 : 1 / by
      else if (mode == WEIGHTED) share = row < first ? 0 : <f32>(row - start + 1) / by
      else share = row == last - 1 && row >= first ? 1 : 0
      spread(from, row, row + 1, dx, columns, share, accumulate != 0)
    }
  }
}

/** Rows first … last − 1 of dx = [dx +] share · x */
function spread(x: usize, first: u32, last: u32, dx: usize, columns: u32, share: f32, accumulate: bool): void {
  const shares = f32x4.splat(share)
  for (let row = first; row < last; row++) {
    const y = rowAt(dx, row, columns)
    let j: u32 = 0
    for (; j + 4 <= columns; j += 4) {
      const value = f32x4.mul(v128.load(at(x, j)), shares)
      v128.store(at(y, j), accumulate ? f32x4.add(v128.load(at(y, j)), value) : value)
    }
    for (; j < columns; j++) {
      const value = load<f32>(at(x, j)) * share
      store<f32>(at(y, j), accumulate ? load<f32>(at(y, j)) + value : value)
    }
  }
}

/** The row with the greatest value of a column gets its gradient, the first of equal ones; the others nothing. */
function toGreatest(x: usize, dout: usize, dx: usize, first: u32, last: u32, columns: u32, accumulate: bool): void {
  for (let j: u32 = 0; j < columns; j++) {
    let best = first
    for (let row = first + 1; row < last; row++) {
      if (load<f32>(at(rowAt(x, row, columns), j)) > load<f32>(at(rowAt(x, best, columns), j))) best = row
    }
    for (let row = first; row < last; row++) {
      const to = at(rowAt(dx, row, columns), j)
      const value: f32 = row == best ? load<f32>(at(dout, j)) : 0
      store<f32>(to, accumulate ? load<f32>(to) + value : value)
    }
  }
}
