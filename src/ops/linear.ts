// y = x Wᵀ + bias, with an optional low-rank update (LoRA, Hu et al. 2021): y += scale · (dropout(x) Aᵀ) Bᵀ.
// A frozen weight may have 16 bits (f16, bf16): products widen it without loss; or 8 or 4 in groups, which products widen too.
// In mixed precision (`narrow`) both factors of a layer's products are narrowed to f16; a low-rank update's are not.
// A weight in 8 bits (inference only): y = (q · Wq) · (scale of x's row · scale of W's row) + bias, q the row of x in 8 bits.
// Backward: dx = dy W + scale · mask(dy B A);  dW += dyᵀ x;  dbias += Σ_T dy;  dB += scale · dyᵀ (xd Aᵀ);  dA += scale · (dy B)ᵀ xd.
import { int8Words } from '../backend/kernels.js'
import { ACTIVATIONS } from '../backend/layer-kernels.js'
import { columnsOf, expectShape, type Tensor } from '../tensor/tensor.js'
import { call, type Trace, temporary } from '../tensor/trace.js'
import { type Activation, elementCount } from './activation.js'
import { fitsEpilogue, groupOf, multiplyGroup } from './grouped.js'
import { activationGradient, gradients } from './linear-gradients.js'
import { groupsOf, type LowRank, multiplyDown, type Updated, updatesOf } from './low-rank.js'
import { type Finish, multiply, plainProduct } from './product.js'

export type { LowRank } from './low-rank.js'

export interface LinearWeights {
  readonly weight: Tensor // (out, in), in 16 bits where it is frozen; in 8 bits (out, int8Words(in)), with scales
  readonly bias?: Tensor // (out)
}

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

/** Several layers of one x (T, in) → their (T, out): their low-rank updates read x together. `from`: x is the result of an activation, for them alone. */
export const linears = (trace: Trace, x: Tensor, layers: readonly LinearLayer[], from?: Activated): Tensor[] =>
  record(trace, x, layers, undefined, from).map(({ y }) => y)

/**
 * What an activation gave, and of what: the layers that read `y` hand the gradient on to its factors in the product that makes it. `gate` is absent
 * where y = act(input), else y = act(gate) · input.
 */
export interface Activated {
  readonly y: Tensor
  readonly input: Tensor
  readonly gate?: Tensor
  readonly activation: Activation
}

/** act(x Wᵀ + bias), or of two layers act(of the first) · the second (Shazeer 2020): in the epilogue of the last product. */
export function activatedLinears(
  trace: Trace,
  x: Tensor,
  layers: readonly [LinearLayer] | readonly [gate: LinearLayer, up: LinearLayer],
  activation: Activation,
  name: string,
): Activated {
  return record(trace, x, layers, { activation, name }).at(-1)!.activated!
}

interface Made extends LinearLayer {
  /** The product with its update. */
  readonly y: Tensor
  readonly low?: Updated | undefined
  readonly activated?: Activated | undefined
}

function record(
  trace: Trace,
  x: Tensor,
  layers: readonly LinearLayer[],
  after?: { readonly activation: Activation; readonly name: string },
  from?: Activated,
): Made[] {
  const group = groupOf(trace, layers)
  const results = layers.map(layer => ({ ...layer, y: resultOf(x, layer) }))
  const updates = updatesOf(x, results, group !== undefined)
  const made = results.map((layer, i): Made => {
    const last = after && i === layers.length - 1
    return { ...layer, low: updates[i], ...(last && { activated: activatedOf(results, after) }) }
  })
  const groups = groupsOf(made.flatMap(({ low }) => low ?? []))
  for (const each of groups) multiplyDown(trace, x, each)
  if (group)
    multiplyGroup(
      trace,
      x,
      made,
      group,
      made.some(({ activated }) => activated && isKept(trace, activated)),
    )
  else for (const each of made) product(trace, x, each)
  // One closure for all of them, before any that reads a result: by the time that it runs all their gradients are whole.
  if (trace.training && made.some(({ y, activated }) => y.needsGradient || activated?.y.needsGradient))
    trace.tape.push(() => {
      for (const { activated } of made) if (activated) activationGradient(trace, activated)
      gradients(trace, x, made, groups, from)
    })
  return made
}

function activatedOf(
  results: readonly { readonly y: Tensor }[],
  { activation, name }: { readonly activation: Activation; readonly name: string },
): Activated {
  const input = results.at(-1)!.y
  const gate = results.length > 1 ? results[0]!.y : undefined
  if (gate) expectShape(input, gate.shape, `gated activation ${name}`)
  return { y: temporary(name, input.shape, [input, gate]), input, activation, ...(gate && { gate }) }
}

/** Whether the backward pass reads what an activation was given. */
const isKept = (trace: Trace, { input, gate }: Activated): boolean =>
  trace.training && (input.needsGradient || (gate?.needsGradient ?? false))

function resultOf(x: Tensor, { name, weights, update }: LinearLayer): Tensor {
  const { weight, bias } = weights
  const inputs = columnsOf(x)
  if (weight.scales) expectShape(weight, [undefined, int8Words(inputs)], `linear ${name}, in 8 bits`)
  else expectShape(weight, [undefined, inputs], `linear ${name}`)
  return temporary(name, [x.shape[0]!, weight.shape[0] as number], [x, weight, bias, update?.A, update?.B])
}

/** x Wᵀ + bias, its low-rank update, its activation: as few calls as there are kernels for. */
function product(trace: Trace, x: Tensor, { name, weights, update, y, low, activated }: Made): void {
  const { weight, bias } = weights
  if (weight.scales) {
    if (trace.training || update)
      throw new Error(
        `linear ${name}: ${weight.name} is held in 8 bits, for inference without adapters only; load the model with precision f32`,
      )
    linearInt8(trace, x, weight, weight.scales, bias, y)
    if (activated) activate(trace, activated)
    return
  }
  const rank = low ? columnsOf(low.update.B) : 0
  const params = {
    ...plainProduct,
    M: x.shape[0]!,
    N: columnsOf(y),
    K: columnsOf(x),
    transposeB: 1,
    hasBias: bias ? 1 : 0,
  }
  const finish = activated && activationOf(trace, activated)
  const c = activated?.y ?? y
  const tensors = { a: x, b: weight, bias, c }
  if (low && !activated && fitsEpilogue(rank)) {
    const factors = { with0: low.down, with1: low.update.B, rank, factor: low.update.scale }
    multiply(trace, tensors, params, { finish: { epilogue: 'low_rank', ...factors } })
    return
  }
  multiply(trace, tensors, params, low ? {} : { finish })
  if (!low) return
  const adding = { ...params, K: rank, hasBias: 0, accumulate: 1, alpha: low.update.scale }
  multiply(trace, { a: low.down, b: low.update.B, bias: undefined, c }, adding, { finish })
}

/** The epilogue that makes an activation's result, and keeps what its backward pass reads. */
function activationOf(trace: Trace, activated: Activated): Finish {
  const { input, gate, activation } = activated
  const beside = isKept(trace, activated) ? input : undefined
  const kind = ACTIVATIONS.indexOf(activation)
  return gate ? { epilogue: 'gate', kind, with0: gate, beside } : { epilogue: 'activation', kind, beside }
}

/** By a call of its own. */
function activate(trace: Trace, { y, input, gate, activation }: Activated): void {
  const params = { count: elementCount(y), kind: ACTIVATIONS.indexOf(activation) }
  if (gate) call(trace, 'gated_activation_forward', { gate, up: input, y }, params)
  else call(trace, 'activation_forward', { x: input, y }, params)
}

function linearInt8(
  trace: Trace,
  x: Tensor,
  weight: Tensor,
  bScales: Tensor,
  bias: Tensor | undefined,
  y: Tensor,
): void {
  const [M, N, K] = [x.shape[0]!, columnsOf(y), columnsOf(x)]
  const { values, scales } = quantize(trace, x)
  const tensors = { a: values, aScales: scales, b: weight, bScales, bias, c: y }
  call(trace, 'matmul_int8', tensors, { M, N, K, hasBias: bias ? 1 : 0 })
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
