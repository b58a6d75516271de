// LayerNorm (Ba et al. 2016) over the columns of (rows, columns), with an optional residual and dropout before it.
// Rows are summed in 8 lanes of f32, the lanes in f64; the variance from the differences to the mean. The gradients of gamma and beta are in sums.ts.
import { at, rowAt } from './memory'
import { sum4 } from './math'
import { dropRow } from './dropout'

export function layer_norm_forward(
  x: usize, residual: usize, keys: usize, gamma: usize, beta: usize, sum: usize, y: usize, stats: usize,
  rows: u32, columns: u32, epsilon: f32, hasResidual: u32, hasBeta: u32, threshold: u32, scale: f32, key0: u32, key1: u32,
  begin: u32, end: u32,
): void {
  for (let row = begin; row < end; row++) {
    let input = rowAt(x, row, columns)
    if (hasResidual) {
      const to = rowAt(sum, row, columns)
      dropRow(input, rowAt(residual, row, columns), to, columns, threshold ? load<u32>(at(keys, row)) : 0, threshold, scale, key0, key1)
      input = to
    }
    const mean = <f32>(sumOfRow(input, columns) / <f64>columns)
    const rstd = <f32>(1 / Math.sqrt(sumOfSquares(input, mean, columns) / <f64>columns + <f64>epsilon))
    normalizeRow(input, gamma, hasBeta ? beta : 0, rowAt(y, row, columns), columns, mean, rstd)
    const to = rowAt(stats, row, 2)
    store<f32>(to, mean)
    store<f32>(to, rstd, 4)
  }
}

function sumOfRow(x: usize, columns: u32): f64 {
  let sum0 = f32x4.splat(0)
  let sum1 = f32x4.splat(0)
  let j: u32 = 0
  for (; j + 8 <= columns; j += 8) {
    sum0 = f32x4.add(sum0, v128.load(at(x, j)))
    sum1 = f32x4.add(sum1, v128.load(at(x, j), 16))
  }
  let sum = sum4(sum0) + sum4(sum1)
  for (; j < columns; j++) sum += <f64>load<f32>(at(x, j))
  return sum
}

/** Σ (x − mean)² */
export function sumOfSquares(x: usize, mean: f32, columns: u32): f64 {
  const means = f32x4.splat(mean)
  let sum0 = f32x4.splat(0)
  let sum1 = f32x4.splat(0)
  let j: u32 = 0
  for (; j + 8 <= columns; j += 8) {
    const d0 = f32x4.sub(v128.load(at(x, j)), means)
    const d1 = f32x4.sub(v128.load(at(x, j), 16), means)
    sum0 = f32x4.add(sum0, f32x4.mul(d0, d0))
    sum1 = f32x4.add(sum1, f32x4.mul(d1, d1))
  }
  let sum = sum4(sum0) + sum4(sum1)
  for (; j < columns; j++) {
    const d = <f64>(load<f32>(at(x, j)) - mean)
    sum += d * d
  }
  return sum
}

function normalizeRow(x: usize, gamma: usize, beta: usize, y: usize, columns: u32, mean: f32, rstd: f32): void {
  const means = f32x4.splat(mean)
  const rstds = f32x4.splat(rstd)
  let j: u32 = 0
  for (; j + 4 <= columns; j += 4) {
    const normal = f32x4.mul(f32x4.sub(v128.load(at(x, j)), means), rstds)
    const scaled = f32x4.mul(normal, v128.load(at(gamma, j)))
    v128.store(at(y, j), beta ? f32x4.add(scaled, v128.load(at(beta, j))) : scaled)
  }
  for (; j < columns; j++) {
    const scaled = (load<f32>(at(x, j)) - mean) * rstd * load<f32>(at(gamma, j))
    store<f32>(at(y, j), beta ? scaled + load<f32>(at(beta, j)) : scaled)
  }
}

export function layer_norm_backward(
  dy: usize, z: usize, stats: usize, gamma: usize, dz: usize, keys: usize, dbranch: usize,
  rows: u32, columns: u32, accumulate: u32, hasBranch: u32, threshold: u32, scale: f32, key0: u32, key1: u32, begin: u32, end: u32,
): void {
  for (let row = begin; row < end; row++) {
    const mean = load<f32>(rowAt(stats, row, 2))
    const rstd = load<f32>(rowAt(stats, row, 2), 4)
    const to = rowAt(dz, row, columns)
    backwardRow(rowAt(dy, row, columns), rowAt(z, row, columns), gamma, to, columns, mean, rstd, accumulate != 0)
    if (!hasBranch) continue
    dropRow(to, 0, rowAt(dbranch, row, columns), columns, threshold ? load<u32>(at(keys, row)) : 0, threshold, scale, key0, key1)
  }
}

function backwardRow(dy: usize, z: usize, gamma: usize, dz: usize, columns: u32, mean: f32, rstd: f32, accumulate: bool): void {
  const means = f32x4.splat(mean)
  const rstds = f32x4.splat(rstd)
  let sums = f32x4.splat(0) // g
  let products = f32x4.splat(0) // g · x̂
  let j: u32 = 0
  for (; j + 4 <= columns; j += 4) {
    const normal = f32x4.mul(f32x4.sub(v128.load(at(z, j)), means), rstds)
    const g = f32x4.mul(v128.load(at(dy, j)), v128.load(at(gamma, j)))
    sums = f32x4.add(sums, g)
    products = f32x4.add(products, f32x4.mul(g, normal))
  }
  let sum = sum4(sums)
  let product = sum4(products)
  for (; j < columns; j++) {
    const g = load<f32>(at(dy, j)) * load<f32>(at(gamma, j))
    sum += <f64>g
    product += <f64>(g * ((load<f32>(at(z, j)) - mean) * rstd))
  }
  const meanG = <f32>(sum / <f64>columns)
  const meanProduct = <f32>(product / <f64>columns)
  for (j = 0; j + 4 <= columns; j += 4) {
    const normal = f32x4.mul(f32x4.sub(v128.load(at(z, j)), means), rstds)
    let value = f32x4.mul(v128.load(at(dy, j)), v128.load(at(gamma, j))) // term 1
    value = f32x4.sub(value, f32x4.splat(meanG)) // term 2
    value = f32x4.sub(value, f32x4.mul(normal, f32x4.splat(meanProduct))) // term 3
    value = f32x4.mul(value, rstds)
    v128.store(at(dz, j), accumulate ? f32x4.add(v128.load(at(dz, j)), value) : value)
  }
  for (; j < columns; j++) {
    const normal = (load<f32>(at(z, j)) - mean) * rstd
    const value = (load<f32>(at(dy, j)) * load<f32>(at(gamma, j)) - meanG - normal * meanProduct) * rstd
    store<f32>(at(dz, j), accumulate ? load<f32>(at(dz, j)) + value : value)
  }
}
