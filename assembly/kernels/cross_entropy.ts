// Softmax cross-entropy of rows of scores over a range of columns of each row (InfoNCE: one target, the others negatives).
// targets (rows, 3) = (target, begin, end); loss = lse − scores[target]. Forward sets (=); backward turns scores into its gradient in place.
import { at, rowAt, bytes } from './memory'
import { exp4, max4, sum4 } from './math'

export function softmax_cross_entropy_forward(scores: usize, targets: usize, losses: usize, lse: usize, rows: u32, columns: u32, begin: u32, end: u32): void {
  for (let row = begin; row < end; row++) {
    const target = rowAt(targets, row, 3)
    const from = load<u32>(target, 4)
    const count = load<u32>(target, 8) - from
    const line = rowAt(scores, row, columns)
    const largest = maxOf(at(line, from), count)
    const sum = <f64>largest + Math.log(sumOfExponentials(at(line, from), count, largest))
    store<f32>(at(lse, row), <f32>sum)
    store<f32>(at(losses, row), <f32>(sum - <f64>load<f32>(at(line, load<u32>(target)))))
  }
}

function maxOf(x: usize, count: u32): f32 {
  let largest = f32x4.splat(-Infinity)
  let i: u32 = 0
  for (; i + 4 <= count; i += 4) largest = f32x4.pmax(largest, v128.load(at(x, i)))
  for (; i < count; i++) largest = f32x4.pmax(largest, v128.load32_splat(at(x, i)))
  return max4(largest)
}

function sumOfExponentials(x: usize, count: u32, largest: f32): f64 {
  const shift = f32x4.splat(largest)
  let sum: f64 = 0
  let i: u32 = 0
  for (; i + 4 <= count; i += 4) sum += sum4(exp4(f32x4.sub(v128.load(at(x, i)), shift)))
  for (; i < count; i++) sum += <f64>f32x4.extract_lane(exp4(f32x4.sub(v128.load32_splat(at(x, i)), shift)), 0)
  return sum
}

export function softmax_cross_entropy_backward(targets: usize, weights: usize, lse: usize, scores: usize, rows: u32, columns: u32, begin: u32, end: u32): void {
  for (let row = begin; row < end; row++) {
    const target = rowAt(targets, row, 3)
    const from = load<u32>(target, 4)
    const to = load<u32>(target, 8)
    const line = rowAt(scores, row, columns)
    const weight = load<f32>(at(weights, row))
    memory.fill(line, 0, bytes(from))
    memory.fill(at(line, to), 0, bytes(columns - to))
    probabilities(at(line, from), to - from, load<f32>(at(lse, row)), weight)
    const column = load<u32>(target)
    if (column >= from && column < to) store<f32>(at(line, column), load<f32>(at(line, column)) - weight)
  }
}

/** x = weight · exp(x − lse) */
function probabilities(x: usize, count: u32, lse: f32, weight: f32): void {
  const shift = f32x4.splat(lse)
  const weights = f32x4.splat(weight)
  let i: u32 = 0
  for (; i + 4 <= count; i += 4) v128.store(at(x, i), f32x4.mul(weights, exp4(f32x4.sub(v128.load(at(x, i)), shift))))
  for (; i < count; i++) {
    const value = f32x4.mul(weights, exp4(f32x4.sub(v128.load32_splat(at(x, i)), shift)))
    store<f32>(at(x, i), f32x4.extract_lane(value, 0))
  }
}
