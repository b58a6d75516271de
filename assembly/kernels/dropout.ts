// Dropout of rows, by counters: no mask is stored, the backward pass applies the same function to the gradient. y = x · mask · scale.
import { at, rowAt, scratchAt } from './memory'
import { drop, word0, word1, wordsOfRow } from './random'

/** Where `dropRow` masks the last few of a row: 8 elements of scratch. */
const FEW: u32 = 0

/** y (columns) = [residual +] x · mask · scale; residual is 0 for none. y may be x. */
@inline
export function dropRow(x: usize, residual: usize, y: usize, columns: u32, key: u32, threshold: u32, scale: f32, key0: u32, key1: u32): void {
  dropColumns(x, residual, y, 0, columns, key, threshold, scale, key0, key1)
}

/** The same of `columns` columns of a row from column `first` on, a multiple of 8: x, residual and y point at it. */
export function dropColumns(
  x: usize, residual: usize, y: usize, first: u32, columns: u32, key: u32, threshold: u32, scale: f32, key0: u32, key1: u32,
): void {
  const thresholds = i32x4.splat(threshold)
  const scales = f32x4.splat(scale)
  let j: u32 = 0
  for (; j + 8 <= columns; j += 8) {
    if (threshold) wordsOfRow(key, (first + j) >> 1, key0, key1)
    let low = v128.load(at(x, j))
    let high = v128.load(at(x, j), 16)
    low = threshold ? drop(low, word0, thresholds, scales) : f32x4.mul(low, scales)
    high = threshold ? drop(high, word1, thresholds, scales) : f32x4.mul(high, scales)
    if (residual) {
      low = f32x4.add(v128.load(at(residual, j)), low)
      high = f32x4.add(v128.load(at(residual, j), 16), high)
    }
    v128.store(at(y, j), low)
    v128.store(at(y, j), high, 16)
  }
  if (j == columns) return
  const mask = scratchAt(FEW)
  wordsOfRow(key, (first + j) >> 1, key0, key1)
  v128.store(mask, word0)
  v128.store(mask, word1, 16)
  for (let i: u32 = 0; j < columns; i++, j++) {
    const value: f32 = load<u32>(at(mask, i)) < threshold ? 0 : load<f32>(at(x, j)) * scale
    store<f32>(at(y, j), residual ? load<f32>(at(residual, j)) + value : value)
  }
}

export function dropout(
  x: usize, keys: usize, y: usize, rows: u32, columns: u32, threshold: u32, scale: f32, key0: u32, key1: u32, begin: u32, end: u32,
): void {
  for (let row = begin; row < end; row++) {
    dropRow(rowAt(x, row, columns), 0, rowAt(y, row, columns), columns, load<u32>(at(keys, row)), threshold, scale, key0, key1)
  }
}
