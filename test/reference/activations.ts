// Activations and gated ones, by their numbers in the kernel table.
import { ACTIVATIONS } from '../../src/backend/layer-kernels.js'
import { normalCdf, normalDensity } from './error-function.js'
import type { Reference } from './types.js'

const TANH_SCALE = Math.sqrt(2 / Math.PI)
const TANH_CUBE = 0.044715

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
const inner = (x: number) => TANH_SCALE * (x + TANH_CUBE * x ** 3)

export const activations: Record<(typeof ACTIVATIONS)[number], (x: number) => number> = {
  gelu: x => x * normalCdf(x),
  gelu_tanh: x => 0.5 * x * (1 + Math.tanh(inner(x))),
  silu: x => x * sigmoid(x),
  relu: x => Math.max(x, 0),
  tanh: x => Math.tanh(x),
}

export const slopes: Record<(typeof ACTIVATIONS)[number], (x: number) => number> = {
  gelu: x => normalCdf(x) + x * normalDensity(x),
  // d/dx of ½x(1 + tanh u) is ½(1 + tanh u) + ½x(1 − tanh² u)u′.
  gelu_tanh: x => {
    const tanh = Math.tanh(inner(x))
    return 0.5 * (1 + tanh) + 0.5 * x * (1 - tanh ** 2) * TANH_SCALE * (1 + 3 * TANH_CUBE * x ** 2)
  },
  silu: x => sigmoid(x) + x * sigmoid(x) * (1 - sigmoid(x)),
  relu: x => (x > 0 ? 1 : 0),
  tanh: x => 1 - Math.tanh(x) ** 2,
}

export const activation_forward: Reference<'activation_forward'> = ({ x, y }, { count, kind }) => {
  const act = activations[ACTIVATIONS[kind]!]
  for (let i = 0; i < count; i++) y[i] = act(x[i]!)
}

export const activation_backward: Reference<'activation_backward'> = ({ x, dy, dx }, { count, kind }) => {
  const slope = slopes[ACTIVATIONS[kind]!]
  for (let i = 0; i < count; i++) dx[i] = dy[i]! * slope(x[i]!)
}

export const gated_activation_forward: Reference<'gated_activation_forward'> = ({ gate, up, y }, { count, kind }) => {
  const act = activations[ACTIVATIONS[kind]!]
  for (let i = 0; i < count; i++) y[i] = act(gate[i]!) * up[i]!
}

export const gated_activation_backward: Reference<'gated_activation_backward'> = (
  { gate, up, dy, dgate, dup },
  { count, kind },
) => {
  const [act, slope] = [activations[ACTIVATIONS[kind]!], slopes[ACTIVATIONS[kind]!]]
  for (let i = 0; i < count; i++) {
    dgate[i] = dy[i]! * up[i]! * slope(gate[i]!)
    dup[i] = dy[i]! * act(gate[i]!)
  }
}
