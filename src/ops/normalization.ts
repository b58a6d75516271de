// Norms over rows, LayerNorm and RMS norm, alone or after a residual sum: y = norm(residual + dropout(x)).
import { columnsOf, expectShape, sizeOf, type Tensor } from '../tensor/tensor.js'
import { call, gradientTarget, onBackward, type Param, shareGradient, type Trace, temporary } from '../tensor/trace.js'
import { applyMask, type Dropout, maskParams } from './dropout.js'

export interface NormWeights {
  readonly gamma: Tensor // (C)
  readonly beta?: Tensor // (C)
  readonly epsilon: number
}

export interface RmsNormWeights {
  readonly gamma: Tensor // (C)
  readonly epsilon: number
  /** The factor is gamma + 1 (Gemma). */
  readonly addOne?: boolean
}

export type Norm = ({ readonly kind: 'layer' } & NormWeights) | ({ readonly kind: 'rms' } & RmsNormWeights)

/** LN(x) of x (T, C) */
export function layerNorm(trace: Trace, x: Tensor, weights: NormWeights, name: string): Tensor {
  const y = temporary(name, x.shape, [x, weights.gamma, weights.beta])
  const steps = stepsOf(trace, { kind: 'layer', ...weights }, x, name)
  steps.forward(x, undefined, undefined, undefined, y)
  onBackward(trace, y, dy => steps.backward(dy, x))
  return y
}

/** LN(residual + dropout(x)), all (T, C): the norm after a layer. */
export function residualLayerNorm(
  trace: Trace,
  x: Tensor,
  residual: Tensor,
  weights: NormWeights,
  dropout: Dropout | undefined,
  name: string,
): Tensor {
  return addNorm(trace, x, residual, { kind: 'layer', ...weights }, dropout, name).normed
}

/** x / √(mean x² + ε) · gamma (Zhang and Sennrich 2019) of x (T, C), over groups of `width` columns where given, with one gamma (width). */
export function rmsNorm(trace: Trace, x: Tensor, weights: RmsNormWeights, name: string, width?: number): Tensor {
  const total = columnsOf(x)
  const columns = width ?? total
  if (total % columns !== 0) throw new Error(`rms norm ${name}: ${total} columns are not a multiple of ${columns}`)
  const rows: Param = values => sizeOf(x.shape[0]!, values) * (total / columns)
  const stats = temporary(`${name}.stats`, [x.shape[0]!, total / columns])
  const y = temporary(name, x.shape, [x, weights.gamma])
  const norm = rms(trace, weights, { rows, columns, stats, name })
  norm.forward(x, undefined, undefined, undefined, y)
  onBackward(trace, y, dy => norm.backward(dy, x))
  return y
}

/** sum = residual + dropout(x) and its norm, all (T, C): what layers with the norm before them hand on. Either may be used, or both. */
export function addNorm(
  trace: Trace,
  x: Tensor,
  residual: Tensor,
  norm: Norm,
  dropout: Dropout | undefined,
  name: string,
): { readonly sum: Tensor; readonly normed: Tensor } {
  const sum = temporary(`${name}.sum`, x.shape, [x, residual])
  const normed = temporary(name, x.shape, [sum, norm.gamma, norm.kind === 'layer' ? norm.beta : undefined])
  const steps = stepsOf(trace, norm, x, name)
  steps.forward(x, residual, dropout, sum, normed)
  // Both sides of a sum have its gradient; the branch's is masked as the branch was. Before the norm's on the tape, so that it comes after it.
  let dbranch: Tensor | undefined
  onBackward(trace, sum, dsum => {
    if (x.needsGradient) shareGradient(trace, x, dbranch ?? (dropout ? applyMask(trace, dsum, dropout) : dsum))
    shareGradient(trace, residual, dsum)
  })
  // The norm's backward makes the sum's gradient whole, and masks it for the branch in the same pass.
  onBackward(trace, normed, dy => {
    dbranch = dropout && x.needsGradient ? temporary(`d${x.name}`, x.shape) : undefined
    steps.backward(dy, sum, dbranch && { dropout: dropout!, dbranch })
  })
  return { sum, normed }
}

/** The two directions of a norm: y from x, by way of the sum where there is a residual; and the gradients of weights and of what was normalised, z. */
interface NormSteps {
  forward(
    x: Tensor,
    residual: Tensor | undefined,
    dropout: Dropout | undefined,
    sum: Tensor | undefined,
    y: Tensor,
  ): void
  backward(dy: Tensor, z: Tensor, branch?: Branch): void
}

/** Where the gradient of a sum's dropped branch goes. */
interface Branch {
  readonly dropout: Dropout
  readonly dbranch: Tensor
}

/** The last tensors and parameters of a norm's backward call. */
const branchOf = (branch: Branch | undefined) => ({
  tensors: { keys: branch?.dropout.keys, dbranch: branch?.dbranch },
  params: { hasBranch: branch ? 1 : 0, ...maskParams(branch?.dropout) },
})

const stepsOf = (trace: Trace, norm: Norm, x: Tensor, name: string): NormSteps => {
  const [rows, columns] = [x.shape[0]!, columnsOf(x)]
  const stats = (width: number) => temporary(`${name}.stats`, [rows, width])
  return norm.kind === 'rms'
    ? rms(trace, norm, { rows, columns, stats: stats(1), name })
    : layer(trace, norm, { rows, columns, stats: stats(2), name })
}

interface NormShape {
  readonly rows: Param
  readonly columns: number
  readonly stats: Tensor
  readonly name: string
}

function rms(
  trace: Trace,
  { gamma, epsilon, addOne }: RmsNormWeights,
  { rows, columns, stats, name }: NormShape,
): NormSteps {
  expectShape(gamma, [columns], `rms norm ${name}`)
  const plus = addOne ? 1 : 0
  return {
    forward(x, residual, dropout, sum, y) {
      const tensors = { x, residual, keys: dropout?.keys, gamma, sum, y, stats }
      const params = { rows, columns, epsilon, plus, hasResidual: residual ? 1 : 0, ...maskParams(dropout) }
      call(trace, 'rms_norm_forward', tensors, params)
    },
    backward(dy, z, branch) {
      if (gamma.needsGradient) {
        const dgamma = gradientTarget(trace, gamma).target
        call(trace, 'rms_norm_parameters', { dy, z, stats, dgamma }, { rows, columns })
      }
      if (!z.needsGradient) return
      const { target: dz, accumulate } = gradientTarget(trace, z)
      const { tensors, params } = branchOf(branch)
      const norm = { rows, columns, plus, accumulate, ...params }
      call(trace, 'rms_norm_backward', { dy, z, stats, gamma, dz, ...tensors }, norm)
    },
  }
}

function layer(
  trace: Trace,
  { gamma, beta, epsilon }: NormWeights,
  { rows, columns, stats, name }: NormShape,
): NormSteps {
  expectShape(gamma, [columns], `layer norm ${name}`)
  if (beta) expectShape(beta, [columns], `layer norm ${name}`)
  const hasBeta = beta ? 1 : 0
  return {
    forward(x, residual, dropout, sum, y) {
      const tensors = { x, residual, keys: dropout?.keys, gamma, beta, sum, y, stats }
      const params = { rows, columns, epsilon, hasResidual: residual ? 1 : 0, hasBeta, ...maskParams(dropout) }
      call(trace, 'layer_norm_forward', tensors, params)
    },
    backward(dy, z, branch) {
      if (gamma.needsGradient || beta?.needsGradient) {
        const dgamma = gradientTarget(trace, gamma).target
        const dbeta = beta && gradientTarget(trace, beta).target
        call(trace, 'layer_norm_parameters', { dy, z, stats, dgamma, dbeta }, { rows, columns, hasBeta })
      }
      if (!z.needsGradient) return
      const { target: dz, accumulate } = gradientTarget(trace, z)
      const { tensors, params } = branchOf(branch)
      const norm = { rows, columns, accumulate, ...params }
      call(trace, 'layer_norm_backward', { dy, z, stats, gamma, dz, ...tensors }, norm)
    },
  }
}
