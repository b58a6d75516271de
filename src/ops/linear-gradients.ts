// The backward pass of linear layers that read one x: of weights and biases, of low-rank updates, of x; and of the activation that x is the result of,
// or that their result goes through.
import { ACTIVATIONS } from '../backend/layer-kernels.js'
import { columnsOf, type Tensor } from '../tensor/tensor.js'
import { call, gradientOf, gradientTarget, shareGradient, type Trace, temporary } from '../tensor/trace.js'
import { elementCount } from './activation.js'
import { sumGroup } from './grouped.js'
import type { Activated, LinearWeights } from './linear.js'
import { lowRankGradients, type Updated } from './low-rank.js'
import { type Finish, multiply, plainProduct } from './product.js'
import { weightGradient } from './weight-gradients.js'

/** Where the reader of the result did not hand its gradient on. */
export function activationGradient(trace: Trace, { y, input, gate, activation }: Activated): void {
  const dy = y.needsGradient ? gradientOf(trace, y) : undefined
  if (!dy) return
  const params = { count: elementCount(y), kind: ACTIVATIONS.indexOf(activation) }
  const dinput = temporary(`d${input.name}`, y.shape)
  if (gate) {
    const dgate = temporary(`d${gate.name}`, y.shape)
    call(trace, 'gated_activation_backward', { gate, up: input, dy, dgate, dup: dinput }, params)
    shareGradient(trace, gate, dgate)
  } else call(trace, 'activation_backward', { x: input, dy, dx: dinput }, params)
  shareGradient(trace, input, dinput)
}

export function gradients(
  trace: Trace,
  x: Tensor,
  made: readonly { readonly y: Tensor; readonly weights: LinearWeights }[],
  groups: readonly (readonly Updated[])[],
  from: Activated | undefined,
): void {
  const reached = made.flatMap(({ y, weights }) => {
    const dy = y.needsGradient ? gradientOf(trace, y) : undefined
    return dy ? [{ dy, ...weights }] : []
  })
  for (const { dy, weight, bias } of reached) {
    if (weight.needsGradient) weightGradient(trace, dy, x, weight, 1)
    const sums = { rows: dy.shape[0]!, columns: columnsOf(dy) }
    if (bias?.needsGradient) call(trace, 'column_sum', { x: dy, out: gradientTarget(trace, bias).target }, sums)
  }
  if (from && x.needsGradient && reached.length > 0) {
    slopeGradients(trace, x, reached, groups, from)
    return
  }
  if (x.needsGradient && !sumGroup(trace, reached, () => gradientTarget(trace, x)))
    for (const { dy, weight } of reached) {
      const { target, accumulate } = gradientTarget(trace, x)
      multiply(trace, { a: dy, b: weight, bias: undefined, c: target }, inputParams(x, dy, accumulate))
    }
  for (const group of groups) lowRankGradients(trace, x, group)
}

/** Of the factors of the activation that x is: in the epilogue of the last product, so that nothing may be added after it. */
function slopeGradients(
  trace: Trace,
  x: Tensor,
  reached: readonly { readonly dy: Tensor; readonly weight: Tensor }[],
  groups: readonly (readonly Updated[])[],
  { input, gate, activation }: Activated,
): void {
  const dx = temporary(`d${input.name}`, input.shape)
  let accumulate: 0 | 1 = 0
  for (const group of groups) if (lowRankGradients(trace, x, group, { target: dx, accumulate })) accumulate = 1
  const kind = ACTIVATIONS.indexOf(activation)
  const beside = gate && temporary(`d${gate.name}`, gate.shape)
  const slopes: Finish = gate
    ? { epilogue: 'gated_slope', kind, with0: gate, with1: input, beside }
    : { epilogue: 'slope', kind, with0: input }
  for (const each of reached) {
    const finish = each === reached.at(-1) ? slopes : undefined
    multiply(trace, { a: each.dy, b: each.weight, bias: undefined, c: dx }, inputParams(x, each.dy, accumulate), {
      finish,
    })
    accumulate = 1
  }
  if (gate) shareGradient(trace, gate, beside!)
  shareGradient(trace, input, dx)
}

/** dx (T, in) = [dx +] dy W */
const inputParams = (x: Tensor, dy: Tensor, accumulate: 0 | 1) => ({
  ...plainProduct,
  ...{ M: x.shape[0]!, N: columnsOf(x), K: columnsOf(dy), accumulate },
})
