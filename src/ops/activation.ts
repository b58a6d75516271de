// GELU: x · Φ(x), by erf or by the tanh approximation (Hendrycks & Gimpel 2016).
import type { Tensor } from '../tensor/tensor.js'
import { sizeOf } from '../tensor/tensor.js'
import { call, onBackward, type Param, shareGradient, type Trace, temporary } from '../tensor/trace.js'

export type Activation = 'gelu' | 'gelu_tanh' | 'silu' | 'relu' | 'tanh'

export const elementCount =
  (tensor: Tensor): Param =>
  values =>
    tensor.shape.reduce<number>((product, dim) => product * sizeOf(dim, values), 1)

/** Elementwise over x of any shape. */
export function activate(trace: Trace, x: Tensor, activation: Activation, name: string): Tensor {
  if (activation !== 'gelu' && activation !== 'gelu_tanh') throw new Error(`activation ${activation} is not there yet`)
  const y = temporary(name, x.shape, [x])
  const params = { count: elementCount(x), approximate: activation === 'gelu_tanh' ? 1 : 0 }
  call(trace, 'gelu_forward', { x, y }, params)
  onBackward(trace, y, dy => {
    const dx = temporary(`d${x.name}`, x.shape)
    call(trace, 'gelu_backward', { x, dy, dx }, params)
    shareGradient(trace, x, dx)
  })
  return y
}

/** act(gate) ⊙ up of two tensors of one shape (Shazeer 2020). */
export function gatedActivation(
  _trace: Trace,
  _gate: Tensor,
  _up: Tensor,
  kind: 'silu' | 'gelu' | 'gelu_tanh',
  name: string,
): Tensor {
  throw new Error(`gated activation ${name}: ${kind} is not there yet`)
}
