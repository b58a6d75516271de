// The variants of every kernel: which shader, compiled with which constants, for which shapes, in how many workgroups.
// The first one whose `when` holds is taken, at every call: a function of the adapter and the call's parameters alone,
// so that the same call gives the same bits.
import type { KernelName, Params } from '../kernels.js'
import { loraVariants } from './lora-variants.js'
import { products } from './products.js'
import { streamVariants } from './stream-variants.js'

/** Of the buffer that variants with a second dispatch leave partial results in. */
export const SCRATCH_BYTES = 8 * 2 ** 20

/** What variants may depend on beside the shape. */
export interface Target {
  /** Runs on the processor. Shaders know it as ROLLED: unrolled loops take a processor's compiler seconds. */
  readonly software: boolean
  /** Of the device. */
  readonly features: readonly string[]
  /** Matrix units for 16 × 16 × 16, f16 into f32, by subgroups of 32. */
  readonly matrices: boolean
  /** Bytes of workgroup memory. */
  readonly workgroupMemory: number
}

export interface Variant {
  readonly name: string
  /** Files of shaders/ put one after the other, without `.wgsl`; the last holds the entry point `main`. */
  readonly files: readonly string[]
  /** `const` lines before the shader, for what `override` cannot be: sizes of function-scope arrays; `alias` lines for types. */
  readonly header?: Readonly<Record<string, number | string>>
  /** Values of the shader's `override`s. */
  readonly constants?: Readonly<Record<string, number>>
  /** Which calls it can do; all where absent. */
  readonly can?: (p: Params) => boolean
  /** Which of them it is taken for where nothing was measured on this adapter; all where absent. */
  readonly when?: (p: Params, target: Target) => boolean
  /** Not worth a processor's compiling: software adapters get it where it is asked for by name only. */
  readonly hardware?: true
  /** Needs shader-f16. */
  readonly f16?: true
  /** Takes subgroup operations: left out where the device has none. */
  readonly subgroups?: true
  /** Takes matrix units. Without them it is compiled where all variants are asked for, emulated. */
  readonly matrices?: true
  /** Not for devices with matrix units, which do these calls better. */
  readonly unlessMatrices?: true
  /** Bytes that it needs where those are more than the specification's default, 16 KiB. */
  readonly workgroupMemory?: number
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

/** Heads are padded to the next of these numbers of channels. */
const CHANNELS = [32, 64, 96, 128, 256]
const STAGED = (width: string) => ['common/attention_products', `common/attention_stage_${width}`]
const attention = (
  shader: string,
  heads = 'heads',
  common: readonly string[] = [],
  [width, products] = ['scalar', STAGED('scalar')] as readonly [string, readonly string[]],
): Variant[] =>
  CHANNELS.map(channels => ({
    name: `${shader}_${channels}`,
    files: [`common/${width}`, 'common/threefry', 'common/attention', ...products, ...common, shader],
    header: { CHANNELS: channels },
    when: (p: Params) => at(p, 'headSize') <= channels,
    workgroups: (p: Params) => at(p, 'tiles') * at(p, heads),
  }))

/** Heads of whole vectors of four, which those of models are. */
const attentionVectors = (shader: string, heads?: string, common?: readonly string[]): Variant[] =>
  attention(shader, heads, common, ['vector', STAGED('vector')]).map((variant, i) => ({
    ...variant,
    name: `${shader}_vector_${CHANNELS[i]}`,
    can: p => at(p, 'headSize') % 4 === 0 && at(p, 'headSize') <= CHANNELS[i]!,
    hardware: true,
  }))

/** Both. */
const attentionF32 = (...given: readonly [shader: string, heads?: string, common?: readonly string[]]): Variant[] => [
  ...attentionVectors(...given),
  ...attention(...given),
]

/** What both gradients of queries share. */
const QUERIES = ['common/attention_queries']

/** By matrix units where there are some; without them in f32, which is no slower than f16 there. */
const attentionF16 = (shader: string, heads?: string, common: readonly string[] = []): Variant[] => [
  ...CHANNELS.map((channels, i): Variant => {
    const can = (p: Params) => at(p, 'headSize') <= channels
    return {
      ...attention(shader, heads, common, ['scalar', ['common/subgroup_matrix', 'common/attention_matrices']])[i]!,
      name: `${shader}_subgroup_${channels}`,
      ...{ f16: true, matrices: true, can },
      when: (p, target) => target.matrices && can(p),
    }
  }),
  ...attentionF32(shader, heads, common).map((variant): Variant => ({ ...variant, f16: true })),
]

export const variants: Readonly<Record<KernelName, readonly Variant[]>> = {
  ...products,
  quantize_rows: [{ name: 'quantize_rows', files: ['quantize_rows'], workgroups: p => at(p, 'rows') }],
  matmul_int8: [
    {
      name: 'matmul_int8',
      files: ['matmul_int8'],
      workgroups: p => Math.ceil(at(p, 'M') / 16) * Math.ceil(at(p, 'N') / 16),
    },
  ],
  ...streamVariants,
  copy_columns: elements('copy_columns', matrix),
  attention_forward: attentionF32('attention_forward'),
  attention_delta: elements('attention_delta', p => at(p, 'rows') * at(p, 'heads'), 64),
  attention_backward_q: attentionF32('attention_backward_q', 'heads', QUERIES),
  attention_backward_q_bias: attentionF32('attention_backward_q_bias', 'heads', QUERIES),
  attention_backward_kv: attentionF32('attention_backward_kv', 'keyValueHeads'),
  attention_forward_f16: attentionF16('attention_forward'),
  attention_backward_q_f16: attentionF16('attention_backward_q', 'heads', QUERIES),
  attention_backward_q_bias_f16: attentionF16('attention_backward_q_bias', 'heads', QUERIES),
  attention_backward_kv_f16: attentionF16('attention_backward_kv', 'keyValueHeads'),
  ...loraVariants,
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
  gradient_norm: parts('gradient_norm', () => 1),
  multiply_adds: elements('multiply_adds', count),
  top_k: [{ name: 'top_k', files: ['top_k'], workgroups: p => at(p, 'rows') }],
  nearest: [],
  maxsim_stored: [],
}

/** What one dispatch compiles. */
export type Shader = Pick<Variant, 'name' | 'files' | 'header' | 'constants' | 'f16' | 'matrices' | 'subgroups'>

/** Whether a variant is compiled for a device; `all`: also what would be slow there. */
export const isWanted = (variant: Variant, target: Target, all: boolean): boolean =>
  (all || !variant.hardware || !target.software) &&
  (all || !variant.matrices || target.matrices) &&
  (all || !variant.unlessMatrices || !target.matrices) &&
  (!variant.subgroups || target.features.includes('subgroups')) &&
  (!variant.f16 || target.features.includes('shader-f16')) &&
  (variant.workgroupMemory ?? 0) <= target.workgroupMemory

const MATRICES = 'common/subgroup_matrix'
const MATRIX_LINES = `enable subgroups;
enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity);
`

/** The files of a shader for a device: matrix units are emulated where there are none. */
export const shaderFiles = ({ files }: Shader, { matrices }: Target): readonly string[] =>
  files.map(file => (file === MATRICES && !matrices ? `${MATRICES}_emulated` : file))

/** What stands before a shader's files. */
export function shaderHeader({ header = {}, f16, matrices, subgroups }: Shader, target: Target): string {
  const lines = Object.entries(header).map(([name, value]) =>
    typeof value === 'string' ? `alias ${name} = ${value};\n` : `const ${name} = ${value}u;\n`,
  )
  const enabled = `${f16 ? 'enable f16;\n' : ''}${subgroups ? 'enable subgroups;\n' : ''}${matrices && target.matrices ? MATRIX_LINES : ''}`
  return `${enabled}const ROLLED = ${target.software};\n${lines.join('')}`
}

/** The whole text of a variant's shader: its header, then its files. Fails where a file is missing. */
export function shaderText(variant: Shader, target: Target, shaders: Readonly<Record<string, string>>): string {
  const files = shaderFiles(variant, target).map(file => {
    const text = shaders[file]
    if (text === undefined) throw new Error(`shader ${file}.wgsl is missing: run npm run assets`)
    return text
  })
  return shaderHeader(variant, target) + files.join('')
}
