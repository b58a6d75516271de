// Dropout, LayerNorm, RMS norm and L2 normalisation.
import { dropoutParams } from '../../../src/backend/random.js'
import { seededValues } from '../values.js'
import { type CaseOptions, caseOf, type KernelCase, referenceOutput } from './case.js'
import { MANY_ROWS, shapes } from './rows.js'

const random = seededValues(103)
const keeping = dropoutParams(0, 0, 0, 0)
const dropping = dropoutParams(0.1, 7, 3, 11)
const manyRows = [MANY_ROWS, 3] as const
const noRows = [0, 3] as const
const size = (rows: number, columns: number) => Math.max(rows, 1) * columns
const ones = (count: number) => random.uniform(count, 1, 2).map((value, i) => (i % 3 ? value : -value))

/** Values of at least 1, so that one wrongly dropped or kept element cannot hide below the tolerance. */
export function dropoutCases(): KernelCase[] {
  const drop = (rows: number, columns: number, rate: number) => {
    const tensors = { x: ones(size(rows, columns)), keys: random.words(Math.max(rows, 1)), y: size(rows, columns) }
    const params = { rows, columns, ...dropoutParams(rate, 1, rows, columns) }
    return caseOf('dropout', `${rows} rows of ${columns}, rate ${rate}`, params, tensors)
  }
  const rates = [0.1, 0.5, 0, 0.99]
  return [...shapes, manyRows, noRows].map(([rows, columns], i) => drop(rows, columns, rates[i % rates.length]!))
}

function layerNorm(
  name: string,
  x: Float32Array,
  columns: number,
  residual: 'none' | 'plain' | 'dropped',
  options?: CaseOptions,
) {
  const rows = Math.floor(x.length / columns)
  const hasResidual = residual === 'none' ? 0 : 1
  const hasBeta = rows === 3 || rows === 63 ? 0 : 1
  const params = {
    rows,
    columns,
    epsilon: rows % 2 ? 1e-12 : 0.25,
    hasResidual,
    hasBeta,
    ...(residual === 'dropped' ? dropping : keeping),
  }
  const tensors = {
    x,
    residual: hasResidual ? random.normal(x.length) : undefined,
    keys: residual === 'dropped' ? random.words(rows) : undefined,
    gamma: random.normal(columns, 0.2, 1),
    beta: hasBeta ? random.normal(columns) : undefined,
    sum: hasResidual ? x.length : undefined,
    y: x.length,
    stats: rows * 2,
  }
  const measure = { terms: columns, interleaved: { stats: 2 }, ...options }
  return caseOf('layer_norm_forward', name, params, tensors, measure)
}

export function layerNormForwardCases(): KernelCase[] {
  const kinds = ['none', 'plain', 'dropped'] as const
  const cases = [...shapes, [3, 2] as const].flatMap(([rows, columns], i) =>
    // One column has no variance: its rstd is 1/√epsilon, which no case that also sums should have
    (columns === 1 ? (['none'] as const) : [kinds[i % 3]!, kinds[(i + 1) % 3]!]).map(kind =>
      layerNorm(`${rows} rows of ${columns}, residual ${kind}`, random.normal(rows * columns, 2, 0.5), columns, kind),
    ),
  )
  const nothing = layerNorm('no rows', random.normal(3), 3, 'none')
  return [
    ...cases,
    layerNorm(`${MANY_ROWS} rows of 3`, random.normal(MANY_ROWS * 3), 3, 'dropped', { conditioning: 1e4 }),
    layerNorm('a row of zeros', new Float32Array(65), 65, 'none'),
    // The mean is 1000 deviations: its rounding moves y by 1000 · 2⁻²⁴, while E[x²] − E[x]² would lose everything
    layerNorm('mean far from 0', random.normal(5 * 130, 1, 1000), 130, 'none', { conditioning: 300 }),
    { ...nothing, params: { ...nothing.params, rows: 0 } },
  ]
}

/** z, its statistics, dy and gamma of a LayerNorm whose gradients are wanted. */
function normalised(rows: number, columns: number) {
  const z = random.normal(size(rows, columns), 2, 0.5)
  // Two or three neighbours may lie so close that their rstd is huge: the spread keeps it below 10
  for (let i = 0; i < z.length; i += columns) z[i]! += 3
  const stats = referenceOutput('layer_norm_forward', layerNorm('', z, columns, 'none'), 'stats')
  return { dy: random.normal(z.length), z, stats, gamma: random.normal(columns, 0.2, 1) }
}

/** In turn: no branch, one that is masked, one that is not. */
function branchOf(rows: number, columns: number) {
  const kind = (branches++ >> 1) % 3
  const [hasBranch, drop] = [kind > 0 ? 1 : 0, kind === 1 ? dropping : keeping]
  const keys = kind === 1 ? random.words(Math.max(rows, 1)) : undefined
  return { hasBranch, ...drop, branch: { keys, dbranch: hasBranch ? size(rows, columns) : undefined } }
}
let branches = 0

export const layerNormBackwardCases = (): KernelCase[] =>
  [...shapes.slice(1), manyRows, noRows].flatMap(([rows, columns]) =>
    (rows === MANY_ROWS ? [1] : [0, 1]).map(accumulate => {
      const given = normalised(rows, columns)
      const { branch, ...masked } = branchOf(rows, columns)
      const dz = accumulate ? random.normal(given.z.length) : given.z.length
      const tensors = { ...given, dz, ...branch }
      const name = `${rows} rows of ${columns}, accumulate ${accumulate}`
      return caseOf('layer_norm_backward', name, { rows, columns, accumulate, ...masked }, tensors, { terms: columns })
    }),
  )

export const layerNormParametersCases = (): KernelCase[] =>
  [...shapes.slice(1), [1000, 5] as const, [1030, 12] as const, manyRows, noRows].map(([rows, columns]) => {
    const { dy, z, stats } = normalised(rows, columns)
    const hasBeta = rows === 63 ? 0 : 1
    const dbeta = hasBeta ? random.normal(columns) : undefined
    const tensors = { dy, z, stats, dgamma: random.normal(columns), dbeta }
    const params = { rows, columns, hasBeta }
    return caseOf('layer_norm_parameters', `${rows} rows of ${columns}`, params, tensors, { terms: rows })
  })

function rmsNorm(name: string, x: Float32Array, columns: number, residual: 'none' | 'plain' | 'dropped') {
  const rows = Math.floor(x.length / columns)
  const hasResidual = residual === 'none' ? 0 : 1
  const drop = residual === 'dropped' ? dropping : keeping
  const params = { rows, columns, epsilon: rows % 2 ? 1e-12 : 0.25, plus: rows % 2, hasResidual, ...drop }
  const tensors = {
    x,
    residual: hasResidual ? random.normal(x.length) : undefined,
    keys: residual === 'dropped' ? random.words(rows) : undefined,
    gamma: random.normal(columns, 0.2, 1 - (rows % 2)),
    sum: hasResidual ? x.length : undefined,
    y: x.length,
    stats: rows,
  }
  return caseOf('rms_norm_forward', name, params, tensors, { terms: columns })
}

export function rmsNormForwardCases(): KernelCase[] {
  const kinds = ['none', 'plain', 'dropped'] as const
  const cases = [...shapes, [3, 2] as const].flatMap(([rows, columns], i) =>
    [kinds[i % 3]!, kinds[(i + 1) % 3]!].map(kind => {
      const x = random.normal(rows * columns, 2, 0.5)
      return rmsNorm(`${rows} rows of ${columns}, residual ${kind}`, x, columns, kind)
    }),
  )
  const nothing = rmsNorm('no rows', random.normal(3), 3, 'none')
  return [
    ...cases,
    // Away from 0, so that no row's rstd is the scale of all
    rmsNorm(`${MANY_ROWS} rows of 3`, ones(MANY_ROWS * 3), 3, 'none'),
    rmsNorm('a row of zeros', new Float32Array(65), 65, 'none'),
    { ...nothing, params: { ...nothing.params, rows: 0 } },
  ]
}

/** z, its statistic, dy and gamma of an RMS norm whose gradients are wanted. */
function rmsNormalised(rows: number, columns: number) {
  const z = ones(size(rows, columns))
  const stats = referenceOutput('rms_norm_forward', rmsNorm('', z, columns, 'none'), 'stats')
  return { dy: random.normal(z.length), z, stats, gamma: random.normal(columns, 0.2, 1) }
}

export const rmsNormBackwardCases = (): KernelCase[] =>
  // One column has a gradient of 0
  [...shapes.slice(1), manyRows, noRows].flatMap(([rows, columns]) =>
    (rows === MANY_ROWS ? [1] : [0, 1]).map(accumulate => {
      const given = rmsNormalised(rows, columns)
      const { branch, ...masked } = branchOf(rows, columns)
      const dz = accumulate ? random.normal(given.z.length) : given.z.length
      const tensors = { ...given, dz, ...branch }
      const params = { rows, columns, plus: rows % 2, accumulate, ...masked }
      const name = `${rows} rows of ${columns}, accumulate ${accumulate}`
      return caseOf('rms_norm_backward', name, params, tensors, { terms: columns })
    }),
  )

export const rmsNormParametersCases = (): KernelCase[] =>
  [...shapes, [1000, 5] as const, [1030, 12] as const, manyRows, noRows].map(([rows, columns]) => {
    const { dy, z, stats } = rmsNormalised(rows, columns)
    const tensors = { dy, z, stats, dgamma: random.normal(columns) }
    return caseOf('rms_norm_parameters', `${rows} rows of ${columns}`, { rows, columns }, tensors, { terms: rows })
  })

export function l2NormalizeForwardCases(): KernelCase[] {
  const normalize = (name: string, rows: number, columns: number, x: Float32Array, epsilon: number) => {
    const tensors = { x, y: x.length, norms: Math.max(rows, 1) }
    return caseOf('l2_normalize_forward', name, { rows, columns, epsilon }, tensors, { terms: columns })
  }
  const plain = [...shapes, manyRows, noRows].map(([rows, columns]) =>
    normalize(`${rows} rows of ${columns}`, rows, columns, random.normal(size(rows, columns)), 1e-12),
  )
  const zeroRow = random.normal(3 * 65).map((value, i) => (i >= 65 && i < 130 ? 0 : value))
  const growing = random.normal(4 * 33).map((value, i) => value * 10 ** (Math.floor(i / 33) - 3))
  return [
    ...plain,
    normalize('a row of zeros', 3, 65, zeroRow, 1e-12),
    normalize('norms below and above epsilon', 4, 33, growing, 0.5),
    normalize('large values', 2, 100, random.normal(200, 1e17), 1e-12),
  ]
}

export function l2NormalizeBackwardCases(): KernelCase[] {
  const normalize = (name: string, rows: number, columns: number, x: Float32Array, epsilon: number) => {
    const forward = { rows: x.length / columns, columns, epsilon }
    const before = caseOf('l2_normalize_forward', name, forward, { x, y: x.length, norms: x.length / columns })
    const [y, norms] = ['y', 'norms'].map(tensor => referenceOutput('l2_normalize_forward', before, tensor)) as [
      Float32Array,
      Float32Array,
    ]
    const tensors = { y, norms, dy: random.normal(x.length), dx: x.length }
    return caseOf('l2_normalize_backward', name, { rows, columns, epsilon }, tensors, { terms: columns })
  }
  // Away from 0, so that no short row's 1/‖x‖ is the scale of the whole tensor
  const plain = [...shapes, manyRows, noRows].map(([rows, columns]) =>
    normalize(`${rows} rows of ${columns}`, rows, columns, ones(size(rows, columns)), 1e-12),
  )
  const growing = random.normal(4 * 33).map((value, i) => value * 10 ** (Math.floor(i / 33) - 3))
  return [
    ...plain,
    normalize('rows of zeros', 3, 5, new Float32Array(15), 1e-12),
    normalize('norms below and above epsilon', 4, 33, growing, 0.5),
  ]
}
