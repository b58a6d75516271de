// GELU (Hendrycks and Gimpel 2016): y = x · Φ(x), exact (erf) or by the tanh approximation; activations and their gradients are set (=).
// tanh form: (1 + tanh w) / 2 = sigmoid(2w), 2w = √(8/π) · (x + 0.044715 x³)
import { at, bytes, scratchAt } from './memory'
import { gaussian4, normalCdf4, sigmoid4 } from './math'

const TWO_W: f32 = 1.5957691216
const CUBIC: f32 = 0.044715
const INVERSE_SQRT_2PI: f32 = 0.3989422804

@inline
function gelu4(x: v128, approximate: bool): v128 {
  return f32x4.mul(x, approximate ? sigmoid4(twoW(x)) : normalCdf4(x, gaussian4(x)))
}

@inline
function twoW(x: v128): v128 {
  const factor = f32x4.add(f32x4.splat(TWO_W), f32x4.mul(f32x4.splat(TWO_W * CUBIC), f32x4.mul(x, x)))
  return f32x4.mul(x, factor)
}

/** Φ(x) + x · φ(x); tanh form: s + x · s (1 − s) · 2w′ */
@inline
function slope4(x: v128, approximate: bool): v128 {
  if (approximate) {
    const s = sigmoid4(twoW(x))
    const inner = f32x4.add(f32x4.splat(TWO_W), f32x4.mul(f32x4.splat(3 * TWO_W * CUBIC), f32x4.mul(x, x)))
    return f32x4.add(s, f32x4.mul(f32x4.mul(x, inner), f32x4.mul(s, f32x4.sub(f32x4.splat(1), s))))
  }
  const g = gaussian4(x)
  return f32x4.add(normalCdf4(x, g), f32x4.mul(f32x4.mul(x, g), f32x4.splat(INVERSE_SQRT_2PI)))
}

export function gelu_forward(x: usize, y: usize, count: u32, approximate: u32, begin: u32, end: u32): void {
  let i = begin
  for (; i + 4 <= end; i += 4) v128.store(at(y, i), gelu4(v128.load(at(x, i)), approximate != 0))
  if (i == end) return
  const few = scratchAt(0)
  memory.copy(few, at(x, i), bytes(end - i))
  v128.store(few, gelu4(v128.load(few), approximate != 0))
  memory.copy(at(y, i), few, bytes(end - i))
}

export function gelu_backward(x: usize, dy: usize, dx: usize, count: u32, approximate: u32, begin: u32, end: u32): void {
  let i = begin
  for (; i + 4 <= end; i += 4) v128.store(at(dx, i), f32x4.mul(v128.load(at(dy, i)), slope4(v128.load(at(x, i)), approximate != 0)))
  if (i == end) return
  const few = scratchAt(0)
  memory.copy(few, at(x, i), bytes(end - i))
  memory.copy(few + 16, at(dy, i), bytes(end - i))
  v128.store(few, f32x4.mul(v128.load(few, 16), slope4(v128.load(few), approximate != 0)))
  memory.copy(at(dx, i), few, bytes(end - i))
}
