// y = x Wᵀ + bias, with an optional low-rank update (LoRA, Hu et al. 2021): y += scale · (dropout(x) Aᵀ) Bᵀ.
// A frozen weight may have 16 bits (f16, bf16): products widen it without loss.
// A weight in 8 bits (inference only): y = (q · Wq) · (scale of x's row · scale of W's row) + bias, q the row of x in 8 bits.
// Backward: dx = dy W + scale · mask(dy B A);  dW += dyᵀ x;  dbias += Σ_T dy;  dB += scale · dyᵀ (xd Aᵀ);  dA += scale · (dy B)ᵀ xd.
import { int8Words, type ParamArguments, type TensorArguments } from '../backend/kernels.js'
import { columnsOf, expectShape, halfFormat, type Tensor } from '../tensor/tensor.js'
import { call, gradientTarget, onBackward, type Param, shareGradient, type Trace, temporary } from '../tensor/trace.js'
import { applyMask, type Dropout } from './dropout.js'

export interface LinearWeights {
  readonly weight: Tensor // (out, in), in 16 bits where it is frozen; in 8 bits (out, int8Words(in)), with scales
  readonly bias?: Tensor // (out)
}

/** A low-rank update of one linear layer, with the dropout of its input. */
export interface LowRank {
  readonly A: Tensor // (r, in)
  readonly B: Tensor // (out, r)
  readonly scale: number
  readonly dropout?: Dropout
}

const plain = { transposeA: 0, transposeB: 0, accumulate: 0, hasBias: 0, alpha: 1 }

/** x (T, in) → (T, out) */
export function linear(
  trace: Trace,
  x: Tensor,
  { weight, bias }: LinearWeights,
  update: LowRank | undefined,
  name: string,
): Tensor {
  if (weight.scales) {
    if (trace.training || update)
      throw new Error(
        `linear ${name}: ${weight.name} is held in 8 bits, for inference without adapters only; load the model with precision f32`,
      )
    return linearInt8(trace, x, weight, weight.scales, bias, name)
  }
  const inputs = columnsOf(x)
  expectShape(weight, [undefined, inputs], `linear ${name}`)
  const outputs = weight.shape[0] as number
  const rows = x.shape[0]!
  const y = temporary(name, [rows, outputs], [x, weight, bias, update?.A, update?.B])
  const product = { ...plain, M: rows, N: outputs, K: inputs, transposeB: 1, hasBias: bias ? 1 : 0 }
  multiply(trace, { a: x, b: weight, bias, c: y }, product)
  const down = update && addLowRank(trace, y, x, update)
  onBackward(trace, y, dy => {
    if (weight.needsGradient) weightGradient(trace, dy, x, weight, 1)
    if (bias?.needsGradient)
      call(trace, 'column_sum', { x: dy, out: gradientTarget(trace, bias).target }, { rows, columns: outputs })
    if (x.needsGradient) inputGradient(trace, dy, weight, x)
    if (update && down) lowRankGradients(trace, dy, x, down, update)
  })
  return y
}

function linearInt8(
  trace: Trace,
  x: Tensor,
  weight: Tensor,
  bScales: Tensor,
  bias: Tensor | undefined,
  name: string,
): Tensor {
  const K = columnsOf(x)
  expectShape(weight, [undefined, int8Words(K)], `linear ${name}, in 8 bits`)
  const [M, N] = [x.shape[0]!, weight.shape[0] as number]
  const { values, scales } = quantize(trace, x)
  const y = temporary(name, [M, N])
  const tensors = { a: values, aScales: scales, b: weight, bScales, bias, c: y }
  call(trace, 'matmul_int8', tensors, { M, N, K, hasBias: bias ? 1 : 0 })
  return y
}

/** The rows of x (T, in) in 8 bits: once for all layers that take x. */
function quantize(trace: Trace, x: Tensor): { readonly values: Tensor; readonly scales: Tensor } {
  const known = trace.quantized.get(x)
  if (known) return known
  const [rows, columns] = [x.shape[0]!, columnsOf(x)]
  const values: Tensor = { ...temporary(`${x.name}.int8`, [rows, int8Words(columns)]), dtype: 'u32' }
  const made = { values, scales: temporary(`${x.name}.scales`, [rows]) }
  call(trace, 'quantize_rows', { x, ...made }, { rows, columns })
  trace.quantized.set(x, made)
  return made
}

/** y += scale · (dropout(x) Aᵀ) Bᵀ; returns dropout(x) Aᵀ (T, r) */
function addLowRank(trace: Trace, y: Tensor, x: Tensor, { A, B, scale, dropout }: LowRank): Tensor {
  const [rows, inputs, outputs, rank] = [x.shape[0]!, columnsOf(x), columnsOf(y), columnsOf(B)]
  expectShape(A, [rank, inputs], `low-rank update of ${y.name}`)
  expectShape(B, [outputs, rank], `low-rank update of ${y.name}`)
  const down = temporary(`${y.name}.down`, [rows, rank])
  const dropped = dropout ? applyMask(trace, x, dropout) : x
  call(
    trace,
    'matmul',
    { a: dropped, b: A, bias: undefined, c: down },
    { ...plain, M: rows, N: rank, K: inputs, transposeB: 1 },
  )
  const up = { ...plain, M: rows, N: outputs, K: rank, transposeB: 1, accumulate: 1, alpha: scale }
  call(trace, 'matmul', { a: down, b: B, bias: undefined, c: y }, up)
  return down
}

function lowRankGradients(trace: Trace, dy: Tensor, x: Tensor, down: Tensor, { A, B, scale, dropout }: LowRank): void {
  if (B.needsGradient) weightGradient(trace, dy, down, B, scale)
  const [rows, outputs, rank] = [x.shape[0]!, columnsOf(dy), columnsOf(B)]
  const ddown = temporary(`d${down.name}`, down.shape)
  call(
    trace,
    'matmul',
    { a: dy, b: B, bias: undefined, c: ddown },
    { ...plain, M: rows, N: rank, K: outputs, alpha: scale },
  )
  // The dropped input is made again from its counters rather than kept for the whole forward pass.
  if (A.needsGradient) weightGradient(trace, ddown, dropout ? applyMask(trace, x, dropout) : x, A, 1)
  if (!x.needsGradient) return
  if (!dropout) {
    inputGradient(trace, ddown, A, x)
    return
  }
  const unmasked = temporary(`d${x.name}.unmasked`, x.shape)
  const product = { ...plain, M: rows, N: columnsOf(x), K: rank }
  call(trace, 'matmul', { a: ddown, b: A, bias: undefined, c: unmasked }, product)
  shareGradient(trace, x, applyMask(trace, unmasked, dropout))
}

/** dx (T, in) += dy W */
function inputGradient(trace: Trace, dy: Tensor, weight: Tensor, x: Tensor): void {
  const { target, accumulate } = gradientTarget(trace, x)
  const product = { ...plain, M: x.shape[0]!, N: columnsOf(x), K: columnsOf(dy), accumulate }
  multiply(trace, { a: dy, b: weight, bias: undefined, c: target }, product)
}

/** A product whose factor b may be held in 16 bits. */
function multiply(
  trace: Trace,
  tensors: TensorArguments<'matmul', Tensor>,
  params: ParamArguments<'matmul', Param>,
): void {
  const { b } = tensors
  const format = halfFormat(b)
  if (format === undefined) {
    call(trace, 'matmul', tensors, params)
    return
  }
  if (b.needsGradient) throw new Error(`${b.name} is trained, but held in ${b.dtype}; load it in f32`)
  const half: ParamArguments<'matmul_half', Param> = { ...params, format }
  call(trace, 'matmul_half', tensors, half)
}

/** dW (out, in) += alpha · dyᵀ x */
function weightGradient(trace: Trace, dy: Tensor, x: Tensor, weight: Tensor, alpha: number): void {
  const { target } = gradientTarget(trace, weight)
  const product = { ...plain, M: columnsOf(dy), N: columnsOf(x), K: x.shape[0]!, transposeA: 1, accumulate: 1, alpha }
  call(trace, 'matmul', { a: dy, b: x, bias: undefined, c: target }, product)
}
