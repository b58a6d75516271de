// Activations and their gradients, which are set (=): GELU (Hendrycks and Gimpel 2016), x · Φ(x), exact (erf) or by the tanh approximation; SiLU, x · σ(x)
// (Elfwing et al. 2018); ReLU; tanh; and gated ones, act(gate) · up (Shazeer 2020).
// tanh form of GELU: (1 + tanh w) / 2 = sigmoid(2w), 2w = √(8/π) · (x + 0.044715 x³)
import { at, bytes, scratchAt } from './memory'
import { exp4, gaussian4, normalCdf4, sigmoid4, tanh4 } from './math'

/** ACTIVATIONS of the kernel table; else it is tanh. */
const GELU: u32 = 0
const GELU_TANH: u32 = 1
const SILU: u32 = 2
const RELU: u32 = 3

const TWO_W: f32 = 1.5957691216
const CUBIC: f32 = 0.044715
const INVERSE_SQRT_2PI: f32 = 0.3989422804

@inline
function twoW(x: v128): v128 {
  const factor = f32x4.add(f32x4.splat(TWO_W), f32x4.mul(f32x4.splat(TWO_W * CUBIC), f32x4.mul(x, x)))
  return f32x4.mul(x, factor)
}

@inline
function activation4(x: v128, kind: u32): v128 {
  if (kind == GELU) return f32x4.mul(x, normalCdf4(x, gaussian4(x)))
  if (kind == GELU_TANH) return f32x4.mul(x, sigmoid4(twoW(x)))
  if (kind == SILU) return f32x4.mul(x, sigmoid4(x))
  return kind == RELU ? f32x4.pmax(x, f32x4.splat(0)) : tanh4(x)
}

/** Φ(x) + x · φ(x); tanh form: s + x · s (1 − s) · 2w′; SiLU: s + x · s (1 − s); ReLU: 0 or 1; tanh: 1 − tanh² = 4 e / (1 + e)², e = e^−2|x| */
@inline
function slope4(x: v128, kind: u32): v128 {
  const one = f32x4.splat(1)
  if (kind == GELU) {
    const g = gaussian4(x)
    return f32x4.add(normalCdf4(x, g), f32x4.mul(f32x4.mul(x, g), f32x4.splat(INVERSE_SQRT_2PI)))
  }
  if (kind == GELU_TANH) {
    const s = sigmoid4(twoW(x))
    const inner = f32x4.add(f32x4.splat(TWO_W), f32x4.mul(f32x4.splat(3 * TWO_W * CUBIC), f32x4.mul(x, x)))
    return f32x4.add(s, f32x4.mul(f32x4.mul(x, inner), f32x4.mul(s, f32x4.sub(one, s))))
  }
  if (kind == SILU) {
    const s = sigmoid4(x)
    return f32x4.add(s, f32x4.mul(x, f32x4.mul(s, f32x4.sub(one, s))))
  }
  if (kind == RELU) return v128.and(one, f32x4.gt(x, f32x4.splat(0)))
  const e = exp4(f32x4.mul(f32x4.abs(x), f32x4.splat(-2)))
  const d = f32x4.div(f32x4.splat(2), f32x4.add(one, e))
  return f32x4.mul(e, f32x4.mul(d, d))
}

export function activation_forward(x: usize, y: usize, count: u32, kind: u32, begin: u32, end: u32): void {
  let i = begin
  for (; i + 4 <= end; i += 4) v128.store(at(y, i), activation4(v128.load(at(x, i)), kind))
  if (i == end) return
  const few = fewAt(0, at(x, i), end - i)
  v128.store(few, activation4(v128.load(few), kind))
  memory.copy(at(y, i), few, bytes(end - i))
}

export function activation_backward(x: usize, dy: usize, dx: usize, count: u32, kind: u32, begin: u32, end: u32): void {
  let i = begin
  for (; i + 4 <= end; i += 4) v128.store(at(dx, i), f32x4.mul(v128.load(at(dy, i)), slope4(v128.load(at(x, i)), kind)))
  if (i == end) return
  const few = fewAt(0, at(x, i), end - i)
  v128.store(few, f32x4.mul(v128.load(fewAt(1, at(dy, i), end - i)), slope4(v128.load(few), kind)))
  memory.copy(at(dx, i), few, bytes(end - i))
}

export function gated_activation_forward(gate: usize, up: usize, y: usize, count: u32, kind: u32, begin: u32, end: u32): void {
  let i = begin
  for (; i + 4 <= end; i += 4) v128.store(at(y, i), f32x4.mul(activation4(v128.load(at(gate, i)), kind), v128.load(at(up, i))))
  if (i == end) return
  const few = fewAt(0, at(gate, i), end - i)
  v128.store(few, f32x4.mul(activation4(v128.load(few), kind), v128.load(fewAt(1, at(up, i), end - i))))
  memory.copy(at(y, i), few, bytes(end - i))
}

export function gated_activation_backward(
  gate: usize, up: usize, dy: usize, dgate: usize, dup: usize, count: u32, kind: u32, begin: u32, end: u32,
): void {
  for (let i = begin; i < end; i += 4) {
    const left = end - i
    const whole = left >= 4
    const x = v128.load(whole ? at(gate, i) : fewAt(0, at(gate, i), left))
    const factor = v128.load(whole ? at(up, i) : fewAt(1, at(up, i), left))
    const d = v128.load(whole ? at(dy, i) : fewAt(2, at(dy, i), left))
    const toGate = f32x4.mul(f32x4.mul(d, factor), slope4(x, kind))
    const toUp = f32x4.mul(d, activation4(x, kind))
    v128.store(whole ? at(dgate, i) : scratchAt(0), toGate)
    v128.store(whole ? at(dup, i) : scratchAt(16), toUp)
    if (whole) continue
    memory.copy(at(dgate, i), scratchAt(0), bytes(left))
    memory.copy(at(dup, i), scratchAt(16), bytes(left))
  }
}

/** A copy of the last few, where four may be read: several fit side by side. */
function fewAt(which: u32, x: usize, count: u32): usize {
  memory.copy(scratchAt(16 * which), x, bytes(count))
  return scratchAt(16 * which)
}
