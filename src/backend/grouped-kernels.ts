// The rows of the kernel table for products that share a factor, in one dispatch: layers that read one x, up to GROUPED of them; counts and ranks are 0 and
// tensors absent where there are fewer. The matrices b_i, biases and up_i of a group lie in one piece of memory each, b_i from element `b<i>` of b on,
// and so on (multiples of 64); b is f32 (format FLOAT_FORMAT) or of 16 bits a number as in matmul_half. The conventions are those of kernels.ts.
import {
  at,
  f32,
  type KernelSpec,
  MATMUL_COLUMNS,
  optional,
  type Params,
  read,
  spec,
  u32,
  update,
  write,
} from './kernel-spec.js'

/** The most products that one call serves. */
export const GROUPED = 3

const columns = { N0: u32, N1: u32, N2: u32 }
const terms = { K0: u32, K1: u32, K2: u32 }
const places = { b0: u32, b1: u32, b2: u32 }

/** Columns of all products side by side; of a gated group those of one. */
export const groupedColumns = (p: Params): number => (p.gated ? at(p, 'N0') : at(p, 'N0') + at(p, 'N1') + at(p, 'N2'))
export const groupedTerms = (p: Params): number => at(p, 'K0') + at(p, 'K1') + at(p, 'K2')
export const rankSum = (p: Params): number => at(p, 'rank0') + at(p, 'rank1') + at(p, 'rank2')

/** Rows, or blocks of columns where there are more columns than rows. */
const unitsOf = (rows: number, columns: number): number => (rows < columns ? Math.ceil(columns / MATMUL_COLUMNS) : rows)

const group = {
  tensors: {
    ...{ a: read, b: spec('read', 'u32'), bias: optional.read, down: optional.read, up: optional.read },
    ...{ c0: write, c1: optional.write, c2: optional.write },
  },
  params: {
    ...{ M: u32, K: u32, ...columns, ...places, format: u32 },
    ...{ hasBias: u32, bias0: u32, bias1: u32, bias2: u32 },
    ...{ rank0: u32, rank1: u32, rank2: u32, up0: u32, up1: u32, up2: u32, factor0: f32, factor1: f32, factor2: f32 },
    ...{ gated: u32, kind: u32, hasBeside: u32 },
  },
  units: (p: Params) => unitsOf(at(p, 'M'), groupedColumns(p)),
  flops: (p: Params) =>
    2 * at(p, 'M') * [0, 1, 2].reduce((sum, i) => sum + at(p, `N${i}`) * (at(p, 'K') + at(p, `rank${i}`)), 0),
} as const
const groupSum = {
  tensors: { a0: read, a1: optional.read, a2: optional.read, b: spec('read', 'u32'), c: update },
  params: { M: u32, N: u32, ...terms, ...places, format: u32, accumulate: u32 },
  units: (p: Params) => unitsOf(at(p, 'M'), at(p, 'N')),
  flops: (p: Params) => 2 * at(p, 'M') * at(p, 'N') * groupedTerms(p),
} as const

export const groupedKernels = {
  // c_i (M, N_i) = a · b_iᵀ [+ bias_i] [+ factor_i · down_i · up_iᵀ], a (M, K), b_i (N_i, K), bias_i (N_i); where rank_i is not 0 down_i (M, rank_i) are columns
  // of down (M, Σ ranks), side by side, up_i (N_i, rank_i). Gated, of two products of one width with their updates: c2 = act(c0) · c1, kind from
  // ACTIVATIONS; c1 is written where hasBeside.
  matmul_grouped: group,
  // c (M, N) = [c +] Σ_i a_i · b_i, a_i (M, K_i), b_i (K_i, N): the gradient of what a group of layers reads.
  matmul_grouped_sum: groupSum,
  // The same with a, a_i and b_i narrowed to f16, sums in f32.
  matmul_f16_grouped: { ...group, needs: 'shader-f16' },
  matmul_f16_grouped_sum: { ...groupSum, needs: 'shader-f16' },
} as const satisfies Record<string, KernelSpec>
