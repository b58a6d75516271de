// The kernel table: every kernel's name, tensors, parameters and units of work. `shaders/<name>.wgsl` and the wasm export `<name>`
// implement the same contract in the same order:
//   WGSL   @group(0) @binding(i) is tensor i; the binding after the last tensor is a uniform struct of the parameters in order.
//   wasm   one pointer (bytes) a tensor, then the parameters in order, then `begin, end`: the range of units to compute. What a unit
//          computes does not depend on the range, so that any split over threads gives the same bits.
// An absent optional tensor is pointer 0 in wasm and a buffer of 16 bytes that nothing may rely on in WGSL; a `has…` parameter tells.
// Access: `write` tensors are overwritten; `update` tensors are read and written (or overwritten where `accumulate` is 0).
// Convention (llm.c): gradients of parameters `+=`; activations and their gradients `=` unless `accumulate` is 1.
// All matrices are dense and row-major; shapes below are (rows, columns). No kernel takes more than eight tensors: the specification's
// default limit of storage buffers a stage.

import { epilogueKernels } from './epilogue-kernels.js'
import { groupedKernels } from './grouped-kernels.js'
import {
  at,
  dropout,
  f32,
  type KernelSpec,
  MATMUL_COLUMNS,
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
import { layerKernels } from './layer-kernels.js'
import { loraKernels } from './lora-kernels.js'
import { lossKernels } from './loss-kernels.js'
import { searchKernels } from './search-kernels.js'

export type { Access, DType, KernelSpec, Params, TensorSpec } from './kernel-spec.js'
export { MATMUL_COLUMNS } from './kernel-spec.js'

/** Rows of `tiles` hold this many i32: [first row, sequence start, sequence end, key end, sequence key, 0, 0, 0]. */
export const TILE_STRIDE = 8
/** Elements that one unit of sum_of_squares adds up. */
export const NORM_CHUNK = 16384
/** Independent chains of one element of multiply_adds: enough to hide the latency of a multiplication and an addition on 16 registers of four lanes. */
export const CHAINS = 48
/** The formats of 16 bits by their number in a kernel's `format`. */
export const HALF_FORMATS = ['f16', 'bf16'] as const
/** Neighbours of a row that share a step and a least value where weights have 8 or 4 bits. */
export const QUANTIZED_GROUP = 32
/** Stands in a `format` for numbers that are f32. */
export const FLOAT_FORMAT = HALF_FORMATS.length
/** Rows of c that one unit of matmul_int8 computes where there are no fewer rows than columns. */
export const INT8_ROWS = 4
/** Columns of a matrix in 8 bits at most: what the sums of a product hold in i32, and the wasm kernel's scratch. */
export const INT8_COLUMNS = 32768
/** Words of a row of a matrix in 8 bits: four numbers each, the first in the lowest bits; whole blocks of 16 numbers, filled up with zeros. */
export const int8Words = (columns: number): number => 4 * Math.ceil(columns / 16)

/** Rows that a query may see before and after it, where there is no limit: no sequence is longer. */
export const NO_LIMIT = 65536
/** Rows of a relative position bias at most: what the wasm kernels have scratch for. */
export const BIAS_ROWS = 65535

/**
 * Attention over packed sequences: a tile is up to `tileRows` rows of one sequence, listed by the host; rows are rows of (T, heads · headSize), for
 * keys and values of (T, keyValueHeads · headSize), T = `rows`. Query i sees key j where i − j ≤ before and j − i ≤ after. A bias has biasRows =
 * 2R + 1 rows (0 is none): row clamp(i − j, −R, R) + R, column head is added to the scaled score.
 */
const attention = {
  ...{ rows: u32, tiles: u32, tileRows: u32, heads: u32, keyValueHeads: u32, headSize: u32, softmaxScale: f32 },
  ...{ before: u32, after: u32, biasRows: u32 },
  ...dropout,
}
const attentionUnits = (p: Params) => at(p, 'tiles') * at(p, 'heads')

const attentionForward = {
  tensors: { q: read, k: read, v: read, tiles: readInt, bias: optional.read, out: write, lse: write },
  params: attention,
  units: attentionUnits,
} as const
const attentionQueries = {
  tensors: { q: read, k: read, v: read, out: read, dout: read, stats: update, tiles: readInt, dq: write },
  params: attention,
  units: attentionUnits,
} as const
const attentionQueriesBias = {
  tensors: { q: read, k: read, v: read, dout: read, stats: read, tiles: readInt, dq: write, dbias: write },
  params: attention,
  units: attentionUnits,
} as const
const attentionKeys = {
  tensors: { q: read, k: read, v: read, dout: read, stats: read, tiles: readInt, dk: write, dv: write },
  params: attention,
  units: (p: Params) => at(p, 'tiles') * at(p, 'keyValueHeads'),
} as const

export const kernels = {
  // c (M, N) = [c +] alpha · op(a) · op(b) [+ bias (N)]; op(a) is (M, K), stored (K, M) with transposeA; op(b) is (K, N), stored (N, K) with transposeB.
  matmul: {
    tensors: { a: read, b: read, bias: optional.read, c: update },
    params: { M: u32, N: u32, K: u32, transposeA: u32, transposeB: u32, accumulate: u32, hasBias: u32, alpha: f32 },
    units: (p: Params) => (at(p, 'M') < at(p, 'N') ? Math.ceil(at(p, 'N') / MATMUL_COLUMNS) : at(p, 'M')),
    flops: (p: Params) => 2 * at(p, 'M') * at(p, 'N') * at(p, 'K'),
  },
  // The same with b of 16 bits a number, two a word, the lower half first: all of b in order, rows not filled up. format from HALF_FORMATS.
  matmul_half: {
    tensors: { a: read, b: spec('read', 'u32'), bias: optional.read, c: update },
    params: {
      ...{ M: u32, N: u32, K: u32, transposeA: u32, transposeB: u32, accumulate: u32, hasBias: u32, alpha: f32 },
      format: u32,
    },
    units: (p: Params) => (at(p, 'M') < at(p, 'N') ? Math.ceil(at(p, 'N') / MATMUL_COLUMNS) : at(p, 'M')),
    flops: (p: Params) => 2 * at(p, 'M') * at(p, 'N') * at(p, 'K'),
  },
  // The same with b of `bits` 8 or 4 a number, in groups of QUANTIZED_GROUP neighbours of a row, rows filled up to whole groups: least + step · code.
  // A group's word has step and least as bf16, step in the lower half; codes are whole numbers, the first of a word in its lowest bits.
  matmul_quantized: {
    tensors: { a: read, b: spec('read', 'u32'), groups: spec('read', 'u32'), bias: optional.read, c: update },
    params: {
      ...{ M: u32, N: u32, K: u32, transposeA: u32, transposeB: u32, accumulate: u32, hasBias: u32, alpha: f32 },
      bits: u32,
    },
    units: (p: Params) => (at(p, 'M') < at(p, 'N') ? Math.ceil(at(p, 'N') / MATMUL_COLUMNS) : at(p, 'M')),
    flops: (p: Params) => 2 * at(p, 'M') * at(p, 'N') * at(p, 'K'),
  },
  // The same with both factors narrowed to f16, sums in f32: WebGPU with shader-f16 only. b is f32 (format FLOAT_FORMAT) or of 16 bits a number as above.
  matmul_f16: {
    tensors: { a: read, b: spec('read', 'u32'), bias: optional.read, c: update },
    params: {
      ...{ M: u32, N: u32, K: u32, transposeA: u32, transposeB: u32, accumulate: u32, hasBias: u32, alpha: f32 },
      format: u32,
    },
    units: (p: Params) => at(p, 'M'),
    flops: (p: Params) => 2 * at(p, 'M') * at(p, 'N') * at(p, 'K'),
    needs: 'shader-f16',
  },
  // matmul_quantized with both factors narrowed to f16, b once its numbers are made; sums in f32.
  matmul_f16_quantized: {
    tensors: { a: read, b: spec('read', 'u32'), groups: spec('read', 'u32'), bias: optional.read, c: update },
    params: {
      ...{ M: u32, N: u32, K: u32, transposeA: u32, transposeB: u32, accumulate: u32, hasBias: u32, alpha: f32 },
      bits: u32,
    },
    units: (p: Params) => at(p, 'M'),
    flops: (p: Params) => 2 * at(p, 'M') * at(p, 'N') * at(p, 'K'),
    needs: 'shader-f16',
  },
  // scales[row] = max |x| / 127; values (rows, int8Words(columns)) = x / scale, to the nearest whole number (ties to even), as x · (127 / max) in f32.
  // Rows whose max is below 1e-30 are zeros with scale 0; where it is not finite, so is the scale, and the values are zeros.
  quantize_rows: {
    tensors: { x: read, values: spec('write', 'u32'), scales: write },
    params: { rows: u32, columns: u32 },
    units: units('rows'),
  },
  // c (M, N) = (Σ_k a · b) · (aScales[m] · bScales[n]) [+ bias (N)], the sum exact in i32; a (M, int8Words(K)), b (N, int8Words(K)), K ≤ INT8_COLUMNS
  matmul_int8: {
    tensors: {
      a: spec('read', 'u32'),
      aScales: read,
      b: spec('read', 'u32'),
      bScales: read,
      bias: optional.read,
      c: write,
    },
    params: { M: u32, N: u32, K: u32, hasBias: u32 },
    units: (p: Params) => Math.ceil(at(p, 'M') < at(p, 'N') ? at(p, 'N') / MATMUL_COLUMNS : at(p, 'M') / INT8_ROWS),
    flops: (p: Params) => 2 * at(p, 'M') * at(p, 'N') * at(p, 'K'),
  },
  // out (columns) += Σ over rows of x (rows, columns)
  column_sum: {
    tensors: { x: read, out: update },
    params: { rows: u32, columns: u32 },
    units: units('columns'),
  },
  // out (rows, columns) = [out +] table[index[row]]
  gather_rows: {
    tensors: { table: read, index: readInt, out: update },
    params: { rows: u32, columns: u32, accumulate: u32 },
    units: units('rows'),
  },
  // The same from a table of 16 bits a number, as in matmul_half
  gather_rows_half: {
    tensors: { table: spec('read', 'u32'), index: readInt, out: update },
    params: { rows: u32, columns: u32, accumulate: u32, format: u32 },
    units: units('rows'),
  },
  // dtable[targets[u]] += Σ_{j = starts[u]}^{starts[u+1]−1} dout[order[j]], in that order; targets (count) are distinct. The gradient of gather_rows.
  scatter_rows: {
    tensors: { dout: read, order: readInt, starts: readInt, targets: readInt, dtable: update },
    params: { count: u32, columns: u32 },
    units: units('count'),
  },
  // y[to + i] = [y +] x[from + i] for i < rows
  copy_rows: {
    tensors: { x: read, y: update },
    params: { rows: u32, columns: u32, from: u32, to: u32, accumulate: u32 },
    units: units('rows'),
  },
  // y (rows, columns) = [y +] the first columns of x (rows, source), and 0 behind the last of them
  copy_columns: {
    tensors: { x: read, y: update },
    params: { rows: u32, source: u32, columns: u32, accumulate: u32 },
    units: units('rows'),
  },
  // y (rows, yColumns)[row, to + j] = [y +] x (rows, xColumns)[row, from + j] for j < columns
  place_columns: {
    tensors: { x: read, y: update },
    params: { rows: u32, columns: u32, xColumns: u32, yColumns: u32, from: u32, to: u32, accumulate: u32 },
    units: units('rows'),
  },
  // y = x · mask · scale; the mask of (row, channel) is word (channel & 1) of threefry2x32((keys[row], channel >> 1), (key0, key1))
  dropout: {
    tensors: { x: read, keys: spec('read', 'u32'), y: write },
    params: { rows: u32, columns: u32, ...dropout },
    units: units('rows'),
  },
  // Query row i of a tile attends to those of the rows [sequence start, key end) of its sequence that it sees: p = softmax(softmaxScale · q kᵀ + bias);
  // out = (dropout(p)) v; lse (T, heads) = log Σ exp; both 0 where it sees none. No length × length matrix is stored; bias (biasRows, heads).
  // Mask of (i, head, j), i and j positions in the sequence: word (j & 1) of threefry2x32((sequence key + i, (head << 15) + (j >> 1)), (key0, key1)).
  attention_forward: attentionForward,
  // `stats` of the backward kernels holds lse (T, heads), as attention_forward writes it, delta (T, heads) = Σ_d dout · out, and the bias (biasRows, heads).
  attention_delta: {
    tensors: { out: read, dout: read, stats: update },
    params: { rows: u32, heads: u32, headSize: u32 },
    units: units('rows'),
  },
  // ds_ij = p_ij · (mask_ij · scale · (dout_i · v_j) − delta_i); dq_i = softmaxScale · Σ_j ds_ij k_j. Writes delta of the tiles' rows.
  attention_backward_q: attentionQueries,
  // The same, delta given, of a bias whose gradient is wanted: dbias (tiles, biasRows, heads) = Σ of ds_ij over the tile's rows i and the j with this
  // difference.
  attention_backward_q_bias: attentionQueriesBias,
  // Tiles are key rows here: dv_j = Σ_i mask_ij · scale · p_ij · dout_i; dk_j = softmaxScale · Σ_i ds_ij q_i, over the query heads that read the key's;
  // zero for rows ≥ key end. The bias lies behind the statistics, as above.
  attention_backward_kv: attentionKeys,
  // The same with the factors of their products (of q, k, v, dout, and of what a row of probabilities or its gradient multiplies) narrowed to f16 where
  // matrix units multiply them.
  attention_forward_f16: { ...attentionForward, needs: 'shader-f16' },
  attention_backward_q_f16: { ...attentionQueries, needs: 'shader-f16' },
  attention_backward_q_bias_f16: { ...attentionQueriesBias, needs: 'shader-f16' },
  attention_backward_kv_f16: { ...attentionKeys, needs: 'shader-f16' },
  ...epilogueKernels,
  ...groupedKernels,
  ...layerKernels,
  ...loraKernels,
  ...lossKernels,
  ...searchKernels,
  // out (1) = [out +] Σ x · weights
  weighted_sum: {
    tensors: { x: read, weights: read, out: update },
    params: { count: u32, accumulate: u32 },
    units: () => 1,
  },
  // partials[first + u] = Σ of squares of x[u · NORM_CHUNK …], u < ⌈count / NORM_CHUNK⌉
  sum_of_squares: {
    tensors: { x: read, partials: update },
    params: { count: u32, first: u32 },
    units: (p: Params) => Math.ceil(at(p, 'count') / NORM_CHUNK),
  },
  // state = (norm, factor, finite, skipped): norm = unscale · √Σ partials; factor = unscale · min(1, maxNorm / (norm + 1e-6)), unscale where
  // maxNorm is 0; finite = 1, or 0 where the norm is not, which also adds 1 to skipped
  gradient_norm: {
    tensors: { partials: read, state: update },
    params: { count: u32, maxNorm: f32, unscale: f32 },
    units: () => 1,
  },
  // g = factor · gradient; nothing is changed where state says not finite. decoupled: θ *= 1 − rate · decay, else g += decay · θ.
  // m = beta1 m + (1−beta1) g; v = beta2 v + (1−beta2) g²; θ −= rate · (m · correction1) / (√(v · correction2) + epsilon), correction = 1/(1−βᵗ)
  adamw: {
    tensors: { gradient: read, state: read, parameters: update, m: update, v: update },
    params: {
      count: u32,
      rate: f32,
      beta1: f32,
      oneMinusBeta1: f32,
      beta2: f32,
      oneMinusBeta2: f32,
      epsilon: f32,
      decay: f32,
      correction1: f32,
      correction2: f32,
      decoupled: u32,
    },
    units: units('count'),
  },
  // x (count) = value
  fill: {
    tensors: { x: write },
    params: { count: u32, value: f32 },
    units: units('count'),
  },
  // out[i] = Σ of CHAINS chains x ← x · factor + term, `rounds` times, chain j from i mod 64 + j / CHAINS: nothing but multiply-adds in registers.
  // No part of any model: it measures how many a second a processor can do at all.
  multiply_adds: {
    tensors: { out: write },
    params: { count: u32, rounds: u32, factor: f32, term: f32 },
    units: units('count'),
    flops: (p: Params) => 2 * CHAINS * at(p, 'count') * at(p, 'rounds'),
  },
} as const satisfies Record<string, KernelSpec>

export type KernelName = keyof typeof kernels
export const kernelNames = Object.keys(kernels) as KernelName[]
export const kernelSpec = (name: KernelName): KernelSpec => kernels[name]
/** Those that every backend has. */
export type CommonKernelName = {
  [K in KernelName]: (typeof kernels)[K] extends { needs: string } ? never : K
}[KernelName]
export const commonKernelNames = kernelNames.filter((name): name is CommonKernelName => !kernelSpec(name).needs)
export const wasmKernelNames = kernelNames.filter(name => kernelSpec(name).needs !== 'shader-f16')

/** The tensors that a call of K takes; optional ones may be left out. */
export type TensorArguments<K extends KernelName, T> = {
  [N in keyof (typeof kernels)[K]['tensors']]: (typeof kernels)[K]['tensors'][N] extends { optional: true }
    ? T | undefined
    : T
}
/** The parameters that a call of K takes. */
export type ParamArguments<K extends KernelName, P> = { [N in keyof (typeof kernels)[K]['params']]: P }
