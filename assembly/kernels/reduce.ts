// Sums to one number, in f64: weighted sums, and the norm of all gradients with its clipping factor and its guard.
import { at } from './memory'
import { high64, low64, sum2 } from './math'

/** Elements that one unit of sum_of_squares adds up (NORM_CHUNK of the kernel table). */
const NORM_CHUNK: u32 = 16384

/** Σ x · y */
export function dotOfRows(x: usize, y: usize, count: u32): f64 {
  let sum0 = f64x2.splat(0)
  let sum1 = f64x2.splat(0)
  let i: u32 = 0
  for (; i + 4 <= count; i += 4) {
    const a = v128.load(at(x, i))
    const b = v128.load(at(y, i))
    sum0 = f64x2.add(sum0, f64x2.mul(low64(a), low64(b)))
    sum1 = f64x2.add(sum1, f64x2.mul(high64(a), high64(b)))
  }
  let sum = sum2(f64x2.add(sum0, sum1))
  for (; i < count; i++) sum += <f64>load<f32>(at(x, i)) * <f64>load<f32>(at(y, i))
  return sum
}

export function weighted_sum(x: usize, weights: usize, out: usize, count: u32, accumulate: u32, begin: u32, end: u32): void {
  if (begin >= end) return
  const sum = dotOfRows(x, weights, count)
  store<f32>(out, <f32>(accumulate ? <f64>load<f32>(out) + sum : sum))
}

export function sum_of_squares(x: usize, partials: usize, count: u32, first: u32, begin: u32, end: u32): void {
  for (let u = begin; u < end; u++) {
    const from = at(x, u * NORM_CHUNK)
    store<f32>(at(partials, first + u), <f32>dotOfRows(from, from, min(NORM_CHUNK, count - u * NORM_CHUNK)))
  }
}

/** state = (norm, factor, finite, skipped), see the kernel table. */
export function gradient_norm(partials: usize, state: usize, count: u32, maxNorm: f32, unscale: f32, begin: u32, end: u32): void {
  if (begin >= end) return
  let sum: f64 = 0
  for (let i: u32 = 0; i < count; i++) sum += <f64>load<f32>(at(partials, i))
  const norm = unscale * <f32>Math.sqrt(sum)
  const finite = isFinite(norm)
  store<f32>(state, norm)
  store<f32>(state, unscale * (maxNorm > 0 ? min<f32>(1, maxNorm / (norm + 1e-6)) : 1), 4)
  store<f32>(state, finite ? 1 : 0, 8)
  if (!finite) store<f32>(state, load<f32>(state, 12) + 1, 12)
}
