// The transformer (Vaswani et al. 2017) over packed sequences, in the form that a model's family gives it, with optional low-rank updates. Reads as the
// paper's figure: embeddings, then layers of attention and feed-forward, each added to the stream, with norms where the form has them.

import { gatedActivation } from '../ops/activation.js'
import { attention } from '../ops/attention.js'
import { scale, splitColumns } from '../ops/columns.js'
import { type Dropout, drop } from '../ops/dropout.js'
import { embed } from '../ops/embedding.js'
import { layersOfRows } from '../ops/layer-rows.js'
import { type Activated, activatedLinears, type LinearLayer, type LowRank, linears } from '../ops/linear.js'
import { addNorm, layerNorm, residualLayerNorm, rmsNorm } from '../ops/normalization.js'
import { recomputed } from '../ops/recompute.js'
import { rope } from '../ops/rotary.js'
import type { Tensor } from '../tensor/tensor.js'
import type { Trace } from '../tensor/trace.js'
import type { BatchTensors } from './batch.js'
import {
  attentionOf,
  type DropoutSite,
  headSizeOf,
  keyValueHeadsOf,
  type LinearRole,
  type ModelConfig,
  type NormRole,
} from './config.js'
import { attentionWidths, inputNorm } from './tensors.js'

/** A model's weights by their Hugging Face names. */
export type Weights = (name: string) => Tensor

/** Low-rank updates by the name of the linear layer they belong to, for example encoder.layer.0.attention.self.query. */
export interface AdapterTensors {
  readonly updates: ReadonlyMap<string, { readonly A: Tensor; readonly B: Tensor; readonly scale: number }>
  /** Of the low-rank branch's input, in training. */
  readonly dropout: number
}

export interface Transformer {
  readonly config: ModelConfig
  readonly weights: Weights
  readonly adapter?: AdapterTensors
  /** In training, keep of each layer its result alone and run it again in the backward pass: less memory, a third more work. */
  readonly recompute?: boolean
  /** Narrow the factors of attention's products to f16, as those of narrow weights are. */
  readonly narrow?: boolean
}

/** Rates in effect: all 0 in evaluation. `first` keeps the sites of two encoders of one trace apart. */
export interface DropoutRates extends Readonly<Record<DropoutSite, number>> {
  readonly adapter: number
  readonly first: number
}

export const noDropout: DropoutRates = {
  embedding: 0,
  attention: 0,
  attentionOutput: 0,
  inner: 0,
  output: 0,
  adapter: 0,
  first: 0,
}

/** Sites of a layer: more than there are dropouts in one. */
const SITES = 64
const site = { attention: 0, attentionOutput: 1, output: 2, inner: 3, adapter: 8 } as const
const roles: readonly LinearRole[] = ['query', 'key', 'value', 'attentionOutput', 'up', 'down', 'gate', 'qkv', 'gateUp']

const withoutGradient = (tensor: Tensor): Tensor => ({ ...tensor, needsGradient: false })

/** The residual stream, and what the next block reads: its norm where the form has norms before blocks, else the stream itself. */
interface State {
  readonly stream: Tensor
  readonly input: Tensor
}

/** What a layer's parts share. */
interface Pass {
  readonly trace: Trace
  readonly model: Transformer
  readonly batch: BatchTensors
  readonly rates: DropoutRates
}

/** → hidden states (T, C) of the last layer, normed where the model ends in a norm; `onHidden` sees the embeddings and the stream after each layer. */
export function transformerForward(
  trace: Trace,
  model: Transformer,
  batch: BatchTensors,
  rates: DropoutRates,
  onHidden: (hidden: Tensor, index: number) => void = () => {},
): Tensor {
  const pass = { trace, model, batch, rates }
  let state = embeddings(pass)
  onHidden(state.stream, 0)
  for (let i = 0; i < model.config.layers; i++) {
    const entered = state
    const record = (on: Trace): readonly Tensor[] => {
      const { stream, input } = layer({ ...pass, trace: on }, i, entered)
      return [stream, input]
    }
    const [stream, input] = model.recompute ? recomputed(trace, record) : record(trace)
    state = { stream: stream!, input: input! }
    onHidden(state.stream, i + 1)
  }
  return state.input
}

const dropoutOf = ({ rates, batch }: Pass, rate: number, at: number): Dropout | undefined =>
  rate > 0 ? { rate, site: rates.first + at, keys: batch.keys } : undefined

function embeddings(pass: Pass): State {
  const { trace, model, batch, rates } = pass
  const { config, weights } = model
  const { form } = config
  const { prefix, groups } = batch
  const lookups = [
    batch.words ?? { table: weights(form.words), index: batch.ids, groups: groups?.ids },
    ...(form.positions
      ? [{ table: weights(form.positions.table), index: batch.positions!, groups: groups?.positions }]
      : []),
    ...(form.types ? [{ table: weights(form.types), index: batch.typeIds!, groups: groups?.typeIds }] : []),
  ]
  let x = embed(trace, lookups, `${prefix}embeddings`)
  if (form.embeddingScale) x = scale(trace, x, form.embeddingScale, `${prefix}embeddings.scaled`)
  if (form.embeddingNorm) x = norm(pass, x, form.embeddingNorm, `${prefix}embeddings.norm`)
  const stream = drop(trace, x, dropoutOf(pass, rates.embedding, 0))
  const first = inputNorm(form, 0)
  return { stream, input: first ? norm(pass, stream, first, `${prefix}0.input`) : stream }
}

/** One layer: attention, then the feed-forward block. */
function layer(pass: Pass, i: number, { stream, input }: State): State {
  const { form, layers } = pass.model.config
  const { rates, batch } = pass
  const named = (role: NormRole) => form.norms[role] && `${form.layer}.${i}.${form.norms[role]}`
  const at = (each: 'attentionOutput' | 'output') => dropoutOf(pass, rates[each], SITES * (i + 1) + site[each])
  const part = (name: string) => `${batch.prefix}${i}.${name}`
  const branchNorm = (x: Tensor, role: NormRole) => {
    const name = named(role)
    return name ? norm(pass, x, name, part(role)) : x
  }

  const mixed = branchNorm(selfAttention(pass, i, input), 'attentionOutput')
  const between = add(pass, mixed, stream, named('attentionSum'), named('feedForwardInput'), {
    dropout: at('attentionOutput'),
    name: part('attention.norm'),
  })
  const fed = branchNorm(feedForward(pass, i, between.input), 'feedForwardOutput')
  const next = i + 1 < layers ? inputNorm(form, i + 1) : form.finalNorm
  return add(pass, fed, between.stream, named('feedForwardSum'), next, { dropout: at('output'), name: part('norm') })
}

/** stream + dropout(branch): normed itself after the sum (post-norm), or with its norm beside it for the next block to read (pre-norm). */
function add(
  pass: Pass,
  branch: Tensor,
  stream: Tensor,
  sumNorm: string | undefined,
  nextNorm: string | undefined,
  { dropout, name }: { readonly dropout: Dropout | undefined; readonly name: string },
): State {
  const { trace, model } = pass
  if (sumNorm) {
    const normed = residualLayerNorm(trace, branch, stream, normWeights(model, sumNorm), dropout, name)
    return { stream: normed, input: normed }
  }
  if (!nextNorm) throw new Error(`the form of ${model.config.family} has no norm after ${name}`)
  const { kind } = model.config.form.norm
  const { sum, normed } = addNorm(trace, branch, stream, { kind, ...normWeights(model, nextNorm) }, dropout, name)
  return { stream: sum, input: normed }
}

function normWeights({ config, weights }: Transformer, name: string) {
  const { beta, addOne } = config.form.norm
  return {
    gamma: weights(`${name}.weight`),
    ...(beta && { beta: weights(`${name}.bias`) }),
    epsilon: config.normEpsilon,
    ...(addOne && { addOne }),
  }
}

/** Over rows, or over groups of `width` columns. */
function norm({ trace, model }: Pass, x: Tensor, name: string, made: string, width?: number): Tensor {
  const weights = normWeights(model, name)
  return model.config.form.norm.kind === 'rms'
    ? rmsNorm(trace, x, weights, made, width)
    : layerNorm(trace, x, weights, made)
}

/** A linear layer of layer i, with its low-rank update. x (T, in) → (T, out) */
const dense = (pass: Pass, i: number, x: Tensor, role: LinearRole, from?: Activated): Tensor =>
  linears(pass.trace, x, [denseLayer(pass, i, role)], from)[0]!

/** The columns of one linear layer's result as several: by the rows of its weight where that goes. */
function splitDense(
  pass: Pass,
  i: number,
  x: Tensor,
  role: LinearRole,
  widths: readonly number[],
  names: readonly string[],
): Tensor[] {
  const layer = denseLayer(pass, i, role)
  const layers = layersOfRows(pass.trace, layer, widths, names)
  if (layers) return linears(pass.trace, x, layers)
  return splitColumns(pass.trace, linears(pass.trace, x, [layer])[0]!, widths, names)
}

function denseLayer(pass: Pass, i: number, role: LinearRole): LinearLayer {
  const { model, rates, batch } = pass
  const { form } = model.config
  const { name, bias } = form.linears[role]!
  const full = `${form.layer}.${i}.${name}`
  const low = model.adapter?.updates.get(full)
  const update: LowRank | undefined = low && {
    ...low,
    dropout: dropoutOf(pass, rates.adapter, SITES * (i + 1) + site.adapter + roles.indexOf(role)),
  }
  const added = bias ? model.weights(`${full}.bias`) : undefined
  // Unless keys are turned or normed, their bias adds a constant to all scores of a query, which the softmax ignores: its gradient is exactly 0 and
  // not computed.
  const ignored = role === 'key' && !form.norms.key && !attentionOf(model.config, i).rope
  const weights = {
    weight: model.weights(`${full}.weight`),
    ...(added && { bias: ignored ? withoutGradient(added) : added }),
  }
  return { name: `${batch.prefix}${i}.${name}`, weights, update }
}

/** x (T, C) → (T, C) */
function selfAttention(pass: Pass, i: number, x: Tensor): Tensor {
  const { trace, model, batch, rates } = pass
  const { config } = model
  const { form } = config
  const { rope: turned, ...seen } = attentionOf(config, i)
  const [heads, headSize] = [config.heads, headSizeOf(config)]
  const part = (name: string) => `${batch.prefix}${i}.${name}`
  const { queries, keys } = attentionWidths(config)
  const [q, k, v] = form.linears.qkv
    ? splitDense(pass, i, x, 'qkv', [queries, keys, keys], ['q', 'k', 'v'].map(part))
    : linears(
        trace,
        x,
        (['query', 'key', 'value'] as const).map(role => denseLayer(pass, i, role)),
      )
  const placed = (y: Tensor, role: 'query' | 'key') => {
    const name = form.norms[role]
    const normed = name ? norm(pass, y, `${form.layer}.${i}.${name}`, part(`${role}.norm`), headSize) : y
    return turned
      ? rope(trace, normed, batch.positions!, batch.ropes.get(turned)!, headSize, part(`${role}.rope`))
      : normed
  }
  const attended = attention(
    trace,
    placed(q!, 'query'),
    placed(k!, 'key'),
    v!,
    batch,
    {
      ...{ heads, keyValueHeads: keyValueHeadsOf(config), headSize },
      ...seen,
      ...(pass.model.narrow && { narrow: true }),
      ...(config.attentionScale && { scale: config.attentionScale }),
      ...(form.relative && { bias: relativeBias(pass, form.relative.table) }),
    },
    dropoutOf(pass, rates.attention, SITES * (i + 1) + site.attention),
    part('attention'),
  )
  return dense(pass, i, attended, 'attentionOutput')
}

/** The bias of each distance from −R to R: (2R + 1, heads), rows of the table by their bucket. */
function relativeBias({ trace, model, batch }: Pass, table: string): Tensor {
  const lookup = { table: model.weights(table), index: batch.buckets!, groups: batch.groups?.buckets }
  return embed(trace, [lookup], `${batch.prefix}relative`)
}

/** x (T, C) → (T, C) */
function feedForward(pass: Pass, i: number, x: Tensor): Tensor {
  const { trace, model, batch, rates } = pass
  const { activation, intermediate, form } = model.config
  const part = (name: string) => `${batch.prefix}${i}.${name}`
  if (activation === 'relu' && (form.linears.gate || form.linears.gateUp))
    throw new Error(`${model.config.family}: relu has no gated form`)
  const rate = dropoutOf(pass, rates.inner, SITES * (i + 1) + site.inner)
  const layers = feedForwardLayers(pass, i)
  if (!layers) {
    const halves = [
      [intermediate, intermediate],
      [part('gate'), part('up')],
    ] as const
    const [gate, up] = splitColumns(trace, dense(pass, i, x, 'gateUp'), ...halves)
    return dense(pass, i, drop(trace, gatedActivation(trace, gate!, up!, activation, part('gated')), rate), 'down')
  }
  const activated = activatedLinears(trace, x, layers, activation, part(layers.length > 1 ? 'gated' : 'activation'))
  if (!rate) return dense(pass, i, activated.y, 'down', activated)
  return dense(pass, i, drop(trace, activated.y, rate), 'down')
}

/** The layers before the activation, [gate, up] or [up]; undefined where both are one that cannot be taken apart. */
function feedForwardLayers(pass: Pass, i: number): [LinearLayer] | [LinearLayer, LinearLayer] | undefined {
  const { intermediate, form } = pass.model.config
  if (form.linears.gateUp) {
    const names = ['gate', 'up'].map(name => `${pass.batch.prefix}${i}.${name}`)
    const parts = layersOfRows(pass.trace, denseLayer(pass, i, 'gateUp'), [intermediate, intermediate], names)
    return parts && [parts[0]!, parts[1]!]
  }
  const up = denseLayer(pass, i, 'up')
  return form.linears.gate ? [denseLayer(pass, i, 'gate'), up] : [up]
}
