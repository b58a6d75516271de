// The rows of the kernel table that losses are made of; the conventions are those of kernels.ts.
import {
  at,
  f32,
  type KernelSpec,
  optional,
  type Params,
  read,
  readInt,
  spec,
  u32,
  units,
  update,
  write,
} from './kernel-spec.js'

const groupFlops = (p: Params) => 2 * at(p, 'rows') * at(p, 'columns') * at(p, 'width')

export const lossKernels = {
  // scores[row, c] = the lowest f32 where labels[c] is that of the row's target column and c is another: no candidate, p = 0. targets (rows, 3)
  mask_duplicates: {
    tensors: { targets: readInt, labels: readInt, scores: update },
    params: { rows: u32, columns: u32 },
    units: units('rows'),
  },
  // targets (rows, 3) = (target, begin, end): losses = lse − scores[target], lse over the columns [begin, end) of scores (rows, columns)
  softmax_cross_entropy_forward: {
    tensors: { scores: read, targets: readInt, losses: write, lse: write },
    params: { rows: u32, columns: u32 },
    units: units('rows'),
  },
  // In place: scores becomes its gradient, weights[row] · (p − [column = target]), p = exp(scores − lse) over its own sum, so that the rounding of lse
  // does not count; the target's is −weights[row] · Σ of the others, so that the row sums to 0. 0 outside [begin, end).
  softmax_cross_entropy_backward: {
    tensors: { targets: readInt, weights: read, lse: read, scores: update },
    params: { rows: u32, columns: u32 },
    units: units('rows'),
  },
  // Rows that are seen a tile of columns at a time, first … first + columns − 1. stats (rows, 3) = (greatest score, Σ exp(score − greatest) over the
  // candidates but the target, the target's score), taken on from tile to tile unless fresh. labels, of all columns: one with the label of the row's
  // target that is another is no candidate; nor is one outside [begin, end).
  softmax_tile_forward: {
    tensors: { scores: read, targets: readInt, labels: optional.int, stats: update },
    params: { rows: u32, columns: u32, first: u32, hasLabels: u32, fresh: u32 },
    units: units('rows'),
  },
  // losses (rows) = log Σ exp − the target's score, of stats that have seen every tile
  softmax_tile_losses: {
    tensors: { targets: readInt, stats: read, losses: write },
    params: { rows: u32 },
    units: units('rows'),
  },
  // In place: a tile's scores become their gradient, as in softmax_cross_entropy_backward; 0 where a column is no candidate.
  softmax_tile_backward: {
    tensors: { targets: readInt, labels: optional.int, weights: read, stats: read, scores: update },
    params: { rows: u32, columns: u32, first: u32, hasLabels: u32 },
    units: units('rows'),
  },
  // scores (rows, columns) = alpha · query · passage, of each query (rows, width) and its own passages (rows · columns, width)
  group_scores: {
    tensors: { query: read, passage: read, scores: write },
    params: { rows: u32, columns: u32, width: u32, alpha: f32 },
    units: units('rows'),
    flops: groupFlops,
  },
  // dquery = [dquery +] alpha · Σ over its passages of dscores · passage
  group_scores_backward_query: {
    tensors: { dscores: read, passage: read, dquery: update },
    params: { rows: u32, columns: u32, width: u32, alpha: f32, accumulate: u32 },
    units: units('rows'),
    flops: groupFlops,
  },
  // dpassage = [dpassage +] alpha · dscores · query
  group_scores_backward_passage: {
    tensors: { dscores: read, query: read, dpassage: update },
    params: { rows: u32, columns: u32, width: u32, alpha: f32, accumulate: u32 },
    units: units('rows'),
    flops: groupFlops,
  },
  // Losses of rows of scores (rows, columns), the positive's in column 0, with dscores = weights[row] · ∂loss/∂scores. columns ≥ 2.
  // losses = mean over j > 0 of log(1 + exp(s_j − s_0))
  pairwise_softmax: {
    tensors: { scores: read, weights: read, losses: write, dscores: write },
    params: { rows: u32, columns: u32 },
    units: units('rows'),
  },
  // losses = mean over j > 0 of max(0, margin + s_j − s_0)
  triplet_margin: {
    tensors: { scores: read, weights: read, losses: write, dscores: write },
    params: { rows: u32, columns: u32, margin: f32 },
    units: units('rows'),
  },
  // losses = mean over j > 0 of ((s_0 − s_j) − (t_0 − t_j))²
  margin_mse: {
    tensors: { scores: read, teacher: read, weights: read, losses: write, dscores: write },
    params: { rows: u32, columns: u32 },
    units: units('rows'),
  },
  // losses = Σ t (log t − log softmax(scores)), t = softmax(sharpness · teacher)
  kl_divergence: {
    tensors: { scores: read, teacher: read, weights: read, losses: write, dscores: write },
    params: { rows: u32, columns: u32, sharpness: f32 },
    units: units('rows'),
  },
  // MaxSim of packed token vectors: scores (queries, columns) = alpha · Σ over a query's tokens of the greatest similarity with a kept token of the
  // document, dot product or, with l2, −‖q − d‖²; the lowest f32 where no token is kept. Column j of query i is document j or, where grouped,
  // document i · columns + j. best (queryTokens, columns): the row of `document` of each maximum, the first of equal ones, −1 where there is none.
  maxsim_forward: {
    tensors: {
      query: read,
      document: read,
      queryOffsets: readInt,
      documentOffsets: readInt,
      keep: optional.int,
      scores: write,
      best: optional.writeInt,
    },
    params: {
      ...{ queries: u32, columns: u32, queryTokens: u32, documentTokens: u32, width: u32 },
      ...{ grouped: u32, l2: u32, hasKeep: u32, hasBest: u32, alpha: f32 },
    },
    units: (p: Params) => at(p, p.grouped ? 'queries' : 'columns'),
    // Of all pairs of tokens; where grouped, of as many documents a query as there are columns, of mean length
    flops: (p: Params) =>
      (2 * at(p, 'queryTokens') * at(p, 'documentTokens') * at(p, 'width')) / (p.grouped ? at(p, 'queries') : 1),
  },
  // dquery = [dquery +] alpha · Σ_j dscores[owners[t], j] · (document[best], or 2 (document[best] − query) with l2)
  maxsim_backward_query: {
    tensors: { dscores: read, best: readInt, owners: readInt, query: read, document: read, dquery: update },
    params: { queryTokens: u32, columns: u32, width: u32, l2: u32, accumulate: u32, alpha: f32 },
    units: units('queryTokens'),
  },
  // ddocument = [ddocument +] alpha · Σ over the query tokens whose maximum it is of dscores · (query, or 2 (query − document) with l2)
  maxsim_backward_document: {
    tensors: {
      dscores: read,
      best: readInt,
      queryOffsets: readInt,
      documentOffsets: readInt,
      query: read,
      document: read,
      ddocument: update,
    },
    params: {
      ...{ queries: u32, documents: u32, columns: u32, queryTokens: u32, documentTokens: u32, width: u32 },
      ...{ grouped: u32, l2: u32, accumulate: u32, alpha: f32 },
    },
    units: units('documents'),
  },
  // y (rows, columns) = [y +] factors[row] · x
  scale_rows: {
    tensors: { x: read, factors: read, y: update },
    params: { rows: u32, columns: u32, accumulate: u32 },
    units: units('rows'),
  },
  // y (2 · words): f16 bits two to a word, the first in its low half, as f32; finite ones only
  unpack_f16: {
    tensors: { x: spec('read', 'u32'), y: write },
    params: { words: u32 },
    units: units('words'),
  },
  // tokens (rows, words): from the lowest bit on a row's code (codeBits), its scale (3 bits), then fields. Of column c fields says the first bit of its
  // field and, from bit 16 on, how many it has: the same four columns at a time, 6 at most. x: a field counted from its middle.
  // y (rows, columns) = centroids[code] + scales[scale] · x (curves[0] + curves[1] x²), scaled to length 1 where normalize is 1; a row of zeros stays one
  unpack_residuals: {
    tensors: {
      tokens: spec('read', 'u32'),
      ...{ centroids: read, scales: read, curves: read, fields: readInt, y: write },
    },
    params: { rows: u32, columns: u32, words: u32, codeBits: u32, normalize: u32 },
    units: units('rows'),
  },
} as const satisfies Record<string, KernelSpec>
