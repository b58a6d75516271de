// y = x Wᵀ + bias, with an optional low-rank update (LoRA, Hu et al. 2021): y += scale · (dropout(x) Aᵀ) Bᵀ.
// Backward: dx = dy W + scale · mask(dy B A);  dW += dyᵀ x;  dbias += Σ_T dy;  dB += scale · dyᵀ (xd Aᵀ);  dA += scale · (dy B)ᵀ xd.
import { columnsOf, expectShape, type Tensor } from '../tensor/tensor.js'
import { call, gradientTarget, onBackward, shareGradient, type Trace, temporary } from '../tensor/trace.js'
import { applyMask, type Dropout } from './dropout.js'

/** A low-rank update of one linear layer. */
export interface LowRank {
  readonly A: Tensor // (r, in)
  readonly B: Tensor // (out, r)
  readonly scale: number
}

export interface LinearWeights {
  readonly weight: Tensor // (out, in)
  readonly bias?: Tensor // (out)
}

const plain = { transposeA: 0, transposeB: 0, accumulate: 0, hasBias: 0, alpha: 1 }

/** x (T, in) → (T, out) */
export function linear(trace: Trace, x: Tensor, { weight, bias }: LinearWeights, name: string): Tensor {
  const inputs = columnsOf(x)
  expectShape(weight, [undefined, inputs], `linear ${name}`)
  const outputs = weight.shape[0] as number
  const rows = x.shape[0]!
  const y = temporary(name, [rows, outputs], [x, weight, bias])
  call(trace, 'matmul', { a: x, b: weight, bias, c: y }, { ...plain, M: rows, N: outputs, K: inputs, transposeB: 1, hasBias: bias ? 1 : 0 })
  onBackward(trace, y, dy => {
    if (weight.needsGradient) weightGradient(trace, dy, x, gradientTarget(trace, weight).target, 1)
    if (bias?.needsGradient)
      call(trace, 'column_sum', { x: dy, out: gradientTarget(trace, bias).target }, { rows, columns: outputs })
    if (x.needsGradient) {
      const { target, accumulate } = gradientTarget(trace, x)
      call(trace, 'matmul', { a: dy, b: weight, bias: undefined, c: target }, { ...plain, M: rows, N: inputs, K: outputs, accumulate })
    }
  })
  return y
}

/** linear, plus the low-rank update where there is one. */
export function adaptedLinear(
  trace: Trace,
  x: Tensor,
  weights: LinearWeights,
  update: LowRank | undefined,
  dropout: Dropout | undefined,
  name: string,
): Tensor {
  const base = linear(trace, x, weights, name)
  return update ? addLowRank(trace, base, x, update, dropout) : base
}

/** y + scale · (dropout(x) Aᵀ) Bᵀ, written over y. */
function addLowRank(trace: Trace, base: Tensor, x: Tensor, { A, B, scale }: LowRank, dropout: Dropout | undefined): Tensor {
  const inputs = columnsOf(x)
  const rank = columnsOf(B)
  const outputs = columnsOf(base)
  const rows = x.shape[0]!
  expectShape(A, [rank, inputs], `low-rank update of ${base.name}`)
  expectShape(B, [outputs, rank], `low-rank update of ${base.name}`)
  const dropped = () => (dropout ? applyMask(trace, x, dropout) : x)
  const down = temporary(`${base.name}.down`, [rows, rank], [A, x]) // (T, r)
  call(trace, 'matmul', { a: dropped(), b: A, bias: undefined, c: down }, { ...plain, M: rows, N: rank, K: inputs, transposeB: 1 })
  const up = { ...plain, M: rows, N: outputs, K: rank, transposeB: 1, accumulate: 1, alpha: scale }
  call(trace, 'matmul', { a: down, b: B, bias: undefined, c: base }, up)
  // The sum stands where the base product stood; only the closure below knows that it has two parts.
  const y: Tensor = { ...base, needsGradient: base.needsGradient || A.needsGradient || B.needsGradient }
  onBackward(trace, y, dy => {
    shareGradient(trace, base, dy)
    if (B.needsGradient) weightGradient(trace, dy, down, gradientTarget(trace, B).target, scale)
    if (!A.needsGradient && !x.needsGradient) return
    const ddown = temporary(`d${down.name}`, down.shape)
    call(trace, 'matmul', { a: dy, b: B, bias: undefined, c: ddown }, { ...plain, M: rows, N: rank, K: outputs, alpha: scale })
    if (A.needsGradient) weightGradient(trace, ddown, dropped(), gradientTarget(trace, A).target, 1)
    if (x.needsGradient) lowRankInputGradient(trace, ddown, A, x, dropout)
  })
  return y
}

/** dx += mask(ddown A) */
function lowRankInputGradient(trace: Trace, ddown: Tensor, A: Tensor, x: Tensor, dropout: Dropout | undefined): void {
  const shape = { M: x.shape[0]!, N: columnsOf(x), K: columnsOf(ddown) }
  if (!dropout) {
    const { target, accumulate } = gradientTarget(trace, x)
    call(trace, 'matmul', { a: ddown, b: A, bias: undefined, c: target }, { ...plain, ...shape, accumulate })
    return
  }
  const unmasked = temporary(`d${x.name}.unmasked`, x.shape)
  call(trace, 'matmul', { a: ddown, b: A, bias: undefined, c: unmasked }, { ...plain, ...shape })
  shareGradient(trace, x, applyMask(trace, unmasked, dropout))
}

/** dW (out, in) += alpha · dyᵀ x */
function weightGradient(trace: Trace, dy: Tensor, x: Tensor, target: Tensor, alpha: number): void {
  const shape = { M: columnsOf(dy), N: columnsOf(x), K: x.shape[0]! }
  call(trace, 'matmul', { a: dy, b: x, bias: undefined, c: target }, { ...plain, ...shape, transposeA: 1, accumulate: 1, alpha })
}
