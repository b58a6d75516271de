// The softmax of each pair of a positive and a negative (RankNet, Burges et al. 2005; ColBERT, Khattab and Zaharia 2020):
// l_i = mean over j of −log softmax([s_i0, s_ij])_0
import { columnsOf, type Tensor } from '../tensor/tensor.js'
import { call, type Trace } from '../tensor/trace.js'
import { type LossTarget, rowLoss } from './row-loss.js'

/** scores (Q, n), the positive's first → the rows' losses (Q) */
export const pairwiseSoftmax = (trace: Trace, scores: Tensor, to: LossTarget): Tensor =>
  rowLoss(trace, scores, to, (losses, dscores) => {
    const shape = { rows: scores.shape[0]!, columns: columnsOf(scores) }
    call(trace, 'pairwise_softmax', { scores, weights: to.weights, losses, dscores }, shape)
  })
