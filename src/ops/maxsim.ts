// Late interaction: scores of queries and documents that have a vector a token (ColBERT, Khattab and Zaharia 2020).
// s_ij = Σ over query i's tokens of the greatest similarity with a token of document j. The matrix of tokens by tokens is never stored: forward keeps
// where each maximum was, backward runs along that.
import { columnsOf, type Dim, expectShape, type Tensor } from '../tensor/tensor.js'
import { call, gradientTarget, onBackward, type Trace, temporary } from '../tensor/trace.js'

/** Vectors of the tokens of packed texts. */
export interface TokenVectors {
  readonly vectors: Tensor // (T, D)
  readonly offsets: Tensor // (B + 1) i32
  readonly texts: Dim
  readonly tokens: Dim
}

export interface MaxSimOptions {
  /** dot: the vectors as they are (cosine: normalised before); l2: −‖q − d‖². */
  readonly similarity: 'dot' | 'l2'
  /** Documents of each query, one after another, of which alone it sees; absent: every query sees every document. */
  readonly perQuery?: number
  /** (T of the documents) i32: 0 where a token is no candidate for the maximum; absent: all are. */
  readonly keep?: Tensor
  readonly temperature?: number
  readonly name: string
}

/** Scores (Q, documents) or (Q, perQuery). `owners` (T of the queries) i32: which query each token is of; for the backward pass. */
export function maxSim(
  trace: Trace,
  query: TokenVectors & { readonly owners?: Tensor },
  document: TokenVectors,
  { similarity, perQuery, keep, temperature = 1, name }: MaxSimOptions,
): Tensor {
  const [q, d] = [query.vectors, document.vectors]
  const width = columnsOf(q)
  expectShape(d, [undefined, width], `MaxSim ${name}`)
  const columns = perQuery ?? document.texts
  const scores = temporary(name, [query.texts, columns], [q, d])
  const training = trace.training && scores.needsGradient
  const best: Tensor | undefined = training
    ? { ...temporary(`${name}.best`, [query.tokens, columns]), dtype: 'i32' }
    : undefined
  const offsets = { queryOffsets: query.offsets, documentOffsets: document.offsets }
  const sizes = { queries: query.texts, columns, queryTokens: query.tokens, documentTokens: document.tokens, width }
  const kind = { l2: similarity === 'l2' ? 1 : 0, alpha: 1 / temperature }
  const grouped = perQuery === undefined ? 0 : 1
  call(
    trace,
    'maxsim_forward',
    { query: q, document: d, ...offsets, keep, scores, best },
    { ...sizes, ...kind, grouped, hasKeep: keep ? 1 : 0, hasBest: training ? 1 : 0 },
  )
  if (!best) return scores
  onBackward(trace, scores, dscores => {
    const shared = { dscores, best, query: q, document: d }
    if (q.needsGradient) {
      if (!query.owners) throw new Error(`MaxSim ${name}: the backward pass needs the query of each token`)
      const { target, accumulate } = gradientTarget(trace, q)
      const params = { queryTokens: query.tokens, columns, width, ...kind, accumulate }
      call(trace, 'maxsim_backward_query', { ...shared, owners: query.owners, dquery: target }, params)
    }
    if (d.needsGradient) {
      const { target, accumulate } = gradientTarget(trace, d)
      const params = { ...sizes, ...kind, documents: document.texts, grouped, accumulate }
      call(trace, 'maxsim_backward_document', { ...shared, ...offsets, ddocument: target }, params)
    }
  })
  return scores
}

/** factors (N) · x (N, C) by rows: with factors of 0 and 1, rows that take part as zero vectors. */
export function scaleRows(trace: Trace, x: Tensor, factors: Tensor, name: string): Tensor {
  const y = temporary(name, x.shape, [x])
  const shape = { rows: x.shape[0]!, columns: columnsOf(x) }
  call(trace, 'scale_rows', { x, factors, y }, { ...shape, accumulate: 0 })
  onBackward(trace, y, dy => {
    const { target, accumulate } = gradientTarget(trace, x)
    call(trace, 'scale_rows', { x: dy, factors, y: target }, { ...shape, accumulate })
  })
  return y
}

/** The text of each token, for `owners`. */
export function ownersOf(offsets: Int32Array): Int32Array {
  const owners = new Int32Array(offsets.at(-1) ?? 0)
  for (let i = 0; i + 1 < offsets.length; i++) owners.fill(i, offsets[i]!, offsets[i + 1]!)
  return owners
}
