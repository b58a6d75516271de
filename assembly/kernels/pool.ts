// Pooling of packed sequences to one vector each: the mean of their rows (mode 0) or the first row (mode 1). A sequence without rows
// gives zeros. The gradient sets every row (=), or adds to it with `accumulate`.
import { at, rowAt, bytes } from './memory'

const MEAN: u32 = 0

export function pool_forward(x: usize, offsets: usize, out: usize, sequences: u32, columns: u32, mode: u32, begin: u32, end: u32): void {
  for (let sequence = begin; sequence < end; sequence++) {
    const first = load<u32>(at(offsets, sequence))
    const rows = load<u32>(at(offsets, sequence + 1)) - first
    const to = rowAt(out, sequence, columns)
    if (!rows) memory.fill(to, 0, bytes(columns))
    else if (mode == MEAN) meanOfRows(rowAt(x, first, columns), to, rows, columns)
    else memory.copy(to, rowAt(x, first, columns), bytes(columns))
  }
}

/** Sums in f32 in the order of the rows: at most a few hundred rows of a sequence. */
function meanOfRows(x: usize, out: usize, rows: u32, columns: u32): void {
  const count = f32x4.splat(<f32>rows)
  let j: u32 = 0
  for (; j + 4 <= columns; j += 4) {
    let sum = f32x4.splat(0)
    for (let row: u32 = 0; row < rows; row++) sum = f32x4.add(sum, v128.load(at(rowAt(x, row, columns), j)))
    v128.store(at(out, j), f32x4.div(sum, count))
  }
  for (; j < columns; j++) {
    let sum: f32 = 0
    for (let row: u32 = 0; row < rows; row++) sum += load<f32>(at(rowAt(x, row, columns), j))
    store<f32>(at(out, j), sum / <f32>rows)
  }
}

export function pool_backward(dout: usize, offsets: usize, dx: usize, sequences: u32, columns: u32, mode: u32, accumulate: u32, begin: u32, end: u32): void {
  for (let sequence = begin; sequence < end; sequence++) {
    const first = load<u32>(at(offsets, sequence))
    const last = load<u32>(at(offsets, sequence + 1))
    const from = rowAt(dout, sequence, columns)
    for (let row = first; row < last; row++) {
      const share: f32 = mode == MEAN ? 1 / <f32>(last - first) : row == first ? 1 : 0
      spread(from, rowAt(dx, row, columns), columns, share, accumulate != 0)
    }
  }
}

/** y = [y +] share · x */
function spread(x: usize, y: usize, columns: u32, share: f32, accumulate: bool): void {
  const shares = f32x4.splat(share)
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
