// The variants of every kernel: which shader, compiled with which constants, for which shapes, in how many workgroups. The first one whose
// `when` holds is taken, at every call: a function of the call's parameters alone, so that the same call gives the same bits.
import { type KernelName, NORM_CHUNK, type Params } from '../kernels.js'

export interface Variant {
  readonly name: string
  /** Files of shaders/ put one after the other, without `.wgsl`; the last holds the entry point `main`. */
  readonly files: readonly string[]
  /** `const` lines before the shader, for what `override` cannot be: sizes of function-scope arrays. */
  readonly header?: Readonly<Record<string, number>>
  /** Values of the shader's `override`s. */
  readonly constants?: Readonly<Record<string, number>>
  /** Which calls it can do and is best for; all where absent. */
  readonly when?: (p: Params) => boolean
  /** Workgroups of a call; beyond the limit of one dimension they are spread over two. */
  readonly workgroups: (p: Params) => number
}

const at = (p: Params, name: string): number => p[name] ?? 0
const matrix = (p: Params): number => at(p, 'rows') * at(p, 'columns')

/** One invocation for each of `count` elements. */
const elements = (shader: string, count: (p: Params) => number, size = 256, common: readonly string[] = []) => [
  {
    name: shader,
    files: [...common.map(name => `common/${name}`), shader],
    constants: { WORKGROUP_SIZE: size },
    workgroups: (p: Params) => Math.ceil(count(p) / size),
  },
]

/** One workgroup for each of `count` rows. */
const rows = (
  shader: string,
  size = 128,
  common: readonly string[] = ['reduce'],
  count = (p: Params) => at(p, 'rows'),
) => [
  {
    name: shader,
    files: [...common.map(name => `common/${name}`), shader],
    constants: { WORKGROUP_SIZE: size },
    workgroups: count,
  },
]

/** One workgroup for 8 columns, 32 rows at a time. */
const columns = (shader: string) => [
  {
    name: shader,
    files: [shader],
    constants: { COLUMNS: 8, LANES: 32 },
    workgroups: (p: Params) => Math.ceil(at(p, 'columns') / 8),
  },
]

/** Pads the head size to the next of these. */
const HEAD_SIZES = [32, 64, 128, 256]
const attention = (shader: string): Variant[] =>
  HEAD_SIZES.map(size => ({
    name: `${shader}_${size}`,
    files: ['common/threefry', 'common/attention', shader],
    header: { HEAD_SIZE: size },
    constants: { WORKGROUP_SIZE: 32 },
    when: (p: Params) => at(p, 'headSize') <= size,
    workgroups: (p: Params) => at(p, 'tiles') * at(p, 'heads'),
  }))

const tiles = (p: Params, tileM: number, tileN: number) => Math.ceil(at(p, 'M') / tileM) * Math.ceil(at(p, 'N') / tileN)

/** An invocation computes `thread` × `thread` elements of c, a workgroup of 256 a square tile of `16 · thread`. */
const matmul = (name: string, thread: number, when?: (p: Params) => boolean): Variant => {
  const tile = 16 * thread
  return {
    name,
    files: ['matmul'],
    header: { TILE_M: tile, TILE_N: tile, TILE_K: 16, THREAD_M: thread, THREAD_N: thread },
    ...(when && { when }),
    workgroups: p => tiles(p, tile, tile),
  }
}

export const variants: Readonly<Record<KernelName, readonly Variant[]>> = {
  // Large tiles reuse more, small ones waste less at the edges and make more workgroups. Some 100 workgroups keep a large GPU busy.
  matmul: [
    matmul('matmul_64', 4, p => Math.min(at(p, 'M'), at(p, 'N')) > 32 && tiles(p, 64, 64) >= 100),
    matmul('matmul_32', 2, p => Math.min(at(p, 'M'), at(p, 'N')) > 16),
    matmul('matmul_16', 1),
  ],
  column_sum: columns('column_sum'),
  gather_rows: elements('gather_rows', matrix),
  scatter_rows: elements('scatter_rows', p => at(p, 'count') * at(p, 'columns')),
  copy_rows: elements('copy_rows', matrix),
  dropout: elements('dropout', p => at(p, 'rows') * Math.ceil(at(p, 'columns') / 2), 256, ['threefry']),
  layer_norm_forward: rows('layer_norm_forward', 128, ['threefry', 'reduce']),
  layer_norm_backward: rows('layer_norm_backward'),
  layer_norm_parameters: columns('layer_norm_parameters'),
  gelu_forward: elements('gelu_forward', p => at(p, 'count'), 256, ['gelu']),
  gelu_backward: elements('gelu_backward', p => at(p, 'count'), 256, ['gelu']),
  attention_forward: attention('attention_forward'),
  attention_delta: elements('attention_delta', p => at(p, 'rows') * at(p, 'heads'), 64),
  attention_backward_q: attention('attention_backward_q'),
  attention_backward_kv: attention('attention_backward_kv'),
  pool_forward: elements('pool_forward', p => at(p, 'sequences') * at(p, 'columns'), 64),
  pool_backward: elements('pool_backward', p => at(p, 'sequences') * at(p, 'columns'), 64),
  l2_normalize_forward: rows('l2_normalize_forward'),
  l2_normalize_backward: rows('l2_normalize_backward'),
  softmax_cross_entropy_forward: rows('softmax_cross_entropy_forward'),
  softmax_cross_entropy_backward: rows('softmax_cross_entropy_backward', 128, []),
  weighted_sum: rows('weighted_sum', 256, ['reduce'], () => 1),
  sum_of_squares: rows('sum_of_squares', 256, ['reduce'], p => Math.ceil(at(p, 'count') / NORM_CHUNK)).map(variant => ({
    ...variant,
    constants: { ...variant.constants, NORM_CHUNK },
  })),
  gradient_norm: rows('gradient_norm', 256, ['reduce'], () => 1),
  adamw: elements('adamw', p => at(p, 'count')),
  fill: elements('fill', p => at(p, 'count')),
  top_k: [{ name: 'top_k', files: ['top_k'], workgroups: p => at(p, 'rows') }],
}

/** The whole text of a variant's shader: its header, then its files. Fails where a file is missing. */
export function shaderText(variant: Variant, shaders: Readonly<Record<string, string>>): string {
  const header = Object.entries(variant.header ?? {}).map(([name, value]) => `const ${name} = ${value}u;\n`)
  const files = variant.files.map(file => {
    const text = shaders[file]
    if (text === undefined) throw new Error(`shader ${file}.wgsl is missing: run npm run assets`)
    return text
  })
  return [...header, ...files].join('')
}
