// Adam (Kingma and Ba 2015), with decoupled weight decay (Loshchilov and Hutter 2019) or with decay in the gradient; behind the guard of
// gradient_norm: where the norm was not finite nothing changes. Everything elementwise in f32.
import { at, bytes, scratchAt } from './memory'

export function adamw(
  gradient: usize, state: usize, parameters: usize, m: usize, v: usize,
  count: u32, rate: f32, beta1: f32, oneMinusBeta1: f32, beta2: f32, oneMinusBeta2: f32, epsilon: f32, decay: f32,
  correction1: f32, correction2: f32, decoupled: u32, begin: u32, end: u32,
): void {
  if (load<f32>(state, 8) == 0) return
  const factor = load<f32>(state, 4)
  const shrink: f32 = decoupled ? 1 - rate * decay : 1
  const added: f32 = decoupled ? 0 : decay
  let i = begin
  for (; i + 4 <= end; i += 4) {
    step4(at(gradient, i), at(parameters, i), at(m, i), at(v, i), factor, rate, beta1, oneMinusBeta1, beta2, oneMinusBeta2, epsilon, shrink, added, correction1, correction2)
  }
  if (i == end) return
  // The last few go through the same four lanes, in scratch: the compiler must not have a second way to round them
  const few = scratchAt(0)
  const length = bytes(end - i)
  memory.copy(few, at(gradient, i), length)
  memory.copy(few + 16, at(parameters, i), length)
  memory.copy(few + 32, at(m, i), length)
  memory.copy(few + 48, at(v, i), length)
  step4(few, few + 16, few + 32, few + 48, factor, rate, beta1, oneMinusBeta1, beta2, oneMinusBeta2, epsilon, shrink, added, correction1, correction2)
  memory.copy(at(parameters, i), few + 16, length)
  memory.copy(at(m, i), few + 32, length)
  memory.copy(at(v, i), few + 48, length)
}

@inline
function step4(
  gradient: usize, parameters: usize, m: usize, v: usize, factor: f32, rate: f32, beta1: f32, oneMinusBeta1: f32, beta2: f32, oneMinusBeta2: f32,
  epsilon: f32, shrink: f32, added: f32, correction1: f32, correction2: f32,
): void {
  let theta = v128.load(parameters)
  let g = f32x4.mul(f32x4.splat(factor), v128.load(gradient))
  g = f32x4.add(g, f32x4.mul(f32x4.splat(added), theta))
  theta = f32x4.mul(theta, f32x4.splat(shrink))
  const first = f32x4.add(f32x4.mul(f32x4.splat(beta1), v128.load(m)), f32x4.mul(f32x4.splat(oneMinusBeta1), g))
  const second = f32x4.add(f32x4.mul(f32x4.splat(beta2), v128.load(v)), f32x4.mul(f32x4.splat(oneMinusBeta2), f32x4.mul(g, g)))
  v128.store(m, first)
  v128.store(v, second)
  const root = f32x4.add(f32x4.sqrt(f32x4.mul(second, f32x4.splat(correction2))), f32x4.splat(epsilon))
  const update = f32x4.div(f32x4.mul(first, f32x4.splat(correction1)), root)
  v128.store(parameters, f32x4.sub(theta, f32x4.mul(f32x4.splat(rate), update)))
}
