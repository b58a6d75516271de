// L2 normalisation of rows: y = x / max(‖x‖, ε), and its gradient, dx = (dy − y (dy · y)) / ‖x‖, which is set (=). Dot products in f64.
import { at, rowAt } from './memory'
import { dotOfRows } from './reduce'

export function l2_normalize_forward(x: usize, y: usize, norms: usize, rows: u32, columns: u32, epsilon: f32, begin: u32, end: u32): void {
  for (let row = begin; row < end; row++) {
    const from = rowAt(x, row, columns)
    const norm = <f32>Math.sqrt(dotOfRows(from, from, columns))
    store<f32>(at(norms, row), norm)
    combine(from, 0, 0, norm < epsilon ? epsilon : norm, rowAt(y, row, columns), columns)
  }
}

export function l2_normalize_backward(y: usize, norms: usize, dy: usize, dx: usize, rows: u32, columns: u32, epsilon: f32, begin: u32, end: u32): void {
  for (let row = begin; row < end; row++) {
    const norm = load<f32>(at(norms, row))
    const unit = rowAt(y, row, columns)
    const gradient = rowAt(dy, row, columns)
    const to = rowAt(dx, row, columns)
    // Below ε the divisor is a constant
    if (norm < epsilon) combine(gradient, 0, 0, epsilon, to, columns)
    else combine(gradient, unit, <f32>dotOfRows(gradient, unit, columns), norm, to, columns)
  }
}

/** out = (x − factor · y) / divisor; y is 0 for none. */
function combine(x: usize, y: usize, factor: f32, divisor: f32, out: usize, columns: u32): void {
  const factors = f32x4.splat(factor)
  const divisors = f32x4.splat(divisor)
  let j: u32 = 0
  for (; j + 4 <= columns; j += 4) {
    let value = v128.load(at(x, j))
    if (y) value = f32x4.sub(value, f32x4.mul(factors, v128.load(at(y, j))))
    v128.store(at(out, j), f32x4.div(value, divisors))
  }
  for (; j < columns; j++) {
    let value = load<f32>(at(x, j))
    if (y) value -= factor * load<f32>(at(y, j))
    store<f32>(at(out, j), value / divisor)
  }
}
