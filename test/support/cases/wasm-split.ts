// What wasm kernels are split on, kernel by kernel: small, with each of their switches, and nothing of a multiple of a tile.
import { type CommonKernelName, FLOAT_FORMAT, int8Words, type Params } from '../../../src/backend/kernels.js'
import { ACTIVATIONS, POOLINGS } from '../../../src/backend/layer-kernels.js'
import { dropoutParams, tokenKey } from '../../../src/backend/random.js'
import { offsetsOf, seededValues } from '../values.js'
import { matmulGroupedCases, matmulGroupedSumCases } from './grouped.js'
import { halves, quantizedFactor } from './matmul.js'
import { rowFields } from './maxsim.js'
import { attentions } from './wasm-attention.js'
import { type Case, epilogues, filled, int8Products, matmuls } from './wasm-products.js'

const random = seededValues(7)
const dropping = dropoutParams(0.3, 1, 2, 3)
const keeping = dropoutParams(0, 0, 0, 0)
const branch = { hasBranch: 1, ...dropping }
const keys = (rows: number) => Uint32Array.from({ length: rows }, (_, i) => tokenKey(i % 3, i))

const offsets = offsetsOf([3, 1, 7, 12])
const pooled = { x: random.normal(23 * 21), dx: random.normal(23 * 21), offsets, starts: Int32Array.of(1, 0, 9, 4) }
const modes = POOLINGS.map((_, mode) => mode)
const kinds = ACTIVATIONS.map((_, kind) => kind)
const rowsOf = { rows: 21, columns: 45 }
const logits = random.normal(9 * 37, 3)
const targets = Int32Array.from(Array.from({ length: 9 }, (_, i) => [i + 2, i, 37 - i]).flat())
const tileTargets = Int32Array.from(Array.from({ length: 9 }, (_, i) => [i * 10 + 2, i * 5, 100 - i]).flat())
const tileLabels = Int32Array.from({ length: 100 }, (_, i) => i % 11)
const tileStats = random.uniform(27, 2, 9)
const splitFields = rowFields(45, 2)
const late = { queries: 3, queryTokens: 12, documentTokens: 36, width: 20 }
const lateOffsets = { queryOffsets: offsetsOf([4, 7, 1]), documentOffsets: offsetsOf([3, 9, 5, 12, 1, 6]) }
const lateBest = {
  // The maximum of each column lies in its own document
  best: Int32Array.from({ length: 12 * 6 }, (_, i) => lateOffsets.documentOffsets[(i % 6) + 1]! - 1),
  owners: Int32Array.of(0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2),
}
const ties = new Float32Array(9 * 301).map((_, i) => (i % 31 === 5 ? Number.NaN : (i * 7919) % 50))
const sorted = (rows: number, k: number) => Float32Array.from({ length: rows * k }, (_, i) => 50 - (i % k) * 9)
const moments = (count: number) => ({ m: random.normal(count, 0.1), v: random.uniform(count, 0, 0.1) })
const step = {
  rate: 0.01,
  beta1: 0.9,
  oneMinusBeta1: 0.1,
  beta2: 0.999,
  oneMinusBeta2: 0.001,
  epsilon: 1e-8,
  decay: 0.1,
  correction1: 2,
  correction2: 90,
}
const state = (finite: number) => Float32Array.of(3, 0.5, finite, 4)

/** Three products of 70 rows, of 100 columns, masked and not. */
const loraCases = (more: Params): readonly Case[] =>
  [dropping, keeping].map(drop => ({
    params: {
      ...{ rows: 70, columns: 100, rank0: 8, rank1: 3, rank2: 5 },
      ...{ ...drop, key2: 5, key3: 6, key4: 7, key5: 8 },
      ...more,
    },
    tensors: { keys: keys(70) },
  }))

/** With b in 8 bits or 4, by turns. */
function quantized({ params, tensors }: Case, i: number): Case {
  const { N, K, transposeB } = params
  const bits = i % 2 ? 4 : 8
  const factor = transposeB ? quantizedFactor(N!, K!, bits) : quantizedFactor(K!, N!, bits)
  return { params: { ...params, bits }, tensors: { ...tensors, ...factor } }
}

export const splitCases: Readonly<Record<CommonKernelName | 'nearest' | 'maxsim_stored', readonly Case[]>> = {
  matmul: matmuls,
  matmul_half: matmuls
    .filter(({ params }) => !params.transposeA)
    .map(({ params, tensors }, i) => ({
      params: { ...params, format: i % 2 },
      tensors: { ...tensors, b: halves(params.N! * params.K!, i % 2) },
    })),
  matmul_epilogue: epilogues,
  // Small sums: tanh leaves of large ones their rounding, and nothing above 1 to measure it by.
  matmul_half_epilogue: epilogues.map(({ params, tensors }, i) => ({
    params: { ...params, alpha: params.alpha! / 16, format: i % 2 },
    tensors: { ...tensors, b: halves(params.N! * params.K!, i % 2) },
  })),
  matmul_quantized: matmuls.filter(({ params }) => !params.transposeA).map(quantized),
  // Small sums, as above
  matmul_quantized_epilogue: epilogues.map((one, i) =>
    quantized({ ...one, params: { ...one.params, alpha: one.params.alpha! / 16 } }, i),
  ),
  matmul_grouped: filled(matmulGroupedCases()),
  matmul_grouped_sum: filled(matmulGroupedSumCases()),
  gather_rows_half: [0, 1].map(format => ({
    params: { ...rowsOf, accumulate: format, format },
    tensors: { table: halves(60 * 45, format), index: random.integers(21, 60) },
  })),
  quantize_rows: [
    { params: rowsOf, tensors: { values: new Uint32Array(21 * int8Words(45)) } },
    { params: { rows: 9, columns: 3000 }, tensors: { values: new Uint32Array(9 * int8Words(3000)) } },
  ],
  matmul_int8: int8Products,
  column_sum: [{ params: rowsOf }, { params: { rows: 3, columns: 5000 } }],
  gather_rows: [0, 1].map(accumulate => ({
    params: { ...rowsOf, accumulate },
    tensors: { table: random.normal(60 * 45), index: random.integers(21, 60) },
  })),
  scatter_rows: [
    {
      params: { count: 4, columns: 45 },
      tensors: {
        dout: random.normal(12 * 45),
        order: Int32Array.of(3, 1, 0, 2, 11, 5, 4, 7),
        starts: Int32Array.of(0, 3, 3, 4, 8),
        targets: Int32Array.of(5, 0, 7, 2),
        dtable: random.normal(8 * 45),
      },
    },
  ],
  copy_rows: [0, 1].map(accumulate => ({ params: { ...rowsOf, from: 3, to: 2, accumulate } })),
  place_columns: [0, 1].map(accumulate => ({
    params: { ...rowsOf, xColumns: 51, yColumns: 48, from: 3, to: 2, accumulate },
  })),
  dropout: [dropping, keeping].map(drop => ({ params: { ...rowsOf, ...drop }, tensors: { keys: keys(21) } })),
  lora_down: [0, 1].flatMap(joined => loraCases({ joined })),
  lora_input: [0, 1].flatMap(accumulate => loraCases({ accumulate })),
  lora_weights: [dropping, keeping].map(drop => ({
    params: { rows: 70, columns: 100, outputs: 37, rank: 5, downColumns: 9, downFirst: 2, alpha: 0.5, ...drop },
    tensors: { keys: keys(70) },
  })),
  layer_norm_forward: [
    { params: { ...rowsOf, epsilon: 1e-5, hasResidual: 1, hasBeta: 1, ...dropping }, tensors: { keys: keys(21) } },
    {
      params: { ...rowsOf, epsilon: 1e-12, hasResidual: 0, hasBeta: 0, ...keeping },
      tensors: { residual: undefined, keys: undefined, beta: undefined, sum: undefined },
    },
  ],
  layer_norm_backward: [0, 1].map(accumulate => ({
    params: { ...rowsOf, accumulate, ...branch },
    tensors: { keys: keys(21) },
  })),
  layer_norm_parameters: [{ params: { ...rowsOf, hasBeta: 1 } }],
  activation_forward: kinds.map(kind => ({
    params: { count: 4003, kind },
    tensors: { x: random.normal(4003, 3) },
  })),
  activation_backward: kinds.map(kind => ({
    params: { count: 4003, kind },
    tensors: { x: random.normal(4003, 3) },
  })),
  gated_activation_forward: kinds.map(kind => ({
    params: { count: 4003, kind },
    tensors: { gate: random.normal(4003, 3) },
  })),
  gated_activation_backward: kinds.map(kind => ({
    params: { count: 4003, kind },
    tensors: { gate: random.normal(4003, 3) },
  })),
  rms_norm_forward: [
    { params: { ...rowsOf, epsilon: 1e-5, plus: 1, hasResidual: 1, ...dropping }, tensors: { keys: keys(21) } },
    {
      params: { ...rowsOf, epsilon: 1e-12, plus: 0, hasResidual: 0, ...keeping },
      tensors: { residual: undefined, keys: undefined, sum: undefined },
    },
  ],
  rms_norm_backward: [0, 1].map(accumulate => ({
    params: { ...rowsOf, plus: accumulate, accumulate, ...branch },
    tensors: { keys: keys(21) },
  })),
  rms_norm_parameters: [{ params: rowsOf }],
  rope: [10, 16].map(headSize => ({
    params: { rows: 21, columns: 3 * headSize, headSize, direction: -1 },
    tensors: { positions: random.integers(21, 40), table: random.normal(40 * headSize) },
  })),
  scale: [{ params: { count: 103, factor: 2.5 } }],
  attention_forward: attentions,
  attention_delta: [{ params: { rows: 21, heads: 3, headSize: 11 } }],
  attention_backward_q: attentions,
  attention_backward_q_bias: attentions.filter(({ params }) => params.biasRows! > 0),
  attention_backward_kv: attentions,
  pool_forward: modes.flatMap(mode =>
    [0, 1].map(hasStarts => ({ params: { sequences: 4, columns: 21, mode, hasStarts }, tensors: pooled })),
  ),
  pool_backward: modes.flatMap(mode =>
    [0, 1].map(hasStarts => ({
      params: { sequences: 4, columns: 21, mode, hasStarts, accumulate: hasStarts },
      tensors: pooled,
    })),
  ),
  l2_normalize_forward: [{ params: { ...rowsOf, epsilon: 1e-12 } }, { params: { ...rowsOf, epsilon: 6.7 } }],
  l2_normalize_backward: [{ params: { ...rowsOf, epsilon: 0.5 }, tensors: { norms: random.uniform(21, 0.1, 2) } }],
  mask_duplicates: [
    {
      params: { rows: 9, columns: 37 },
      tensors: { scores: logits, targets, labels: Int32Array.from({ length: 37 }, (_, i) => i % 5) },
    },
  ],
  softmax_cross_entropy_forward: [{ params: { rows: 9, columns: 37 }, tensors: { scores: logits, targets } }],
  softmax_cross_entropy_backward: [
    {
      params: { rows: 9, columns: 37 },
      tensors: { scores: logits, targets, lse: new Float32Array(9).fill(6) },
    },
  ],
  softmax_tile_forward: [0, 1].map(fresh => ({
    params: { rows: 9, columns: 37, first: 40, hasLabels: fresh, fresh },
    tensors: { scores: logits, targets: tileTargets, labels: tileLabels },
  })),
  softmax_tile_losses: [{ params: { rows: 9 }, tensors: { targets: tileTargets, stats: tileStats } }],
  softmax_tile_backward: [0, 1].map(hasLabels => ({
    params: { rows: 9, columns: 37, first: 40, hasLabels },
    tensors: { scores: logits, targets: tileTargets, labels: tileLabels, stats: tileStats },
  })),
  copy_columns: [12, 60].flatMap(source =>
    [0, 1].map(accumulate => ({ params: { rows: 21, source, columns: 45, accumulate } })),
  ),
  group_scores: [{ params: { rows: 9, columns: 3, width: 45, alpha: 2 } }],
  group_scores_backward_query: [0, 1].map(accumulate => ({
    params: { rows: 9, columns: 3, width: 45, alpha: 2, accumulate },
  })),
  group_scores_backward_passage: [0, 1].map(accumulate => ({
    params: { rows: 9, columns: 3, width: 45, alpha: 2, accumulate },
  })),
  pairwise_softmax: [{ params: { rows: 9, columns: 4 } }],
  triplet_margin: [{ params: { rows: 9, columns: 4, margin: 0.4 } }],
  margin_mse: [{ params: { rows: 9, columns: 4 } }],
  kl_divergence: [{ params: { rows: 9, columns: 4, sharpness: 2 } }],
  maxsim_forward: [0, 1].map(grouped => ({
    params: { ...late, columns: grouped ? 2 : 6, grouped, l2: grouped, hasKeep: 0, hasBest: 1, alpha: 2 },
    tensors: { ...lateOffsets, keep: undefined, best: new Int32Array(12 * 6) },
  })),
  maxsim_backward_query: [0, 1].map(l2 => ({
    params: { queryTokens: 12, columns: 6, width: 20, l2, accumulate: l2, alpha: 2 },
    tensors: { ...lateBest, dscores: random.normal(3 * 6), document: random.normal(36 * 20) },
  })),
  maxsim_backward_document: [0, 1].map(l2 => ({
    params: { ...late, documents: 6, columns: 6, grouped: 0, l2, accumulate: l2, alpha: 2 },
    tensors: { ...lateOffsets, best: lateBest.best },
  })),
  scale_rows: [0, 1].map(accumulate => ({ params: { ...rowsOf, accumulate } })),
  unpack_f16: [{ params: { words: 103 }, tensors: { x: random.words(103).map(word => word & 0xbbffbbff) } }],
  unpack_residuals: [0, 1].map(normalize => ({
    params: { rows: 21, columns: 45, words: splitFields.words, codeBits: 2, normalize },
    tensors: {
      tokens: random.words(21 * splitFields.words),
      ...{ fields: splitFields.fields, centroids: random.normal(4 * 45), scales: random.uniform(8, 0, 0.2) },
    },
  })),
  weighted_sum: [0, 1].map(accumulate => ({ params: { count: 1003, accumulate } })),
  sum_of_squares: [{ params: { count: 40000, first: 2 } }],
  gradient_norm: [0, 1, 1e9].map(maxNorm => ({
    params: { count: 17, maxNorm, unscale: 0.25 },
    tensors: { partials: random.uniform(17, 0, 9), state: state(1) },
  })),
  adamw: [0, 1].flatMap(decoupled =>
    [0, 1].map(finite => ({
      params: { count: 103, decoupled, ...step },
      tensors: { ...moments(103), state: state(finite) },
    })),
  ),
  fill: [{ params: { count: 103, value: 2.5 } }],
  multiply_adds: [{ params: { count: 103, rounds: 7, factor: 0.9, term: 0.2 } }],
  maxsim_stored: [0, FLOAT_FORMAT].map(format => ({
    params: { ...late, columns: 6, format },
    tensors: {
      ...lateOffsets,
      document: new Uint32Array(random.normal(36 * 20).buffer).map(word => word & 0xbfffbfff),
    },
  })),
  nearest: [1, 10].flatMap(k =>
    [0, 1].map(fresh => ({
      params: { queries: 11, rows: 90, width: 20, k, slices: 4, first: 1000, fresh },
      tensors: {
        values: sorted(4 * 11, k),
        indices: Int32Array.from({ length: 4 * 11 * k }, (_, i) => (i % k) + 900),
      },
    })),
  ),
  top_k: [1, 10, 310].flatMap(k =>
    [0, 1].map(fresh => ({
      params: { rows: 9, columns: 301, k, first: 1000, fresh },
      tensors: {
        scores: ties,
        values: sorted(9, k),
        indices: Int32Array.from({ length: 9 * k }, (_, i) => (i % k) + 900),
      },
    })),
  ),
}
