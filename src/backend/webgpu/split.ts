// Long calls in pieces: a dispatch that takes seconds on a slow card is killed by the system (the watchdog of Windows after 2 s) and keeps a screen from
// being drawn. A piece is the same call on some of its rows, tiles or terms, bound at offsets. Products by rows and attention by tiles keep their bits;
// products by terms (gradients of weights) are summed in another order, which is why the rate that decides is kept with the choice of variants.
import { LOW_RANK_EPILOGUE } from '../epilogue-kernels.js'
import { rankSum } from '../grouped-kernels.js'
import { type KernelName, kernelSpec, type Params, TILE_STRIDE } from '../kernels.js'

export interface Piece {
  readonly params: Params
  /** In bytes, by tensor: where its part begins; multiples of 256. */
  readonly offsets: Readonly<Record<string, number>>
  /** Of the call's workgroups the first and how many, where a piece is some of these: the word behind the parameters tells a shader of the first. */
  readonly workgroups?: readonly [first: number, count: number]
}

/** Seconds of a dispatch at the rate of large products; other kernels are slower by a factor of two or so. */
const LONGEST = 0.1
/** Rows or terms of a piece are multiples of this: of every tile, and such that parts of matrices begin at multiples of 256 bytes. */
const GRAIN = 128
/** Tiles of a piece of attention: a multiple of this, for the same reason. */
const TILE_GRAIN = 64
/** Keys that each query row of attention is taken to see: lengths are in the data. */
const KEYS = 512

/** How much longer a FLOP takes than in a large product: where little is done with each number read, and where lanes wait for each other's sums. */
const SLOWER = { skinny: 8, maxsim: 2, maxsimGradient: 16 } as const
/** Workgroups in one dimension of a dispatch, on every adapter. */
const DIMENSION = 65_535

/** FLOPs of one dispatch at most, for a card of so many GFLOP/s. */
export const mostFlops = (gflops: number): number => gflops * 1e9 * LONGEST

/** One piece, the call itself, of so many workgroups, where it is no longer than `most` FLOPs or cannot be split. */
export function piecesOf(kernel: KernelName, params: Params, most: number, workgroups: number): readonly Piece[] {
  switch (kernel) {
    case 'matmul':
      return params.transposeA ? byTerms(params, partsOf(kernel, params, most)) : byRows(kernel, params, most)
    case 'matmul_half':
    case 'matmul_quantized':
    case 'matmul_f16':
    case 'matmul_f16_quantized':
      return params.transposeA ? whole(params) : byRows(kernel, params, most)
    case 'matmul_epilogue':
    case 'matmul_half_epilogue':
    case 'matmul_f16_epilogue':
    case 'matmul_quantized_epilogue':
    case 'matmul_f16_quantized_epilogue':
      return params.transposeA ? whole(params) : epilogueByRows(kernel, params, most)
    case 'matmul_grouped':
    case 'matmul_grouped_sum':
    case 'matmul_f16_grouped':
    case 'matmul_f16_grouped_sum':
      return groupByRows(kernel, params, most)
    case 'attention_forward':
    case 'attention_forward_f16':
      return byTiles(params, 4, most)
    case 'attention_backward_q':
    case 'attention_backward_q_f16':
    case 'attention_backward_q_bias':
    case 'attention_backward_q_bias_f16':
      return byTiles(params, 6, most)
    case 'attention_backward_kv':
    case 'attention_backward_kv_f16':
      return byTiles(params, 8, most)
    case 'lora_down':
    case 'lora_input':
    case 'lora_weights':
      return lowRank(kernel, params, most)
    case 'maxsim_forward':
      return byWorkgroups(params, workgroups, (SLOWER.maxsim * kernelSpec(kernel).flops!(params)) / most)
    case 'maxsim_backward_query':
    case 'maxsim_backward_document': {
      const flops = 2 * params.queryTokens! * params.columns! * params.width!
      return byWorkgroups(params, workgroups, (SLOWER.maxsimGradient * flops) / most)
    }
    default:
      return whole(params)
  }
}

const whole = (params: Params): readonly Piece[] => [{ params, offsets: {} }]

const partsOf = (kernel: KernelName, params: Params, most: number): number =>
  Math.ceil((kernelSpec(kernel).flops?.(params) ?? 0) / most)

/** First and count of each part of `count`, a multiple of `grain` in all but the last. */
function ranges(count: number, parts: number, grain: number): readonly (readonly [number, number])[] {
  if (parts <= 1 || count <= grain) return [[0, count]]
  const size = Math.ceil(count / parts / grain) * grain
  return Array.from({ length: Math.ceil(count / size) }, (_, i) => [i * size, Math.min(size, count - i * size)])
}

/** c (M, N) by rows of a (M, K) */
const byRows = (kernel: KernelName, params: Params, most: number): readonly Piece[] =>
  ranges(params.M!, partsOf(kernel, params, most), GRAIN).map(([first, M]) => ({
    params: { ...params, M },
    offsets: { a: 4 * first * params.K!, c: 4 * first * params.N! },
  }))

/** The same with what its epilogue reads and writes: (M, N), or of a low-rank update (M, rank) and (N, rank). */
const epilogueByRows = (kernel: KernelName, params: Params, most: number): readonly Piece[] =>
  byRows(kernel, params, most).map(piece => {
    const c = piece.offsets.c ?? 0
    const low = params.epilogue === LOW_RANK_EPILOGUE
    const with0 = low ? (c / params.N!) * params.rank! : c
    return { ...piece, offsets: { ...piece.offsets, with0, with1: low ? 0 : c, beside: c } }
  })

/** A group of products by rows of a and of each c, or of each a and of c. */
function groupByRows(kernel: KernelName, params: Params, most: number): readonly Piece[] {
  const { K, N0, N1, N2, N, K0, K1, K2 } = params
  const strides =
    kernel === 'matmul_grouped' || kernel === 'matmul_f16_grouped'
      ? { a: K, c0: N0, c1: N1, c2: params.gated ? N0 : N2, down: rankSum(params) }
      : { a0: K0, a1: K1, a2: K2, c: N }
  return ranges(params.M!, partsOf(kernel, params, most), GRAIN).map(([first, M]) => ({
    params: { ...params, M },
    offsets: Object.fromEntries(Object.entries(strides).map(([name, stride = 0]) => [name, 4 * first * stride])),
  }))
}

/** c (M, N) = aᵀ b by rows of a (K, M) and b (K, N): the first piece as asked, the others are added to it. */
function byTerms(params: Params, parts: number): readonly Piece[] {
  if (params.transposeB) return whole(params)
  return ranges(params.K!, parts, GRAIN).map(([first, K], i) => ({
    params: { ...params, K, ...(i > 0 && { accumulate: 1, hasBias: 0 }) },
    offsets: { a: 4 * first * params.M!, b: 4 * first * params.N! },
  }))
}

/** Attention by tiles of its work list. */
function byTiles(params: Params, flopsOfPair: number, most: number): readonly Piece[] {
  const { tiles, tileRows, heads, headSize, biasRows } = params
  const flops = flopsOfPair * tiles! * tileRows! * KEYS * heads! * headSize!
  return ranges(tiles!, Math.ceil(flops / most), TILE_GRAIN).map(([first, count]) => ({
    params: { ...params, tiles: count },
    offsets: { tiles: 4 * first * TILE_STRIDE, dbias: 4 * first * biasRows! * heads! },
  }))
}

/** Low-rank updates by rows of x and what belongs to them; gradients, which always add, by these as terms. */
function lowRank(kernel: KernelName, params: Params, most: number): readonly Piece[] {
  const { rows, columns, outputs, rank, rank0, rank1, rank2, downColumns, joined } = params
  const strides = {
    ...{ x: columns, dx: columns, dy: outputs, keys: 1, down: downColumns, ddown: rank },
    ...{
      down0: joined ? rankSum(params) : rank0,
      down1: rank1,
      down2: rank2,
      ddown0: rank0,
      ddown1: rank1,
      ddown2: rank2,
    },
  }
  const parts = Math.ceil((SLOWER.skinny * kernelSpec(kernel).flops!(params)) / most)
  return ranges(rows!, parts, GRAIN).map(([first, count]) => ({
    params: { ...params, rows: count },
    offsets: Object.fromEntries(Object.entries(strides).map(([name, stride = 0]) => [name, 4 * first * stride])),
  }))
}

/** In no more workgroups than one dimension has, so that none is dispatched beside those of a piece. */
const byWorkgroups = (params: Params, workgroups: number, parts: number): readonly Piece[] =>
  parts <= 1
    ? whole(params)
    : ranges(workgroups, Math.max(Math.ceil(parts), Math.ceil(workgroups / DIMENSION)), 1).map(range => ({
        params,
        offsets: {},
        workgroups: range,
      }))
