// Scores of each query against its own passages alone, the same number for every query: what losses without in-batch negatives look at.
// s_ij = q_i · p_{i n + j} / τ
import { columnsOf, expectShape, type Tensor } from '../tensor/tensor.js'
import { call, gradientTarget, onBackward, type Trace, temporary } from '../tensor/trace.js'

/** q (Q, D), p (Q · perQuery, D), a query's passages one after another → scores (Q, perQuery) */
export function groupScores(
  trace: Trace,
  q: Tensor,
  p: Tensor,
  { perQuery, temperature, name }: { readonly perQuery: number; readonly temperature: number; readonly name: string },
): Tensor {
  const width = columnsOf(q)
  expectShape(p, [undefined, width], `scores ${name}`)
  const rows = q.shape[0]!
  const scores = temporary(name, [rows, perQuery], [q, p])
  const shape = { rows, columns: perQuery, width, alpha: 1 / temperature }
  call(trace, 'group_scores', { query: q, passage: p, scores }, shape)
  onBackward(trace, scores, dscores => {
    if (q.needsGradient) {
      const { target, accumulate } = gradientTarget(trace, q)
      call(trace, 'group_scores_backward_query', { dscores, passage: p, dquery: target }, { ...shape, accumulate })
    }
    if (p.needsGradient) {
      const { target, accumulate } = gradientTarget(trace, p)
      call(trace, 'group_scores_backward_passage', { dscores, query: q, dpassage: target }, { ...shape, accumulate })
    }
  })
  return scores
}
