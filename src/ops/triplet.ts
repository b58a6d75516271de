// The triplet loss on similarities (FaceNet, Schroff et al. 2015): l_i = mean over j of max(0, margin − s_i0 + s_ij)
import { columnsOf, type Tensor } from '../tensor/tensor.js'
import { call, type Trace } from '../tensor/trace.js'
import { type LossTarget, rowLoss } from './row-loss.js'

/** scores (Q, n), the positive's first → the rows' losses (Q) */
export const triplet = (trace: Trace, scores: Tensor, margin: number, to: LossTarget): Tensor =>
  rowLoss(trace, scores, to, (losses, dscores) => {
    const shape = { rows: scores.shape[0]!, columns: columnsOf(scores), margin }
    call(trace, 'triplet_margin', { scores, weights: to.weights, losses, dscores }, shape)
  })
