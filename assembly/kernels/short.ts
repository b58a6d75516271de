// c = [c +] alpha · aᵀ b with few terms a sum, in f64: the gradient of a loss with respect to passages. Its rows cancel in the layers below (a
// softmax's gradients sum to 0 over the passages), so that what rounding leaves of their sum is all that some parameters would see:
// each element is rounded once, and the rounding of one row is carried into the next of its block.
import { at, loadFew, rowAt } from './memory'
import { high64, low64 } from './math'

// Several times slower than the packed product: kept to a millisecond or so.
const TERMS: u32 = 64
const PRODUCTS: u64 = 1 << 22
/** Rows that carry their rounding on. A range that begins within a block computes the rows before it too, for the same bits. */
const CARRIED: u32 = 32

/** Whether a product is small enough for it. */
export function isShort(M: u32, N: u32, K: u32): bool {
  return K <= TERMS && <u64>M * <u64>N * <u64>K <= PRODUCTS
}

/** a (K, M), b (K, N), c (M, N); columns from a multiple of 4 on */
export function shortSums(
  a: usize, b: usize, c: usize, M: u32, N: u32, K: u32, accumulate: bool, alpha: f32,
  row: u32, lastRow: u32, column: u32, lastColumn: u32,
): void {
  // What is added to is gone where another range has written: no carrying then.
  const block: u32 = accumulate ? 1 : CARRIED
  for (let n = column; n < lastColumn; n += 4) {
    const columns = min<u32>(4, lastColumn - n)
    let carryLow = f64x2.splat(0)
    let carryHigh = f64x2.splat(0)
    for (let m = row - (row % block); m < lastRow; m++) {
      if (m % block == 0) {
        carryLow = f64x2.splat(0)
        carryHigh = f64x2.splat(0)
      }
      const to = at(rowAt(c, m, N), n)
      let low = carryLow
      let high = carryHigh
      if (accumulate) {
        const before = loadFew(to, columns)
        low = f64x2.add(low, low64(before))
        high = f64x2.add(high, high64(before))
      }
      for (let k: u32 = 0; k < K; k++) {
        const x = f64x2.splat(<f64>load<f32>(at(rowAt(a, k, M), m)) * <f64>alpha)
        const y = loadFew(at(rowAt(b, k, N), n), columns)
        low = f64x2.add(low, f64x2.mul(x, low64(y)))
        high = f64x2.add(high, f64x2.mul(x, high64(y)))
      }
      const rounded = i32x4.shuffle(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 1, 4, 5)
      carryLow = f64x2.sub(low, low64(rounded))
      carryHigh = f64x2.sub(high, high64(rounded))
      if (m >= row) storeFew(to, rounded, columns)
    }
  }
}

@inline
function storeFew(to: usize, value: v128, count: u32): void {
  if (count >= 4) {
    v128.store(to, value)
    return
  }
  v128.store_lane<f32>(to, value, 0)
  if (count > 1) v128.store_lane<f32>(at(to, 1), value, 1)
  if (count > 2) v128.store_lane<f32>(at(to, 2), value, 2)
}
