// Linear layers that read one x as one product of a group, and the gradient of x as one sum: where what each call reads of them lies in one piece of memory.

import { GROUPED } from '../backend/grouped-kernels.js'
import { FLOAT_FORMAT } from '../backend/kernels.js'
import { ACTIVATIONS } from '../backend/layer-kernels.js'
import { columnsOf, halfFormat, quantizedBits, type Tensor } from '../tensor/tensor.js'
import { call, type Trace } from '../tensor/trace.js'
import type { Activated, LinearLayer } from './linear.js'
import type { Updated } from './low-rank.js'

/** Ranks that a product's epilogue adds: beyond them a product of their own reads less. */
export const fitsEpilogue = (rank: number): boolean => rank % 4 === 0 && rank <= 32

/** Tensors of one piece of memory as one. */
interface Joint {
  readonly whole: Tensor
  /** Where each begins in it, in elements. */
  readonly places: readonly number[]
}

function jointOf(tensors: readonly Tensor[], dtype: 'f32' | 'u32'): Joint | undefined {
  const [first] = tensors
  const views = tensors.flatMap(({ view }) => view ?? [])
  if (!first || views.length < tensors.length || views.some(({ memory }) => memory !== views[0]!.memory))
    return undefined
  const begin = Math.min(...views.map(({ offset }) => offset))
  const end = Math.max(...views.map(({ offset, bytes }) => offset + bytes))
  const size = halfFormat(first) === undefined ? 4 : 2
  const view = { memory: views[0]!.memory, offset: begin, bytes: end - begin }
  const shape = [Math.floor(view.bytes / 4)]
  return {
    whole: { name: `${first.name} and others`, shape, dtype, role: 'external', needsGradient: false, view },
    places: views.map(({ offset }) => (offset - begin) / size),
  }
}

/** Weights that one call of a group of products can read. */
function jointWeights(weights: readonly Tensor[]): Joint | undefined {
  if (weights.length < 2 || weights.length > GROUPED) return undefined
  const [first] = weights
  const alike = (each: Tensor) =>
    each.dtype === first!.dtype && each.narrow === first!.narrow && !each.scales && quantizedBits(each) === undefined
  return weights.every(alike) ? jointOf(weights, 'u32') : undefined
}

/** What a group of layers is called with. */
export interface Group {
  readonly weights: Joint
  readonly format: number
  /** Both factors to f16. */
  readonly narrow: boolean
  readonly biases?: Joint
  /** Of those that have an update. */
  readonly ups?: Joint
}

/** The layers as a group; undefined where they are none. */
export function groupOf(trace: Trace, layers: readonly LinearLayer[]): Group | undefined {
  const weights = jointWeights(layers.map(each => each.weights.weight))
  if (!weights) return undefined
  const biased = layers.flatMap(each => each.weights.bias ?? [])
  const biases = jointOf(biased, 'f32')
  if (biased.length > 0 && (biased.length < layers.length || !biases)) return undefined
  const updates = layers.flatMap(({ update }) => update ?? [])
  const ups = jointOf(
    updates.map(({ B }) => B),
    'f32',
  )
  const fit = updates.every(
    ({ B, dropout }) => fitsEpilogue(columnsOf(B)) && dropout?.rate === updates[0]!.dropout?.rate,
  )
  // Gradients by groups of rows read each product's part by itself.
  if (updates.length > 0 && (!ups || !fit || trace.rowGroups.size > 0)) return undefined
  const { weight } = layers[0]!.weights
  const format = halfFormat(weight) ?? FLOAT_FORMAT
  return { weights, format, narrow: weight.narrow ?? false, ...(biases && { biases }), ...(ups && { ups }) }
}

interface GroupedLayer extends LinearLayer {
  readonly y: Tensor
  readonly low?: Updated | undefined
  readonly activated?: Activated | undefined
}

/** Each layer's y, or of [gate, up] the gated result, with the values that its gradient needs where `keep`. */
export function multiplyGroup(
  trace: Trace,
  x: Tensor,
  layers: readonly GroupedLayer[],
  { weights, format, narrow, biases, ups }: Group,
  keep: boolean,
): void {
  const activated = layers.at(-1)!.activated
  const updated = layers.flatMap(({ low }) => low ?? [])
  const of = (numbers: readonly (number | undefined)[]) =>
    [0, 1, 2].map(i => numbers[i] ?? 0) as [number, number, number]
  const [N0, N1, N2] = of(layers.map(({ y }) => columnsOf(y)))
  const [b0, b1, b2] = of(weights.places)
  const [bias0, bias1, bias2] = of(biases?.places ?? [])
  const [rank0, rank1, rank2] = of(layers.map(({ low }) => low && columnsOf(low.update.B)))
  const [up0, up1, up2] = of(layers.map(({ low }) => low && ups!.places[updated.indexOf(low)]))
  const [factor0, factor1, factor2] = of(layers.map(({ low }) => low?.update.scale))
  const [c0, c1, c2] = layers.map(({ y }) => y)
  const results = activated ? { c0: c0!, c1: keep ? c1 : undefined, c2: activated.y } : { c0: c0!, c1, c2 }
  const factors = { a: x, b: weights.whole, bias: biases?.whole, down: updated[0]?.down, up: ups?.whole }
  call(
    trace,
    narrow ? 'matmul_f16_grouped' : 'matmul_grouped',
    { ...factors, ...results },
    {
      ...{ M: x.shape[0]!, K: columnsOf(x), N0, N1, N2, b0, b1, b2, format, hasBias: biases ? 1 : 0 },
      ...{ bias0, bias1, bias2, rank0, rank1, rank2, up0, up1, up2, factor0, factor1, factor2 },
      ...{ gated: activated ? 1 : 0, kind: activated ? ACTIVATIONS.indexOf(activated.activation) : 0 },
      hasBeside: activated && keep ? 1 : 0,
    },
  )
}

/** dx (T, in) = [dx +] Σ dy W of layers of one x; whether they are a group. */
export function sumGroup(
  trace: Trace,
  reached: readonly { readonly dy: Tensor; readonly weight: Tensor }[],
  target: () => { readonly target: Tensor; readonly accumulate: 0 | 1 },
): boolean {
  const weights = jointWeights(reached.map(({ weight }) => weight))
  if (!weights) return false
  const { target: c, accumulate } = target()
  const [a0, a1, a2] = reached.map(({ dy }) => dy)
  const [K0, K1, K2 = 0] = reached.map(({ dy }) => columnsOf(dy))
  const [b0, b1, b2 = 0] = weights.places
  const format = halfFormat(reached[0]!.weight) ?? FLOAT_FORMAT
  const sizes = { M: c.shape[0]!, N: columnsOf(c), K0: K0!, K1: K1!, K2 }
  call(
    trace,
    reached[0]!.weight.narrow ? 'matmul_f16_grouped_sum' : 'matmul_grouped_sum',
    { a0: a0!, a1, a2, b: weights.whole, c },
    { ...sizes, b0: b0!, b1: b1!, b2, format, accumulate },
  )
  return true
}
