// Losses that follow a teacher's scores of the same passages.
// Margin-MSE (Hofstätter et al. 2020): l_i = mean over j of ((s_i0 − s_ij) − (t_i0 − t_ij))²
// KL divergence: l_i = Σ_j t_ij (log t_ij − log softmax(s_i)_j), t = softmax(teacher / temperature)
import { columnsOf, expectShape, type Tensor } from '../tensor/tensor.js'
import { call, type Trace } from '../tensor/trace.js'
import { type LossTarget, rowLoss } from './row-loss.js'

/** scores and teacher (Q, n), the positive's first → the rows' losses (Q) */
export function marginMse(trace: Trace, scores: Tensor, teacher: Tensor, to: LossTarget): Tensor {
  expectShape(teacher, scores.shape, 'the teacher of margin-MSE')
  const shape = { rows: scores.shape[0]!, columns: columnsOf(scores) }
  return rowLoss(trace, scores, to, (losses, dscores) => {
    call(trace, 'margin_mse', { scores, teacher, weights: to.weights, losses, dscores }, shape)
  })
}

/** scores and teacher (Q, n) → the rows' losses (Q) */
export function klDivergence(
  trace: Trace,
  scores: Tensor,
  teacher: Tensor,
  temperature: number,
  to: LossTarget,
): Tensor {
  expectShape(teacher, scores.shape, 'the teacher of the KL divergence')
  const shape = { rows: scores.shape[0]!, columns: columnsOf(scores), sharpness: 1 / temperature }
  return rowLoss(trace, scores, to, (losses, dscores) => {
    call(trace, 'kl_divergence', { scores, teacher, weights: to.weights, losses, dscores }, shape)
  })
}
