// What losses of short rows of scores have in common: their kernels give the losses of the rows and, at once, the gradient of the scores.
import { columnsOf, type Tensor } from '../tensor/tensor.js'
import { call, type Param, type Trace, temporary } from '../tensor/trace.js'

/** Where a loss goes: Σ w l to `loss` (1), written, or added where `accumulate` is 1. */
export interface LossTarget {
  readonly weights: Tensor // (Q) f32: a mean has 1/Q
  readonly loss: Tensor // (1)
  readonly accumulate: Param
}

/** scores (Q, n), the positive's first → the rows' losses (Q), as `record` writes them, with the gradient for the backward pass. */
export function rowLoss(
  trace: Trace,
  scores: Tensor,
  { weights, loss, accumulate }: LossTarget,
  record: (losses: Tensor, dscores: Tensor) => void,
): Tensor {
  if (columnsOf(scores) < 2)
    throw new Error(`${scores.name} has ${columnsOf(scores)} passage a query, expected at least one negative beside it`)
  const rows = scores.shape[0]!
  const losses = temporary(`${scores.name}.losses`, [rows])
  const dscores = temporary(`d${scores.name}`, scores.shape)
  record(losses, dscores)
  call(trace, 'weighted_sum', { x: losses, weights, out: loss }, { count: rows, accumulate })
  if (trace.training && scores.needsGradient) trace.tape.push(() => trace.gradients.set(scores, dscores))
  return losses
}
