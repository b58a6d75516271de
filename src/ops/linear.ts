// y = x Wᵀ + bias, with an optional low-rank update (LoRA, Hu et al. 2021): y += scale · (dropout(x) Aᵀ) Bᵀ.
// A frozen weight may have 16 bits (f16, bf16): products widen it without loss; or 8 or 4 in groups, which products widen too.
// In mixed precision (`narrow`) both factors of a layer's products are narrowed to f16; a low-rank update's are not.
// A weight in 8 bits (inference only): y = (q · Wq) · (scale of x's row · scale of W's row) + bias, q the row of x in 8 bits.
// Backward: dx = dy W + scale · mask(dy B A);  dW += dyᵀ x;  dbias += Σ_T dy;  dB += scale · dyᵀ (xd Aᵀ);  dA += scale · (dy B)ᵀ xd.
import { FLOAT_FORMAT, int8Words, type ParamArguments, type TensorArguments } from '../backend/kernels.js'
import { LORA_PRODUCTS } from '../backend/lora-kernels.js'
import {
  columnsOf,
  expectShape,
  halfFormat,
  quantizedBits,
  sizeOf,
  type Tensor,
  type Values,
} from '../tensor/tensor.js'
import { call, gradientOf, gradientTarget, type Param, type RowGroup, type Trace, temporary } from '../tensor/trace.js'
import { applyMask, type Dropout, maskParams } from './dropout.js'

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

/** One of the linear layers that read the same x. */
export interface LinearLayer {
  readonly name: string
  readonly weights: LinearWeights
  readonly update?: LowRank | undefined
}

/** x (T, in) → (T, out) */
export const linear = (
  trace: Trace,
  x: Tensor,
  weights: LinearWeights,
  update: LowRank | undefined,
  name: string,
): Tensor => linears(trace, x, [{ name, weights, update }])[0]!

/** Several layers of one x (T, in) → their (T, out): their low-rank updates read x together. */
export function linears(trace: Trace, x: Tensor, layers: readonly LinearLayer[]): Tensor[] {
  const made = layers.map(layer => ({ ...layer, y: product(trace, x, layer) }))
  const updated = made.flatMap(({ y, update }) => (update ? [{ y, update, down: lowRankDown(y, x, update) }] : []))
  for (const group of groupsOf(updated)) addLowRank(trace, x, group)
  // One closure for all of them, before any that reads a result: by the time that it runs all their gradients are whole.
  if (trace.training && made.some(({ y }) => y.needsGradient))
    trace.tape.push(() => {
      for (const { y, weights } of made) productGradients(trace, y, x, weights)
      for (const group of groupsOf(updated)) lowRankGradients(trace, x, group)
    })
  return made.map(({ y }) => y)
}

/** x Wᵀ + bias */
function product(trace: Trace, x: Tensor, { name, weights, update }: LinearLayer): Tensor {
  const { weight, bias } = weights
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
  const params = { ...plain, M: rows, N: outputs, K: inputs, transposeB: 1, hasBias: bias ? 1 : 0 }
  multiply(trace, { a: x, b: weight, bias, c: y }, params)
  return y
}

function productGradients(trace: Trace, y: Tensor, x: Tensor, { weight, bias }: LinearWeights): void {
  const dy = y.needsGradient ? gradientOf(trace, y) : undefined
  if (!dy) return
  if (weight.needsGradient) weightGradient(trace, dy, x, weight, 1)
  if (bias?.needsGradient)
    call(
      trace,
      'column_sum',
      { x: dy, out: gradientTarget(trace, bias).target },
      { rows: dy.shape[0]!, columns: columnsOf(dy) },
    )
  if (x.needsGradient) inputGradient(trace, dy, weight, x)
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

/** A layer with a low-rank update, and dropout(x) Aᵀ (T, r). */
interface Updated {
  readonly y: Tensor
  readonly update: LowRank
  readonly down: Tensor
}

function lowRankDown(y: Tensor, x: Tensor, { A, B }: LowRank): Tensor {
  const rank = columnsOf(B)
  expectShape(A, [rank, columnsOf(x)], `low-rank update of ${y.name}`)
  expectShape(B, [columnsOf(y), rank], `low-rank update of ${y.name}`)
  return temporary(`${y.name}.down`, [x.shape[0]!, rank])
}

/** As many as one kernel call takes, of one rate of dropout. */
function groupsOf(updated: readonly Updated[]): Updated[][] {
  const groups: Updated[][] = []
  for (const each of updated) {
    const last = groups.at(-1)
    const alike = last && last[0]!.update.dropout?.rate === each.update.dropout?.rate
    if (alike && last.length < LORA_PRODUCTS) last.push(each)
    else groups.push([each])
  }
  return groups
}

/** y += scale · (dropout(x) Aᵀ) Bᵀ, of each. */
function addLowRank(trace: Trace, x: Tensor, group: readonly Updated[]): void {
  const [a0, a1, a2] = group.map(({ update }) => update.A)
  const [down0, down1, down2] = group.map(({ down }) => down)
  const tensors = { x, keys: group[0]!.update.dropout?.keys, a0: a0!, a1, a2, down0: down0!, down1, down2 }
  call(trace, 'lora_down', tensors, loraParams(x, group))
  for (const { y, down, update } of group) {
    const { B, scale } = update
    const params = { ...plain, M: x.shape[0]!, N: columnsOf(y), K: columnsOf(B), transposeB: 1 }
    call(trace, 'matmul', { a: down, b: B, bias: undefined, c: y }, { ...params, accumulate: 1, alpha: scale })
  }
}

function lowRankGradients(trace: Trace, x: Tensor, group: readonly Updated[]): void {
  const reached = group.flatMap(each => {
    const dy = each.y.needsGradient ? gradientOf(trace, each.y) : undefined
    return dy ? [{ ...each, ddown: factorGradients(trace, dy, x, each) }] : []
  })
  if (!x.needsGradient || reached.length === 0) return
  const { target: dx, accumulate } = gradientTarget(trace, x)
  const [a0, a1, a2] = reached.map(({ update }) => update.A)
  const [ddown0, ddown1, ddown2] = reached.map(({ ddown }) => ddown)
  const keys = reached[0]!.update.dropout?.keys
  const tensors = { keys, ddown0: ddown0!, ddown1, ddown2, a0: a0!, a1, a2, dx }
  call(trace, 'lora_input', tensors, { ...loraParams(x, reached), accumulate })
}

/** Of A and B; returns ddown = scale · dy B (T, r). The dropped input is made again from its counters, not kept. */
function factorGradients(trace: Trace, dy: Tensor, x: Tensor, { y, down, update }: Updated): Tensor {
  const { A, B, scale, dropout } = update
  const [rows, columns, outputs, rank] = [x.shape[0]!, columnsOf(x), columnsOf(dy), columnsOf(B)]
  const ddown = temporary(`d${down.name}`, down.shape)
  const params = { ...plain, M: rows, N: rank, K: outputs, alpha: scale }
  call(trace, 'matmul', { a: dy, b: B, bias: undefined, c: ddown }, params)
  if (A.needsGradient !== B.needsGradient)
    throw new Error(
      `low-rank update of ${y.name}: one of A and B is trained and the other is not; train both or neither`,
    )
  if (!A.needsGradient) return ddown
  const [dA, dB] = [A, B].map(each => gradientTarget(trace, each).target)
  const gradients = { rows, columns, outputs, rank, alpha: scale, ...maskParams(dropout) }
  call(trace, 'lora_weights', { dy, down, ddown, x, keys: dropout?.keys, dA: dA!, dB: dB! }, gradients)
  groupGradients(trace, dy, down, B, scale)
  if (trace.rowGroups.has(A)) groupGradients(trace, ddown, dropout ? applyMask(trace, x, dropout) : x, A, 1)
  return ddown
}

const loraParams = (x: Tensor, group: readonly Updated[]) => {
  const [rank0, rank1, rank2] = group.map(({ update }) => columnsOf(update.B))
  const [first, second, third] = [0, 1, 2].map(i => maskParams(group[i]?.update.dropout))
  return {
    ...{ rows: x.shape[0]!, columns: columnsOf(x), rank0: rank0!, rank1: rank1 ?? 0, rank2: rank2 ?? 0 },
    ...first!,
    ...{ key2: second!.key0, key3: second!.key1, key4: third!.key0, key5: third!.key1 },
  }
}

/** dx (T, in) += dy W */
function inputGradient(trace: Trace, dy: Tensor, weight: Tensor, x: Tensor): void {
  const { target, accumulate } = gradientTarget(trace, x)
  const product = { ...plain, M: x.shape[0]!, N: columnsOf(x), K: columnsOf(dy), accumulate }
  multiply(trace, { a: dy, b: weight, bias: undefined, c: target }, product)
}

/** A product whose factor b may be held in 16 bits or fewer. */
function multiply(
  trace: Trace,
  tensors: TensorArguments<'matmul', Tensor>,
  params: ParamArguments<'matmul', Param>,
): void {
  const { b } = tensors
  const bits = quantizedBits(b)
  if (bits) {
    const quantized: ParamArguments<'matmul_quantized', Param> = { ...params, bits }
    call(trace, 'matmul_quantized', { ...tensors, groups: b.groups! }, quantized)
    return
  }
  const format = halfFormat(b)
  if (format === undefined) {
    if (b.narrow) narrowed(trace, tensors, params)
    else call(trace, 'matmul', tensors, params)
    return
  }
  if (b.needsGradient) throw new Error(`${b.name} is trained, but held in ${b.dtype}; load it in f32`)
  const half: ParamArguments<'matmul_half', Param> = { ...params, format }
  call(trace, b.narrow ? 'matmul_f16' : 'matmul_half', tensors, half)
}

/** A product of f32 tensors, narrowed to f16 as they are read. */
function narrowed(
  trace: Trace,
  tensors: TensorArguments<'matmul', Tensor>,
  params: ParamArguments<'matmul', Param>,
): void {
  const f16: ParamArguments<'matmul_f16', Param> = { ...params, format: FLOAT_FORMAT }
  call(trace, 'matmul_f16', tensors, f16)
}

/** dW (out, in) += alpha · dyᵀ x */
function weightGradient(trace: Trace, dy: Tensor, x: Tensor, weight: Tensor, alpha: number): void {
  const { target } = gradientTarget(trace, weight)
  const product = { ...plain, M: columnsOf(dy), N: columnsOf(x), K: x.shape[0]!, transposeA: 1, accumulate: 1, alpha }
  const tensors = { a: dy, b: x, bias: undefined, c: target }
  if (weight.narrow) narrowed(trace, tensors, product)
  else call(trace, 'matmul', tensors, product)
  groupGradients(trace, dy, x, weight, alpha)
}

function groupGradients(trace: Trace, dy: Tensor, x: Tensor, weight: Tensor, alpha: number): void {
  for (const group of trace.rowGroups.get(weight) ?? []) groupGradient(trace, dy, x, group, alpha)
}

/** dW_g (out, in) += factor · alpha · Σ over the group's rows of dyᵀ x */
function groupGradient(trace: Trace, dy: Tensor, x: Tensor, { rows, factor, gradient }: RowGroup, alpha: number): void {
  const [count] = rows.shape
  const taken = [dy, x].map(table => {
    const columns = columnsOf(table)
    const out = temporary(`${table.name}.group`, [count!, columns])
    call(trace, 'gather_rows', { table, index: rows, out }, { rows: count!, columns, accumulate: 0 })
    return out
  })
  const scaled = (values: Values) => alpha * (typeof factor === 'function' ? factor(values) : sizeOf(factor, values))
  const product = { ...plain, M: columnsOf(dy), N: columnsOf(x), K: count!, transposeA: 1, accumulate: 1 }
  call(trace, 'matmul', { a: taken[0]!, b: taken[1]!, bias: undefined, c: gradient }, { ...product, alpha: scaled })
}
