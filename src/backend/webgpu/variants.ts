// The variants of every kernel: which shader, compiled with which constants, for which shapes, in how many workgroups.
// The first one whose `when` holds is taken, at every call: a function of the adapter and the call's parameters alone,
// so that the same call gives the same bits.
import { type KernelName, NORM_CHUNK, type Params } from '../kernels.js'

/** Of the buffer that variants with a second dispatch leave partial results in. */
export const SCRATCH_BYTES = 8 * 2 ** 20

/** What variants may depend on beside the shape. */
export interface Target {
  /** Runs on the processor. Shaders know it as ROLLED: unrolled loops take a processor's compiler seconds. */
  readonly software: boolean
}

export interface Variant {
  readonly name: string
  /** Files of shaders/ put one after the other, without `.wgsl`; the last holds the entry point `main`. */
  readonly files: readonly string[]
  /** `const` lines before the shader, for what `override` cannot be: sizes of function-scope arrays. */
  readonly header?: Readonly<Record<string, number>>
  /** Values of the shader's `override`s. */
  readonly constants?: Readonly<Record<string, number>>
  /** Which calls it can do; all where absent. */
  readonly can?: (p: Params) => boolean
  /** Which of them it is taken for where nothing was measured on this adapter; all where absent. */
  readonly when?: (p: Params, target: Target) => boolean
  /** Not worth a processor's compiling: software adapters get it where it is asked for by name only. */
  readonly hardware?: true
  /** A second dispatch, over what the first left in scratch (the binding after the parameters, at most SCRATCH_BYTES). */
  readonly second?: Pick<Variant, 'name' | 'files' | 'header' | 'constants' | 'workgroups'>
  /** Workgroups of a call; beyond the limit of one dimension they are spread over two. */
  readonly workgroups: (p: Params) => number
}

const at = (p: Params, name: string): number => p[name] ?? 0
const matrix = (p: Params): number => at(p, 'rows') * at(p, 'columns')
const count = (p: Params): number => at(p, 'count')

/** One invocation for each of `count` elements. */
const elements = (shader: string, count: (p: Params) => number, size = 256, common: readonly string[] = []) => [
  {
    name: shader,
    files: [...common.map(name => `common/${name}`), shader],
    constants: { WORKGROUP_SIZE: size },
    workgroups: (p: Params) => Math.ceil(count(p) / size),
  },
]

/** One workgroup for the whole call, or for each of `count` parts of it. */
const parts = (shader: string, count: (p: Params) => number, constants: Readonly<Record<string, number>> = {}) => [
  {
    name: shader,
    files: ['common/reduce', shader],
    constants: { WORKGROUP_SIZE: 256, ...constants },
    workgroups: count,
  },
]

/** One workgroup a row: a small one for short rows, whose barriers cost more than their elements. */
const rows = (shader: string, common: readonly string[] = ['reduce']): Variant[] =>
  [32, 256].map(size => ({
    name: `${shader}_${size}`,
    files: [...common.map(name => `common/${name}`), shader],
    constants: { WORKGROUP_SIZE: size },
    ...(size === 32 && { when: (p: Params) => at(p, 'columns') <= 1024 }),
    workgroups: (p: Params) => at(p, 'rows'),
  }))

/** One workgroup for 8 columns, 32 rows at a time. */
const columns = (shader: string) => [
  {
    name: shader,
    files: [shader],
    constants: { COLUMNS: 8, LANES: 32 },
    workgroups: (p: Params) => Math.ceil(at(p, 'columns') / 8),
  },
]

/** Heads are padded to the next of these numbers of channels. */
const CHANNELS = [32, 64, 96, 128, 256]
const attention = (shader: string, heads = 'heads'): Variant[] =>
  CHANNELS.map(channels => ({
    name: `${shader}_${channels}`,
    files: ['common/threefry', 'common/attention', shader],
    header: { CHANNELS: channels },
    when: (p: Params) => at(p, 'headSize') <= channels,
    workgroups: (p: Params) => at(p, 'tiles') * at(p, heads),
  }))

const tiles = (p: Params, tileM: number, tileN: number) => Math.ceil(at(p, 'M') / tileM) * Math.ceil(at(p, 'N') / tileN)

/** A workgroup computes a tile of c, an invocation some rows and columns of it. */
const matmul = (
  tile: readonly [number, number],
  thread: readonly [number, number],
  when?: Variant['when'],
  files: readonly string[] = ['common/matmul', 'matmul'],
): Variant => ({
  name: `${files.at(-1)}_${tile[0]}x${tile[1]}`,
  files,
  header: { TILE_M: tile[0], TILE_N: tile[1], TILE_K: 16, THREAD_M: thread[0], THREAD_N: thread[1] },
  ...(when && { when }),
  workgroups: p => tiles(p, tile[0], tile[1]),
})

/** Whole vectors of four in every row of a, b and c. */
const inVectors = (p: Params): boolean =>
  at(p, 'N') % 4 === 0 && at(p, p.transposeA ? 'M' : 'K') % 4 === 0 && (!p.transposeB || at(p, 'K') % 4 === 0)

/** The terms of each tile are shared among so many workgroups. */
const SPLITS = 16

/** A tile in vectors, the next one read meanwhile. `split`: with a second dispatch that adds partial sums. */
function matmulVec4(
  tile: readonly [number, number, number],
  thread: readonly [number, number],
  split: boolean,
  when: Variant['when'],
): Variant {
  const [TILE_M, TILE_N, TILE_K] = tile
  const splits = split ? SPLITS : 1
  const name = `matmul_vec4_${TILE_M}x${TILE_N}${split ? '_split' : ''}`
  return {
    name,
    files: ['matmul_vec4'],
    header: { TILE_M, TILE_N, TILE_K, THREAD_M: thread[0], THREAD_N: thread[1], SPLITS: splits },
    can: p => inVectors(p) && (!split || 4 * SPLITS * at(p, 'M') * at(p, 'N') <= SCRATCH_BYTES),
    ...(when && { when }),
    hardware: true,
    workgroups: p => splits * tiles(p, TILE_M, TILE_N),
    ...(split && {
      second: {
        name: `${name}_sum`,
        files: ['matmul_sum'],
        header: { SPLITS },
        constants: { WORKGROUP_SIZE: 64 },
        workgroups: (p: Params) => Math.ceil((at(p, 'M') * at(p, 'N')) / 256),
      },
    }),
  }
}

const many = (p: Params, tileM: number, tileN: number) => tiles(p, tileM, tileN) >= 128
/** So few tiles and so many terms that most of a GPU would have nothing to do. */
const deep = (p: Params, tileM: number, tileN: number) => tiles(p, tileM, tileN) < 64 && at(p, 'K') >= 1024

/** So many workgroups keep a large GPU busy; a processor needs one a core. */
const enough = (target: Target) => (target.software ? 2 : 128)

const halfFiles = ['common/half', 'common/matmul', 'matmul_half']

export const variants: Readonly<Record<KernelName, readonly Variant[]>> = {
  // Large tiles reuse more; small ones make more workgroups and waste less at the edges.
  matmul: [
    matmulVec4([64, 64, 16], [8, 4], true, p => deep(p, 64, 64) && at(p, 'M') > 16 && at(p, 'N') > 16),
    matmulVec4([16, 64, 16], [4, 4], true, p => deep(p, 16, 64) && at(p, 'M') <= 16),
    matmulVec4([64, 16, 16], [4, 4], true, p => deep(p, 64, 16) && at(p, 'N') <= 16),
    matmulVec4([16, 128, 8], [4, 4], false, p => at(p, 'M') <= 16),
    matmulVec4([128, 16, 8], [4, 4], false, p => at(p, 'N') <= 16),
    matmulVec4([128, 128, 8], [8, 8], false, p => many(p, 128, 128)),
    matmulVec4([128, 64, 8], [8, 8], false, p => many(p, 128, 64)),
    matmulVec4([64, 64, 16], [8, 4], false, p => many(p, 64, 64)),
    matmulVec4([32, 64, 16], [4, 4], false, undefined),
    matmul([64, 16], [8, 4], p => at(p, 'N') <= 16),
    matmul([16, 64], [4, 8], p => at(p, 'M') <= 16),
    matmul([64, 64], [8, 8], (p, target) => tiles(p, 64, 64) >= enough(target)),
    matmul([32, 32], [4, 4]),
  ],
  matmul_half: [
    matmul([64, 16], [8, 4], p => at(p, 'N') <= 16, halfFiles),
    matmul([16, 64], [4, 8], p => at(p, 'M') <= 16, halfFiles),
    matmul([64, 64], [8, 8], (p, target) => tiles(p, 64, 64) >= enough(target), halfFiles),
    matmul([32, 32], [4, 4], undefined, halfFiles),
  ],
  quantize_rows: [{ name: 'quantize_rows', files: ['quantize_rows'], workgroups: p => at(p, 'rows') }],
  matmul_int8: [{ name: 'matmul_int8', files: ['matmul_int8'], workgroups: p => tiles(p, 16, 16) }],
  column_sum: columns('column_sum'),
  gather_rows: elements('gather_rows', matrix),
  gather_rows_half: elements('gather_rows_half', matrix, 256, ['half']),
  scatter_rows: elements('scatter_rows', p => at(p, 'count') * at(p, 'columns')),
  copy_rows: elements('copy_rows', matrix),
  copy_columns: elements('copy_columns', matrix),
  place_columns: elements('place_columns', matrix),
  dropout: elements('dropout', p => at(p, 'rows') * Math.ceil(at(p, 'columns') / 2), 256, ['threefry']),
  layer_norm_forward: rows('layer_norm_forward', ['threefry', 'reduce']),
  layer_norm_backward: rows('layer_norm_backward'),
  layer_norm_parameters: columns('layer_norm_parameters'),
  rms_norm_forward: rows('rms_norm_forward', ['threefry', 'reduce']),
  rms_norm_backward: rows('rms_norm_backward'),
  rms_norm_parameters: columns('rms_norm_parameters'),
  activation_forward: elements('activation_forward', count, 256, ['activation']),
  activation_backward: elements('activation_backward', count, 256, ['activation']),
  gated_activation_forward: elements('gated_activation_forward', count, 256, ['activation']),
  gated_activation_backward: elements('gated_activation_backward', count, 256, ['activation']),
  rope: elements('rope', p => matrix(p) / 2),
  scale: elements('scale', count),
  attention_forward: attention('attention_forward'),
  attention_delta: elements('attention_delta', p => at(p, 'rows') * at(p, 'heads'), 64),
  attention_backward_q: attention('attention_backward_q'),
  attention_backward_kv: attention('attention_backward_kv', 'keyValueHeads'),
  pool_forward: elements('pool_forward', p => at(p, 'sequences') * at(p, 'columns'), 64, ['pool']),
  pool_backward: elements('pool_backward', p => at(p, 'sequences') * at(p, 'columns'), 64, ['pool']),
  l2_normalize_forward: rows('l2_normalize_forward'),
  l2_normalize_backward: rows('l2_normalize_backward'),
  mask_duplicates: rows('mask_duplicates'),
  softmax_cross_entropy_forward: rows('softmax_cross_entropy_forward'),
  softmax_cross_entropy_backward: rows('softmax_cross_entropy_backward'),
  softmax_tile_forward: rows('softmax_tile_forward'),
  softmax_tile_losses: elements('softmax_tile_losses', p => at(p, 'rows'), 64),
  softmax_tile_backward: elements('softmax_tile_backward', matrix),
  group_scores: [
    {
      name: 'group_scores',
      files: ['common/reduce', 'group_scores'],
      constants: { WORKGROUP_SIZE: 32 },
      workgroups: matrix,
    },
  ],
  group_scores_backward_query: elements('group_scores_backward_query', p => at(p, 'rows') * at(p, 'width')),
  group_scores_backward_passage: elements('group_scores_backward_passage', p => matrix(p) * at(p, 'width')),
  pairwise_softmax: elements('pairwise_softmax', p => at(p, 'rows'), 64),
  triplet_margin: elements('triplet_margin', p => at(p, 'rows'), 64),
  margin_mse: elements('margin_mse', p => at(p, 'rows'), 64),
  kl_divergence: elements('kl_divergence', p => at(p, 'rows'), 64),
  maxsim_forward: [
    {
      name: 'maxsim_forward',
      files: ['maxsim_forward'],
      workgroups: p => at(p, 'queries') * at(p, 'columns'),
    },
  ],
  maxsim_backward_query: elements('maxsim_backward_query', p => at(p, 'queryTokens') * at(p, 'width'), 64),
  maxsim_backward_document: [
    {
      name: 'maxsim_backward_document',
      files: ['maxsim_backward_document'],
      constants: { WORKGROUP_SIZE: 64 },
      workgroups: p => at(p, 'documents'),
    },
  ],
  scale_rows: elements('scale_rows', matrix),
  unpack_f16: elements('unpack_f16', p => at(p, 'words')),
  unpack_residuals: rows('unpack_residuals'),
  weighted_sum: parts('weighted_sum', () => 1),
  sum_of_squares: parts('sum_of_squares', p => Math.ceil(at(p, 'count') / NORM_CHUNK), { NORM_CHUNK }),
  gradient_norm: parts('gradient_norm', () => 1),
  adamw: elements('adamw', count),
  fill: elements('fill', count),
  multiply_adds: elements('multiply_adds', count),
  top_k: [{ name: 'top_k', files: ['top_k'], workgroups: p => at(p, 'rows') }],
}

/** What one dispatch compiles. */
export type Shader = Pick<Variant, 'name' | 'files' | 'header' | 'constants'>

/** Lines that `shaderHeader` puts before a shader. */
export const headerLines = (variant: Shader): number => Object.keys(variant.header ?? {}).length + 1

const shaderHeader = (variant: Shader, target: Target): string =>
  [`const ROLLED = ${target.software};\n`]
    .concat(Object.entries(variant.header ?? {}).map(([name, value]) => `const ${name} = ${value}u;\n`))
    .join('')

/** The whole text of a variant's shader: its header, then its files. Fails where a file is missing. */
export function shaderText(variant: Shader, target: Target, shaders: Readonly<Record<string, string>>): string {
  const files = variant.files.map(file => {
    const text = shaders[file]
    if (text === undefined) throw new Error(`shader ${file}.wgsl is missing: run npm run assets`)
    return text
  })
  return shaderHeader(variant, target) + files.join('')
}
