// RMS norm (Zhang and Sennrich 2019) over the columns of (rows, columns), with an optional residual and dropout before it; the factor is gamma + plus.
// Rows are summed in 8 lanes of f32, the lanes in f64. The gradient of gamma is in sums.ts.
import { at, rowAt } from './memory'
import { sum4 } from './math'
import { dropRow } from './dropout'
import { sumOfSquares } from './layer_norm'

export function rms_norm_forward(
  x: usize, residual: usize, keys: usize, gamma: usize, sum: usize, y: usize, stats: usize,
  rows: u32, columns: u32, epsilon: f32, plus: f32, hasResidual: u32, threshold: u32, scale: f32, key0: u32, key1: u32,
  begin: u32, end: u32,
): void {
  for (let row = begin; row < end; row++) {
    let input = rowAt(x, row, columns)
    if (hasResidual) {
      const to = rowAt(sum, row, columns)
      dropRow(input, rowAt(residual, row, columns), to, columns, threshold ? load<u32>(at(keys, row)) : 0, threshold, scale, key0, key1)
      input = to
    }
    const rstd = <f32>(1 / Math.sqrt(sumOfSquares(input, 0, columns) / <f64>columns + <f64>epsilon))
    normalizeRow(input, gamma, rowAt(y, row, columns), columns, rstd, plus)
    store<f32>(at(stats, row), rstd)
  }
}

function normalizeRow(x: usize, gamma: usize, y: usize, columns: u32, rstd: f32, plus: f32): void {
  const rstds = f32x4.splat(rstd)
  const plusses = f32x4.splat(plus)
  let j: u32 = 0
  for (; j + 4 <= columns; j += 4) {
    v128.store(at(y, j), f32x4.mul(f32x4.mul(v128.load(at(x, j)), rstds), f32x4.add(v128.load(at(gamma, j)), plusses)))
  }
  for (; j < columns; j++) store<f32>(at(y, j), load<f32>(at(x, j)) * rstd * (load<f32>(at(gamma, j)) + plus))
}

export function rms_norm_backward(
  dy: usize, z: usize, stats: usize, gamma: usize, dz: usize, keys: usize, dbranch: usize,
  rows: u32, columns: u32, plus: f32, accumulate: u32, hasBranch: u32, threshold: u32, scale: f32, key0: u32, key1: u32, begin: u32, end: u32,
): void {
  for (let row = begin; row < end; row++) {
    const to = rowAt(dz, row, columns)
    backwardRow(rowAt(dy, row, columns), rowAt(z, row, columns), gamma, to, columns, load<f32>(at(stats, row)), plus, accumulate != 0)
    if (!hasBranch) continue
    dropRow(to, 0, rowAt(dbranch, row, columns), columns, threshold ? load<u32>(at(keys, row)) : 0, threshold, scale, key0, key1)
  }
}

function backwardRow(dy: usize, z: usize, gamma: usize, dz: usize, columns: u32, rstd: f32, plus: f32, accumulate: bool): void {
  const rstds = f32x4.splat(rstd)
  const plusses = f32x4.splat(plus)
  let products = f32x4.splat(0) // g · x̂
  let j: u32 = 0
  for (; j + 4 <= columns; j += 4) {
    const g = f32x4.mul(v128.load(at(dy, j)), f32x4.add(v128.load(at(gamma, j)), plusses))
    products = f32x4.add(products, f32x4.mul(g, f32x4.mul(v128.load(at(z, j)), rstds)))
  }
  let product = sum4(products)
  for (; j < columns; j++) product += <f64>(load<f32>(at(dy, j)) * (load<f32>(at(gamma, j)) + plus) * (load<f32>(at(z, j)) * rstd))
  const mean = <f32>(product / <f64>columns)
  for (j = 0; j + 4 <= columns; j += 4) {
    let value = f32x4.mul(v128.load(at(dy, j)), f32x4.add(v128.load(at(gamma, j)), plusses)) // term 1
    value = f32x4.sub(value, f32x4.mul(f32x4.mul(v128.load(at(z, j)), rstds), f32x4.splat(mean))) // term 2
    value = f32x4.mul(value, rstds)
    v128.store(at(dz, j), accumulate ? f32x4.add(v128.load(at(dz, j)), value) : value)
  }
  for (; j < columns; j++) {
    const value = (load<f32>(at(dy, j)) * (load<f32>(at(gamma, j)) + plus) - load<f32>(at(z, j)) * rstd * mean) * rstd
    store<f32>(at(dz, j), accumulate ? load<f32>(at(dz, j)) + value : value)
  }
}
