// Sums down the columns of (rows, columns) matrices, for the gradients of biases and of LayerNorm. Eight rows are added in f32, these
// partial sums in f64; then once to the gradient: out += sum. Every column has its own sum in the order of the rows.
import { at, at64, rowAt, bytes, scratchAt } from './memory'
import { low64, high64 } from './math'

/** Columns at a time: f64 sums of one and of the other matrix in scratch. */
const STRIPE: u32 = 4096

export function column_sum(x: usize, out: usize, rows: u32, columns: u32, begin: u32, end: u32): void {
  for (let from = begin; from < end; from += STRIPE) {
    const width = min(STRIPE, end - from)
    clearSums(width)
    for (let row: u32 = 0; row < rows; row += 8) {
      for (let j: u32 = 0; j < width; j += 4) {
        let sum = f32x4.splat(0)
        for (let r = row, last = min(row + 8, rows); r < last; r++) sum = f32x4.add(sum, loadFew(at(rowAt(x, r, columns), from + j), width - j))
        addSums(j, 0, sum)
      }
    }
    storeSums(out, from, width, 0)
  }
}

export function layer_norm_parameters(dy: usize, z: usize, stats: usize, dgamma: usize, dbeta: usize, rows: u32, columns: u32, begin: u32, end: u32): void {
  for (let from = begin; from < end; from += STRIPE) {
    const width = min(STRIPE, end - from)
    clearSums(width)
    for (let row: u32 = 0; row < rows; row += 8) {
      for (let j: u32 = 0; j < width; j += 4) {
        let gamma = f32x4.splat(0)
        let beta = f32x4.splat(0)
        for (let r = row, last = min(row + 8, rows); r < last; r++) {
          const mean = v128.load32_splat(rowAt(stats, r, 2))
          const rstd = v128.load32_splat(rowAt(stats, r, 2), 4)
          const normal = f32x4.mul(f32x4.sub(loadFew(at(rowAt(z, r, columns), from + j), width - j), mean), rstd)
          const g = loadFew(at(rowAt(dy, r, columns), from + j), width - j)
          gamma = f32x4.add(gamma, f32x4.mul(g, normal))
          beta = f32x4.add(beta, g)
        }
        addSums(j, 0, beta)
        addSums(j, STRIPE, gamma)
      }
    }
    storeSums(dbeta, from, width, 0)
    storeSums(dgamma, from, width, STRIPE)
  }
}

/** The next four elements, or zeros after the `left` that are there. */
// @ts-ignore: decorator
@inline
function loadFew(x: usize, left: u32): v128 {
  if (left >= 4) return v128.load(x)
  let value = v128.load32_zero(x)
  if (left > 1) value = v128.load_lane<f32>(at(x, 1), value, 1)
  if (left > 2) value = v128.load_lane<f32>(at(x, 2), value, 2)
  return value
}

function clearSums(width: u32): void {
  memory.fill(scratchAt(0), 0, 2 * bytes(width + 4))
  memory.fill(at64(scratchAt(0), STRIPE), 0, 2 * bytes(width + 4))
}

// @ts-ignore: decorator
@inline
function addSums(j: u32, first: u32, sum: v128): void {
  const to = at64(scratchAt(0), first + j)
  v128.store(to, f64x2.add(v128.load(to), low64(sum)))
  v128.store(to, f64x2.add(v128.load(to, 16), high64(sum)), 16)
}

function storeSums(out: usize, from: u32, width: u32, first: u32): void {
  for (let j: u32 = 0; j < width; j++) {
    const to = at(out, from + j)
    store<f32>(to, <f32>(<f64>load<f32>(to) + load<f64>(at64(scratchAt(0), first + j))))
  }
}
