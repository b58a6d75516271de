// Softmax cross-entropy of rows of scores over a range of columns of each row (InfoNCE: one target, the others negatives).
// targets (rows, 3) = (target, begin, end); loss = lse − scores[target]. Forward sets (=); backward turns scores into its gradient in place.
import { at, rowAt, bytes } from './memory'
import { exp4, max4, sum4 } from './math'

/** Columns with the label of the row's target, other than itself, are no candidates. */
export function mask_duplicates(targets: usize, labels: usize, scores: usize, rows: u32, columns: u32, begin: u32, end: u32): void {
  for (let row = begin; row < end; row++) {
    const line = rowAt(scores, row, columns)
    const target = load<u32>(rowAt(targets, row, 3))
    const label = load<i32>(at(labels, target))
    for (let c: u32 = 0; c < columns; c++)
      if (load<i32>(at(labels, c)) == label && c != target) store<f32>(at(line, c), -f32.MAX_VALUE)
  }
}

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
    exponentials(at(line, from), to - from, load<f32>(at(lse, row)))
    // Over their own sum, so that the rounding of a large lse does not count; the target's is what the others sum to, so that the row sums to 0
    const column = load<u32>(target)
    const inside = column >= from && column < to
    const own: f64 = inside ? <f64>load<f32>(at(line, column)) : 0
    if (inside) store<f32>(at(line, column), 0)
    const others = sumOf(at(line, from), to - from)
    const factor = <f64>weight / (others + own)
    scale(at(line, from), to - from, <f32>factor)
    // As they were rounded
    if (inside) store<f32>(at(line, column), -<f32>sumOf(at(line, from), to - from))
  }
}

function sumOf(x: usize, count: u32): f64 {
  let sum: f64 = 0
  for (let i: u32 = 0; i < count; i++) sum += <f64>load<f32>(at(x, i))
  return sum
}

/** x *= factor */
function scale(x: usize, count: u32, factor: f32): void {
  let i: u32 = 0
  for (; i + 4 <= count; i += 4) v128.store(at(x, i), f32x4.mul(f32x4.splat(factor), v128.load(at(x, i))))
  for (; i < count; i++) store<f32>(at(x, i), factor * load<f32>(at(x, i)))
}

/** x = exp(x − lse) */
function exponentials(x: usize, count: u32, lse: f32): void {
  const shift = f32x4.splat(lse)
  let i: u32 = 0
  for (; i + 4 <= count; i += 4) v128.store(at(x, i), exp4(f32x4.sub(v128.load(at(x, i)), shift)))
  for (; i < count; i++) {
    const value = exp4(f32x4.sub(v128.load32_splat(at(x, i)), shift))
    store<f32>(at(x, i), f32x4.extract_lane(value, 0))
  }
}
