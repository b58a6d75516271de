// What each kernel touches: the least number of elements of every tensor under given parameters, from the shapes in the kernel table. In wasm a
// tensor that is too small corrupts its neighbour in silence, so every call is checked before it runs; tensors whose length only the
// data tell (gathered tables, pooled rows) are left out.
import { EPILOGUES } from './epilogue-kernels.js'
import { rankSum } from './grouped-kernels.js'
import {
  FLOAT_FORMAT,
  int8Words,
  type KernelName,
  kernelSpec,
  type kernels,
  NORM_CHUNK,
  type Params,
  QUANTIZED_GROUP,
  TILE_STRIDE,
} from './kernels.js'

type Sizes = {
  readonly [K in KernelName]: (p: ParamsOf<K>) => Partial<Record<keyof (typeof kernels)[K]['tensors'], number>>
}
type ParamsOf<K extends KernelName> = Readonly<Record<keyof (typeof kernels)[K]['params'], number>>

/** Of a part of a group's memory, where there is one. */
const end = (place: number, size: number): number => (size > 0 ? place + size : 0)
/** Of numbers in a factor's format. */
const wordsOf = (format: number, count: number) => Math.ceil(count / (format === FLOAT_FORMAT ? 1 : 2))

const matrix = (p: { readonly rows: number; readonly columns: number }) => p.rows * p.columns
/** Of an attention call: its tiles, a tensor of query rows, one of key rows, and the statistics with the bias behind them. */
const attention = (p: ParamsOf<'attention_forward'>) => ({
  tiles: p.tiles * TILE_STRIDE,
  queries: p.rows * p.heads * p.headSize,
  keys: p.rows * p.keyValueHeads * p.headSize,
  stats: (2 * p.rows + p.biasRows) * p.heads,
})

const group = (p: { readonly rows: number; readonly columns: number; readonly width: number }) => ({
  query: p.rows * p.width,
  passage: matrix(p) * p.width,
  scores: matrix(p),
})
const rowLoss = (p: { readonly rows: number; readonly columns: number }) => ({
  ...{ scores: matrix(p), teacher: matrix(p), weights: p.rows, losses: p.rows, dscores: matrix(p) },
})
const maxsim = (p: { readonly queryTokens: number; readonly documentTokens: number; readonly width: number }) => ({
  query: p.queryTokens * p.width,
  document: p.documentTokens * p.width,
})

/** Of a factor in 8 or 4 bits. */
const quantizedGroups = (p: ParamsOf<'matmul'>): number =>
  p.transposeB ? p.N * Math.ceil(p.K / QUANTIZED_GROUP) : p.K * Math.ceil(p.N / QUANTIZED_GROUP)

const quantized = (p: ParamsOf<'matmul_quantized'>) => {
  const groups = quantizedGroups(p)
  return { a: p.M * p.K, b: groups * p.bits, groups, bias: p.hasBias ? p.N : 0, c: p.M * p.N }
}

const withEpilogue = (p: ParamsOf<'matmul_epilogue'>, b: number) => {
  const [epilogue, c] = [EPILOGUES[p.epilogue], p.M * p.N]
  const [with0, with1, beside] = {
    activation: [0, 0, p.hasBeside * c],
    gate: [c, 0, p.hasBeside * c],
    slope: [c, 0, 0],
    gated_slope: [c, c, c],
    low_rank: [p.M * p.rank, p.N * p.rank, 0],
    residual: [c, 0, 0],
  }[epilogue ?? 'low_rank']!
  return { a: p.M * p.K, b, bias: p.hasBias ? p.N : 0, with0: with0!, with1: with1!, c, beside: beside! }
}

const quantizedEpilogue = (p: ParamsOf<'matmul_quantized_epilogue'>) => {
  const groups = quantizedGroups(p)
  return { ...withEpilogue(p, groups * p.bits), groups }
}

const attentionForward = (p: ParamsOf<'attention_forward'>) => {
  const { tiles, queries, keys } = attention(p)
  return { q: queries, k: keys, v: keys, tiles, bias: p.biasRows * p.heads, out: queries, lse: p.rows * p.heads }
}
const attentionQueries = (p: ParamsOf<'attention_backward_q'>) => {
  const { tiles, queries, keys, stats } = attention(p)
  return { q: queries, k: keys, v: keys, out: queries, dout: queries, stats, tiles, dq: queries }
}
const attentionQueriesBias = (p: ParamsOf<'attention_backward_q_bias'>) => {
  const { tiles, queries, keys, stats } = attention(p)
  const dbias = p.tiles * p.biasRows * p.heads
  return { q: queries, k: keys, v: keys, dout: queries, stats, tiles, dq: queries, dbias }
}
const attentionKeys = (p: ParamsOf<'attention_backward_kv'>) => {
  const { tiles, queries, keys, stats } = attention(p)
  return { q: queries, k: keys, v: keys, dout: queries, stats, tiles, dk: keys, dv: keys }
}

const groupSizes = (p: ParamsOf<'matmul_grouped'>) => {
  const { M, K, N0, N1, N2 } = p
  return {
    a: M * K,
    b: wordsOf(p.format, Math.max(end(p.b0, N0 * K), end(p.b1, N1 * K), end(p.b2, N2 * K))),
    bias: p.hasBias ? Math.max(end(p.bias0, N0), end(p.bias1, N1), end(p.bias2, N2)) : 0,
    down: M * rankSum(p),
    up: Math.max(end(p.up0, N0 * p.rank0), end(p.up1, N1 * p.rank1), end(p.up2, N2 * p.rank2)),
    c0: M * N0,
    c1: p.gated && !p.hasBeside ? 0 : M * N1,
    c2: M * (p.gated ? N0 : N2),
  }
}
const groupSumSizes = (p: ParamsOf<'matmul_grouped_sum'>) => ({
  ...{ a0: p.M * p.K0, a1: p.M * p.K1, a2: p.M * p.K2, c: p.M * p.N },
  b: wordsOf(p.format, Math.max(end(p.b0, p.K0 * p.N), end(p.b1, p.K1 * p.N), end(p.b2, p.K2 * p.N))),
})

const sizes: Sizes = {
  matmul: p => ({ a: p.M * p.K, b: p.K * p.N, bias: p.hasBias ? p.N : 0, c: p.M * p.N }),
  matmul_half: p => ({ a: p.M * p.K, b: Math.ceil((p.K * p.N) / 2), bias: p.hasBias ? p.N : 0, c: p.M * p.N }),
  matmul_quantized: quantized,
  matmul_f16_quantized: quantized,
  matmul_f16: p => ({
    a: p.M * p.K,
    b: wordsOf(p.format, p.K * p.N),
    bias: p.hasBias ? p.N : 0,
    c: p.M * p.N,
  }),
  matmul_epilogue: p => withEpilogue(p, p.K * p.N),
  matmul_half_epilogue: p => withEpilogue(p, Math.ceil((p.K * p.N) / 2)),
  matmul_quantized_epilogue: quantizedEpilogue,
  matmul_f16_quantized_epilogue: quantizedEpilogue,
  matmul_f16_epilogue: p => withEpilogue(p, wordsOf(p.format, p.K * p.N)),
  matmul_grouped: groupSizes,
  matmul_grouped_sum: groupSumSizes,
  matmul_f16_grouped: groupSizes,
  matmul_f16_grouped_sum: groupSumSizes,
  quantize_rows: p => ({ x: matrix(p), values: p.rows * int8Words(p.columns), scales: p.rows }),
  matmul_int8: p => ({
    a: p.M * int8Words(p.K),
    aScales: p.M,
    b: p.N * int8Words(p.K),
    bScales: p.N,
    bias: p.hasBias ? p.N : 0,
    c: p.M * p.N,
  }),
  column_sum: p => ({ x: matrix(p), out: p.columns }),
  gather_rows: p => ({ index: p.rows, out: matrix(p) }),
  gather_rows_half: p => ({ index: p.rows, out: matrix(p) }),
  scatter_rows: p => ({ starts: p.count + 1, targets: p.count }),
  copy_rows: p => ({ x: (p.from + p.rows) * p.columns, y: (p.to + p.rows) * p.columns }),
  copy_columns: p => ({ x: p.rows * p.source, y: matrix(p) }),
  place_columns: p => ({ x: p.rows * p.xColumns, y: p.rows * p.yColumns }),
  dropout: p => ({ x: matrix(p), keys: p.rows, y: matrix(p) }),
  layer_norm_forward: p => ({
    x: matrix(p),
    residual: p.hasResidual ? matrix(p) : 0,
    keys: p.hasResidual && p.threshold ? p.rows : 0,
    gamma: p.columns,
    beta: p.hasBeta ? p.columns : 0,
    sum: p.hasResidual ? matrix(p) : 0,
    y: matrix(p),
    stats: 2 * p.rows,
  }),
  layer_norm_backward: p => ({
    ...{ dy: matrix(p), z: matrix(p), stats: 2 * p.rows, gamma: p.columns, dz: matrix(p) },
    ...{ keys: p.hasBranch && p.threshold ? p.rows : 0, dbranch: p.hasBranch ? matrix(p) : 0 },
  }),
  layer_norm_parameters: p => ({
    ...{ dy: matrix(p), z: matrix(p), stats: 2 * p.rows, dgamma: p.columns, dbeta: p.hasBeta ? p.columns : 0 },
  }),
  rms_norm_forward: p => ({
    x: matrix(p),
    residual: p.hasResidual ? matrix(p) : 0,
    keys: p.hasResidual && p.threshold ? p.rows : 0,
    gamma: p.columns,
    sum: p.hasResidual ? matrix(p) : 0,
    y: matrix(p),
    stats: p.rows,
  }),
  rms_norm_backward: p => ({
    ...{ dy: matrix(p), z: matrix(p), stats: p.rows, gamma: p.columns, dz: matrix(p) },
    ...{ keys: p.hasBranch && p.threshold ? p.rows : 0, dbranch: p.hasBranch ? matrix(p) : 0 },
  }),
  rms_norm_parameters: p => ({ dy: matrix(p), z: matrix(p), stats: p.rows, dgamma: p.columns }),
  activation_forward: p => ({ x: p.count, y: p.count }),
  activation_backward: p => ({ x: p.count, dy: p.count, dx: p.count }),
  gated_activation_forward: p => ({ gate: p.count, up: p.count, y: p.count }),
  gated_activation_backward: p => ({ gate: p.count, up: p.count, dy: p.count, dgate: p.count, dup: p.count }),
  rope: p => ({ x: matrix(p), positions: p.rows, y: matrix(p) }),
  scale: p => ({ x: p.count, y: p.count }),
  attention_forward: attentionForward,
  attention_forward_f16: attentionForward,
  attention_delta: p => {
    const values = p.rows * p.heads * p.headSize
    return { out: values, dout: values, stats: 2 * p.rows * p.heads }
  },
  attention_backward_q: attentionQueries,
  attention_backward_q_f16: attentionQueries,
  attention_backward_q_bias: attentionQueriesBias,
  attention_backward_q_bias_f16: attentionQueriesBias,
  attention_backward_kv: attentionKeys,
  attention_backward_kv_f16: attentionKeys,
  pool_forward: p => ({
    ...{ offsets: p.sequences + 1, starts: p.hasStarts ? p.sequences : 0, out: p.sequences * p.columns },
  }),
  pool_backward: p => ({
    ...{ dout: p.sequences * p.columns, offsets: p.sequences + 1, starts: p.hasStarts ? p.sequences : 0 },
  }),
  l2_normalize_forward: p => ({ x: matrix(p), y: matrix(p), norms: p.rows }),
  l2_normalize_backward: p => ({ y: matrix(p), norms: p.rows, dy: matrix(p), dx: matrix(p) }),
  lora_down: p => ({
    ...{ x: matrix(p), keys: p.threshold ? p.rows : 0 },
    ...{ a0: p.rank0 * p.columns, a1: p.rank1 * p.columns, a2: p.rank2 * p.columns },
    ...(p.joined
      ? { down0: p.rows * rankSum(p) }
      : { down0: p.rows * p.rank0, down1: p.rows * p.rank1, down2: p.rows * p.rank2 }),
  }),
  lora_input: p => ({
    ...{ keys: p.threshold ? p.rows : 0, dx: matrix(p) },
    ...{ ddown0: p.rows * p.rank0, ddown1: p.rows * p.rank1, ddown2: p.rows * p.rank2 },
    ...{ a0: p.rank0 * p.columns, a1: p.rank1 * p.columns, a2: p.rank2 * p.columns },
  }),
  lora_weights: p => ({
    ...{ dy: p.rows * p.outputs, down: p.rows * p.downColumns, ddown: p.rows * p.rank, x: matrix(p) },
    ...{ keys: p.threshold ? p.rows : 0, dA: p.rank * p.columns, dB: p.outputs * p.rank },
  }),
  mask_duplicates: p => ({ targets: 3 * p.rows, labels: p.columns, scores: matrix(p) }),
  softmax_cross_entropy_forward: p => ({ scores: matrix(p), targets: 3 * p.rows, losses: p.rows, lse: p.rows }),
  softmax_cross_entropy_backward: p => ({ targets: 3 * p.rows, weights: p.rows, lse: p.rows, scores: matrix(p) }),
  softmax_tile_forward: p => ({
    scores: matrix(p),
    targets: 3 * p.rows,
    labels: p.hasLabels ? p.first + p.columns : 0,
    stats: 3 * p.rows,
  }),
  softmax_tile_losses: p => ({ targets: 3 * p.rows, stats: 3 * p.rows, losses: p.rows }),
  softmax_tile_backward: p => ({
    targets: 3 * p.rows,
    labels: p.hasLabels ? p.first + p.columns : 0,
    weights: p.rows,
    stats: 3 * p.rows,
    scores: matrix(p),
  }),
  group_scores: group,
  group_scores_backward_query: p => ({ dscores: matrix(p), passage: group(p).passage, dquery: group(p).query }),
  group_scores_backward_passage: p => ({ dscores: matrix(p), query: group(p).query, dpassage: group(p).passage }),
  pairwise_softmax: rowLoss,
  triplet_margin: rowLoss,
  margin_mse: rowLoss,
  kl_divergence: rowLoss,
  maxsim_forward: p => ({
    ...maxsim(p),
    queryOffsets: p.queries + 1,
    documentOffsets: (p.grouped ? p.queries * p.columns : p.columns) + 1,
    keep: p.hasKeep ? p.documentTokens : 0,
    scores: p.queries * p.columns,
    best: p.hasBest ? p.queryTokens * p.columns : 0,
  }),
  maxsim_backward_query: p => ({
    best: p.queryTokens * p.columns,
    owners: p.queryTokens,
    query: p.queryTokens * p.width,
    dquery: p.queryTokens * p.width,
  }),
  maxsim_backward_document: p => ({
    ...maxsim(p),
    dscores: p.queries * p.columns,
    best: p.queryTokens * p.columns,
    queryOffsets: p.queries + 1,
    documentOffsets: p.documents + 1,
    ddocument: p.documentTokens * p.width,
  }),
  scale_rows: p => ({ x: matrix(p), factors: p.rows, y: matrix(p) }),
  unpack_f16: p => ({ x: p.words, y: 2 * p.words }),
  unpack_residuals: p => ({
    tokens: p.rows * p.words,
    scales: 8,
    curves: 2 * p.columns,
    fields: p.columns,
    y: matrix(p),
  }),
  weighted_sum: p => ({ x: p.count, weights: p.count, out: 1 }),
  sum_of_squares: p => ({ x: p.count, partials: p.first + Math.ceil(p.count / NORM_CHUNK) }),
  gradient_norm: p => ({ partials: p.count, state: 4 }),
  adamw: p => ({ gradient: p.count, state: 4, parameters: p.count, m: p.count, v: p.count }),
  fill: p => ({ x: p.count }),
  multiply_adds: p => ({ out: p.count }),
  maxsim_stored: p => ({
    query: p.queryTokens * p.width,
    document: (p.documentTokens * p.width) / (p.format === FLOAT_FORMAT ? 1 : 2),
    queryOffsets: p.queries + 1,
    documentOffsets: p.columns + 1,
    scores: p.queries * p.columns,
  }),
  nearest: p => {
    const results = p.slices * p.queries * p.k
    return { query: p.queries * p.width, corpus: p.rows * p.width, values: results, indices: results }
  },
  top_k: p => ({ scores: matrix(p), values: p.rows * p.k, indices: p.rows * p.k }),
}

/** The least number of elements of each tensor of a call, in the table's order; 0 where it need not be there or is not known. */
export function tensorSizes(kernel: KernelName, params: Params): number[] {
  const least = namedSizes(kernel, params)
  return Object.keys(kernelSpec(kernel).tensors).map(name => least[name] ?? 0)
}

/** The same by name; absent where it need not be there or is not known. */
export const namedSizes = (kernel: KernelName, params: Params): Readonly<Record<string, number | undefined>> =>
  (sizes[kernel] as (p: Params) => Readonly<Record<string, number | undefined>>)(params)
