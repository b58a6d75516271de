// The variants of kernels that do little but read and write memory: see variants.ts. Each in single elements, for any sizes, and in vectors of four where
// all that it reads and writes are whole ones; sums over a row by subgroup operations where the device has them.
import { NORM_CHUNK, type Params } from '../kernels.js'
import { SCRATCH_BYTES, type Variant } from './variants.js'

const at = (p: Params, name: string): number => p[name] ?? 0
const count = (p: Params): number => at(p, 'count')
const matrix = (p: Params): number => at(p, 'rows') * at(p, 'columns')
const [SCALAR, VECTOR] = ['common/scalar', 'common/vector']
/** Elements of a vector. */
const FOUR = 4

/** Whether all of these are in whole vectors. */
const whole =
  (...names: readonly string[]) =>
  (p: Params): boolean =>
    names.every(name => at(p, name) % FOUR === 0)

interface Stream {
  /** Invocations of the form in elements. */
  readonly count: (p: Params) => number
  /** How many of them one in vectors stands for. */
  readonly width?: number
  readonly whole: (p: Params) => boolean
  /** What `shader` is put behind, in elements and in vectors. */
  readonly common?: readonly [scalar: readonly string[], vector: readonly string[]]
  /** Files that hold the entry point, where it is not the kernel's own in both forms. */
  readonly vector?: string
}

/** One cell an invocation. */
function stream(shader: string, { count, whole, width = FOUR, common = [[], []], vector = shader }: Stream): Variant[] {
  const form = (name: string, file: string, cells: string, more: readonly string[], by: number): Variant => ({
    name,
    files: [cells, ...more.map(each => `common/${each}`), file],
    constants: { WORKGROUP_SIZE: 256 },
    workgroups: p => Math.ceil(count(p) / by / 256),
  })
  return [
    { ...form(`${shader}_vector`, vector, VECTOR, common[1], width), can: whole, hardware: true },
    form(shader, shader, SCALAR, common[0], 1),
  ]
}

const activation = (shader: string): Variant[] =>
  stream(shader, {
    count,
    whole: whole('count'),
    common: [
      ['activation', 'activation_scalar'],
      ['activation', 'activation_vector'],
    ],
  })

const subgroups = { files: ['common/reduce_subgroup'], subgroups: true } as const
const barriers = { files: ['common/reduce'] } as const

/** Vectors of a row that an invocation keeps. */
const HELD = 8

/** One workgroup a row: a small one for short rows, whose barriers cost more than their elements. */
function norm(kernel: string, direction: string): Variant[] {
  const threefry = 'common/threefry'
  const vector = (size: number, { files, ...needs }: typeof subgroups | typeof barriers): Variant => ({
    name: `${kernel}_vector${'subgroups' in needs ? '_subgroup' : ''}_${size}`,
    files: [VECTOR, threefry, ...files, kernel, `norm_${direction}_vector`],
    header: { HELD },
    constants: { WORKGROUP_SIZE: size },
    can: p => whole('columns')(p) && at(p, 'columns') <= FOUR * HELD * size,
    hardware: true,
    ...needs,
    workgroups: p => at(p, 'rows'),
  })
  return [
    ...[32, 256].flatMap(size => [vector(size, subgroups), vector(size, barriers)]),
    ...[32, 256].map(size => ({
      name: `${kernel}_${size}`,
      files: [SCALAR, threefry, ...barriers.files, kernel, `norm_${direction}`],
      constants: { WORKGROUP_SIZE: size },
      ...(size === 32 && { when: (p: Params) => at(p, 'columns') <= 1024 }),
      workgroups: (p: Params) => at(p, 'rows'),
    })),
  ]
}

/** Rows from which on they are shared among workgroups, and among how many. */
const [MANY, SPLITS] = [512, 32]

/** Sums over rows of `terms` numbers a column. */
function columns(kernel: string, terms: number): Variant[] {
  const vectors = (p: Params) => at(p, 'columns') / FOUR
  return [
    {
      name: `${kernel}_split`,
      files: [VECTOR, kernel, 'columns_split'],
      header: { SPLITS },
      can: p => whole('columns')(p) && 4 * SPLITS * terms * at(p, 'columns') <= SCRATCH_BYTES,
      when: p => at(p, 'rows') >= MANY,
      hardware: true,
      workgroups: p => SPLITS * Math.ceil(vectors(p) / 16),
      second: {
        name: `${kernel}_split_sum`,
        files: [VECTOR, kernel, 'columns_split_sum'],
        header: { SPLITS },
        constants: { WORKGROUP_SIZE: 64 },
        workgroups: p => Math.ceil(vectors(p) / 64),
      },
    },
    {
      name: kernel,
      files: [SCALAR, kernel, 'columns'],
      constants: { COLUMNS: 8, LANES: 32 },
      workgroups: p => Math.ceil(at(p, 'columns') / 8),
    },
  ]
}

const squares = (name: string, cells: string, files: readonly string[], more: Partial<Variant> = {}): Variant => ({
  name,
  files: [cells, ...files, 'sum_of_squares'],
  constants: { WORKGROUP_SIZE: 256, NORM_CHUNK },
  workgroups: p => Math.ceil(count(p) / NORM_CHUNK),
  ...more,
})

const inVectors = { can: whole('count'), hardware: true } as const

export const streamVariants = {
  gather_rows: stream('gather_rows', { count: matrix, whole: whole('columns') }),
  gather_rows_half: stream('gather_rows_half', {
    count: matrix,
    whole: whole('columns'),
    common: [['half'], ['half']],
    vector: 'gather_rows_half_vector',
  }),
  scatter_rows: stream('scatter_rows', { count: p => count(p) * at(p, 'columns'), whole: whole('columns') }),
  copy_rows: stream('copy_rows', {
    count: matrix,
    whole: p => [at(p, 'rows'), at(p, 'from'), at(p, 'to')].every(rows => (rows * at(p, 'columns')) % FOUR === 0),
  }),
  place_columns: stream('place_columns', {
    count: matrix,
    whole: whole('columns', 'xColumns', 'yColumns', 'from', 'to'),
  }),
  dropout: stream('dropout', {
    // Two neighbours an invocation
    count: p => at(p, 'rows') * Math.ceil(at(p, 'columns') / 2),
    width: 2,
    whole: whole('columns'),
    common: [['threefry'], ['threefry']],
    vector: 'dropout_vector',
  }),
  layer_norm_forward: norm('layer_norm_forward', 'forward'),
  layer_norm_backward: norm('layer_norm_backward', 'backward'),
  layer_norm_parameters: columns('layer_norm_parameters', 2),
  rms_norm_forward: norm('rms_norm_forward', 'forward'),
  rms_norm_backward: norm('rms_norm_backward', 'backward'),
  rms_norm_parameters: columns('rms_norm_parameters', 1),
  column_sum: columns('column_sum', 1),
  activation_forward: activation('activation_forward'),
  activation_backward: activation('activation_backward'),
  gated_activation_forward: activation('gated_activation_forward'),
  gated_activation_backward: activation('gated_activation_backward'),
  rope: stream('rope', { count: p => matrix(p) / 2, whole: p => at(p, 'headSize') % (2 * FOUR) === 0 }),
  scale: stream('scale', { count, whole: whole('count') }),
  fill: stream('fill', { count, whole: whole('count') }),
  adamw: stream('adamw', { count, whole: whole('count') }),
  sum_of_squares: [
    squares('sum_of_squares_vector_subgroup', VECTOR, subgroups.files, { ...inVectors, subgroups: true }),
    squares('sum_of_squares_vector', VECTOR, barriers.files, inVectors),
    squares('sum_of_squares', SCALAR, barriers.files),
  ],
} as const satisfies Record<string, readonly Variant[]>
