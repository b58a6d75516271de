// Whole rows of (rows, columns) matrices: gathered, scattered, copied, filled. Nothing here rounds but the sums, which run in f32 in
// the order that the table gives.
import { at, rowAt, bytes } from './memory'

/** y = [y +] x, `columns` elements. */
function moveRow(x: usize, y: usize, columns: u32, accumulate: bool): void {
  if (!accumulate) {
    memory.copy(y, x, bytes(columns))
    return
  }
  let j: u32 = 0
  for (; j + 4 <= columns; j += 4) v128.store(at(y, j), f32x4.add(v128.load(at(y, j)), v128.load(at(x, j))))
  for (; j < columns; j++) store<f32>(at(y, j), load<f32>(at(y, j)) + load<f32>(at(x, j)))
}

export function gather_rows(table: usize, index: usize, out: usize, rows: u32, columns: u32, accumulate: u32, begin: u32, end: u32): void {
  for (let row = begin; row < end; row++) moveRow(rowAt(table, load<u32>(at(index, row)), columns), rowAt(out, row, columns), columns, accumulate != 0)
}

export function scatter_rows(dout: usize, order: usize, starts: usize, targets: usize, dtable: usize, count: u32, columns: u32, begin: u32, end: u32): void {
  for (let u = begin; u < end; u++) {
    const target = rowAt(dtable, load<u32>(at(targets, u)), columns)
    const last = load<u32>(at(starts, u + 1))
    for (let j = load<u32>(at(starts, u)); j < last; j++) moveRow(rowAt(dout, load<u32>(at(order, j)), columns), target, columns, true)
  }
}

export function copy_rows(x: usize, y: usize, rows: u32, columns: u32, from: u32, to: u32, accumulate: u32, begin: u32, end: u32): void {
  for (let i = begin; i < end; i++) moveRow(rowAt(x, from + i, columns), rowAt(y, to + i, columns), columns, accumulate != 0)
}

/** The first columns of x's `source`, and zeros behind the last of them. */
export function copy_columns(x: usize, y: usize, rows: u32, source: u32, columns: u32, accumulate: u32, begin: u32, end: u32): void {
  const shared = min(source, columns)
  for (let i = begin; i < end; i++) {
    const to = rowAt(y, i, columns)
    moveRow(rowAt(x, i, source), to, shared, accumulate != 0)
    if (!accumulate) memory.fill(at(to, shared), 0, bytes(columns - shared))
  }
}

export function place_columns(x: usize, y: usize, rows: u32, columns: u32, xColumns: u32, yColumns: u32, from: u32, to: u32, accumulate: u32, begin: u32, end: u32): void {
  for (let i = begin; i < end; i++) moveRow(at(rowAt(x, i, xColumns), from), at(rowAt(y, i, yColumns), to), columns, accumulate != 0)
}

export function fill(x: usize, count: u32, value: f32, begin: u32, end: u32): void {
  const values = f32x4.splat(value)
  let i = begin
  for (; i + 4 <= end; i += 4) v128.store(at(x, i), values)
  for (; i < end; i++) store<f32>(at(x, i), value)
}

export function scale(x: usize, y: usize, count: u32, factor: f32, begin: u32, end: u32): void {
  const factors = f32x4.splat(factor)
  let i = begin
  for (; i + 4 <= end; i += 4) v128.store(at(y, i), f32x4.mul(v128.load(at(x, i)), factors))
  for (; i < end; i++) store<f32>(at(y, i), load<f32>(at(x, i)) * factor)
}
