// Sums down the columns of (rows, columns) matrices, for the gradients of biases and of norms. Sums are f64, eight rows at a
// time in registers; then once to the gradient: out += sum. Where a gradient cancels to nothing, f32 sums would leave their rounding. Every column has its own sum in the order of the rows.
import { at, at64, loadFew, rowAt, bytes, scratchAt } from './memory'
import { low64, high64 } from './math'

/** Columns at a time: f64 sums of one and of the other matrix in scratch. */
const STRIPE: u32 = 4096

export function column_sum(x: usize, out: usize, rows: u32, columns: u32, begin: u32, end: u32): void {
  for (let from = begin; from < end; from += STRIPE) {
    const width = min(STRIPE, end - from)
    clearSums(width)
    for (let row: u32 = 0; row < rows; row += 8) {
      for (let j: u32 = 0; j < width; j += 4) {
        let low = f64x2.splat(0)
        let high = f64x2.splat(0)
        for (let r = row, last = min(row + 8, rows); r < last; r++) {
          const value = loadFew(at(rowAt(x, r, columns), from + j), width - j)
          low = f64x2.add(low, low64(value))
          high = f64x2.add(high, high64(value))
        }
        addSums(j, 0, low, high)
      }
    }
    storeSums(out, from, width, 0)
  }
}

export function layer_norm_parameters(dy: usize, z: usize, stats: usize, dgamma: usize, dbeta: usize, rows: u32, columns: u32, hasBeta: u32, begin: u32, end: u32): void {
  for (let from = begin; from < end; from += STRIPE) {
    const width = min(STRIPE, end - from)
    clearSums(width)
    for (let row: u32 = 0; row < rows; row += 8) {
      for (let j: u32 = 0; j < width; j += 4) {
        let gammaLow = f64x2.splat(0), gammaHigh = f64x2.splat(0)
        let betaLow = f64x2.splat(0), betaHigh = f64x2.splat(0)
        for (let r = row, last = min(row + 8, rows); r < last; r++) {
          const mean = v128.load32_splat(rowAt(stats, r, 2))
          const rstd = v128.load32_splat(rowAt(stats, r, 2), 4)
          const normal = f32x4.mul(f32x4.sub(loadFew(at(rowAt(z, r, columns), from + j), width - j), mean), rstd)
          const g = loadFew(at(rowAt(dy, r, columns), from + j), width - j)
          const product = f32x4.mul(g, normal)
          gammaLow = f64x2.add(gammaLow, low64(product))
          gammaHigh = f64x2.add(gammaHigh, high64(product))
          betaLow = f64x2.add(betaLow, low64(g))
          betaHigh = f64x2.add(betaHigh, high64(g))
        }
        addSums(j, 0, betaLow, betaHigh)
        addSums(j, STRIPE, gammaLow, gammaHigh)
      }
    }
    if (hasBeta) storeSums(dbeta, from, width, 0)
    storeSums(dgamma, from, width, STRIPE)
  }
}

export function rms_norm_parameters(dy: usize, z: usize, stats: usize, dgamma: usize, rows: u32, columns: u32, begin: u32, end: u32): void {
  for (let from = begin; from < end; from += STRIPE) {
    const width = min(STRIPE, end - from)
    clearSums(width)
    for (let row: u32 = 0; row < rows; row += 8) {
      for (let j: u32 = 0; j < width; j += 4) {
        let low = f64x2.splat(0)
        let high = f64x2.splat(0)
        for (let r = row, last = min(row + 8, rows); r < last; r++) {
          const normal = f32x4.mul(loadFew(at(rowAt(z, r, columns), from + j), width - j), v128.load32_splat(at(stats, r)))
          const product = f32x4.mul(loadFew(at(rowAt(dy, r, columns), from + j), width - j), normal)
          low = f64x2.add(low, low64(product))
          high = f64x2.add(high, high64(product))
        }
        addSums(j, 0, low, high)
      }
    }
    storeSums(dgamma, from, width, 0)
  }
}

function clearSums(width: u32): void {
  memory.fill(scratchAt(0), 0, 2 * bytes(width + 4))
  memory.fill(at64(scratchAt(0), STRIPE), 0, 2 * bytes(width + 4))
}

@inline
function addSums(j: u32, first: u32, low: v128, high: v128): void {
  const to = at64(scratchAt(0), first + j)
  v128.store(to, f64x2.add(v128.load(to), low))
  v128.store(to, f64x2.add(v128.load(to, 16), high), 16)
}

function storeSums(out: usize, from: u32, width: u32, first: u32): void {
  for (let j: u32 = 0; j < width; j++) {
    const to = at(out, from + j)
    store<f32>(to, <f32>(<f64>load<f32>(to) + load<f64>(at64(scratchAt(0), first + j))))
  }
}
