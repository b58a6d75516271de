// Softmax cross entropy over similarities: InfoNCE (van den Oord et al. 2018) with in-batch and hard negatives, weighted rows (tDRO's proxy), and
// both directions. scores = q pᵀ / τ; l_i = −log softmax(scores_i over its candidates)[target_i]; loss = Σ w_i l_i.
import { columnsOf, expectShape, type Tensor } from '../tensor/tensor.js'
import { call, gradientTarget, onBackward, type Param, type Trace, temporary } from '../tensor/trace.js'

/** Per row: which columns are candidates, which one is right, and what the row's loss counts. */
export interface Candidates {
  readonly targets: Tensor // (Q, 3) i32: target, begin, end
  readonly weights: Tensor // (Q) f32: a mean has 1/Q
}

/** q (Q, D), p (P, D) → scores (Q, P) */
export function similarity(trace: Trace, q: Tensor, p: Tensor, temperature: number, name: string): Tensor {
  const width = columnsOf(q)
  expectShape(p, [undefined, width], `similarity ${name}`)
  const [queries, passages] = [q.shape[0]!, p.shape[0]!]
  const scores = temporary(name, [queries, passages], [q, p])
  const plain = { transposeA: 0, transposeB: 0, hasBias: 0, alpha: 1 / temperature }
  call(
    trace,
    'matmul',
    { a: q, b: p, bias: undefined, c: scores },
    { ...plain, M: queries, N: passages, K: width, transposeB: 1, accumulate: 0 },
  )
  onBackward(trace, scores, dscores => {
    if (q.needsGradient) {
      const { target, accumulate } = gradientTarget(trace, q)
      call(
        trace,
        'matmul',
        { a: dscores, b: p, bias: undefined, c: target },
        { ...plain, M: queries, N: width, K: passages, accumulate },
      )
    }
    if (p.needsGradient) {
      const { target, accumulate } = gradientTarget(trace, p)
      const shape = { M: passages, N: width, K: queries, transposeA: 1, accumulate }
      call(trace, 'matmul', { a: dscores, b: q, bias: undefined, c: target }, { ...plain, ...shape })
    }
  })
  return scores
}

/** Columns whose label is that of a row's target are no candidates of the row: the same passage again is no negative. labels (P) i32 */
export function maskDuplicates(trace: Trace, scores: Tensor, targets: Tensor, labels: Tensor): void {
  const [rows, columns] = [scores.shape[0]!, scores.shape[1]!]
  // Masked ones get no gradient from crossEntropy: their share is 0.
  call(trace, 'mask_duplicates', { targets, labels, scores }, { rows, columns })
}

/**
 * The rows' losses (Q) of scores (Q, P), whose memory the backward pass turns into their gradient. Σ w l goes to `loss` (1): written, or
 * added where `accumulate` is 1.
 */
export function crossEntropy(
  trace: Trace,
  scores: Tensor,
  { targets, weights }: Candidates,
  loss: Tensor,
  accumulate: Param,
): Tensor {
  const rows = scores.shape[0]!
  const columns = scores.shape[1]!
  const losses = temporary(`${scores.name}.losses`, [rows])
  const lse = temporary(`${scores.name}.lse`, [rows])
  call(trace, 'softmax_cross_entropy_forward', { scores, targets, losses, lse }, { rows, columns })
  call(trace, 'weighted_sum', { x: losses, weights, out: loss }, { count: rows, accumulate })
  if (trace.training && scores.needsGradient)
    trace.tape.push(() => {
      call(trace, 'softmax_cross_entropy_backward', { targets, weights, lse, scores }, { rows, columns })
      trace.gradients.set(scores, scores)
    })
  return losses
}
