// Activations, and gated ones: GELU (Hendrycks and Gimpel 2016) by erf or by the tanh approximation, SiLU, ReLU, tanh.
import { ACTIVATIONS } from '../backend/layer-kernels.js'
import { expectShape, sizeOf, type Tensor } from '../tensor/tensor.js'
import { call, onBackward, type Param, shareGradient, type Trace, temporary } from '../tensor/trace.js'

export type Activation = (typeof ACTIVATIONS)[number]

export const elementCount =
  (tensor: Tensor): Param =>
  values =>
    tensor.shape.reduce<number>((product, dim) => product * sizeOf(dim, values), 1)

/** Elementwise over x of any shape. */
export function activate(trace: Trace, x: Tensor, activation: Activation, name: string): Tensor {
  const y = temporary(name, x.shape, [x])
  const params = { count: elementCount(x), kind: ACTIVATIONS.indexOf(activation) }
  call(trace, 'activation_forward', { x, y }, params)
  onBackward(trace, y, dy => {
    const dx = temporary(`d${x.name}`, x.shape)
    call(trace, 'activation_backward', { x, dy, dx }, params)
    shareGradient(trace, x, dx)
  })
  return y
}

/** act(gate) ⊙ up of two tensors of one shape (Shazeer 2020). */
export function gatedActivation(trace: Trace, gate: Tensor, up: Tensor, activation: Activation, name: string): Tensor {
  expectShape(up, gate.shape, `gated activation ${name}`)
  const y = temporary(name, gate.shape, [gate, up])
  const params = { count: elementCount(gate), kind: ACTIVATIONS.indexOf(activation) }
  call(trace, 'gated_activation_forward', { gate, up, y }, params)
  onBackward(trace, y, dy => {
    const [dgate, dup] = [temporary(`d${gate.name}`, gate.shape), temporary(`d${up.name}`, up.shape)]
    call(trace, 'gated_activation_backward', { gate, up, dy, dgate, dup }, params)
    shareGradient(trace, gate, dgate)
    shareGradient(trace, up, dup)
  })
  return y
}
