// LayerNorm over rows, alone or after a residual sum: y = LN(residual + dropout(x)).
import { columnsOf, expectShape, type Tensor } from '../tensor/tensor.js'
import { call, gradientTarget, onBackward, shareGradient, type Trace, temporary } from '../tensor/trace.js'
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

/** x / √(mean x² + ε) · gamma (Zhang and Sennrich 2019) of x (T, C), over groups of `width` columns where given, with one gamma (width). */
export function rmsNorm(_trace: Trace, _x: Tensor, _weights: RmsNormWeights, name: string, _width?: number): Tensor {
  throw new Error(`rms norm ${name} is not there yet`)
}

/** sum = residual + dropout(x) and its norm, all (T, C): what layers with the norm before them hand on. Either may be used, or both. */
export function addNorm(
  _trace: Trace,
  _x: Tensor,
  _residual: Tensor,
  _norm: ({ readonly kind: 'layer' } & NormWeights) | ({ readonly kind: 'rms' } & RmsNormWeights),
  _dropout: Dropout | undefined,
  name: string,
): { readonly sum: Tensor; readonly normed: Tensor } {
  throw new Error(`add norm ${name} is not there yet`)
}

/** LN(x) of x (T, C) */
export function layerNorm(trace: Trace, x: Tensor, weights: NormWeights, name: string): Tensor {
  return normalize(trace, x, undefined, weights, undefined, name)
}

/** LN(residual + dropout(x)), all (T, C) */
export function residualLayerNorm(
  trace: Trace,
  x: Tensor,
  residual: Tensor,
  weights: NormWeights,
  dropout: Dropout | undefined,
  name: string,
): Tensor {
  return normalize(trace, x, residual, weights, dropout, name)
}

function normalize(
  trace: Trace,
  x: Tensor,
  residual: Tensor | undefined,
  { gamma, beta, epsilon }: NormWeights,
  dropout: Dropout | undefined,
  name: string,
): Tensor {
  if (!beta) throw new Error(`layer norm ${name}: a norm without beta is not there yet`)
  const columns = columnsOf(x)
  const rows = x.shape[0]!
  expectShape(gamma, [columns], `layer norm ${name}`)
  expectShape(beta, [columns], `layer norm ${name}`)
  const sum = residual && temporary(`${name}.sum`, x.shape, [x, residual])
  const z = sum ?? x
  const y = temporary(name, x.shape, [z, gamma, beta])
  const stats = temporary(`${name}.stats`, [rows, 2])
  call(
    trace,
    'layer_norm_forward',
    { x, residual, keys: dropout?.keys, gamma, beta, sum, y, stats },
    { rows, columns, epsilon, hasResidual: residual ? 1 : 0, ...maskParams(dropout) },
  )
  onBackward(trace, y, dy => {
    if (gamma.needsGradient || beta.needsGradient) {
      const dgamma = gradientTarget(trace, gamma).target
      const dbeta = gradientTarget(trace, beta).target
      call(trace, 'layer_norm_parameters', { dy, z, stats, dgamma, dbeta }, { rows, columns })
    }
    if (!z.needsGradient) return
    const { target: dz, accumulate } = gradientTarget(trace, z)
    call(trace, 'layer_norm_backward', { dy, z, stats, gamma, dz }, { rows, columns, accumulate })
    if (!residual) return
    // Both sides of the sum have its gradient; the branch's is masked as the branch was.
    if (x.needsGradient) shareGradient(trace, x, dropout ? applyMask(trace, dz, dropout) : dz)
    shareGradient(trace, residual, dz)
  })
  return y
}
