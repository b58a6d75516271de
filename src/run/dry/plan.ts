// What a recipe's trainings will hold and how long they will take, from the model's sizes alone: nothing is placed or run. Memory is that of the plan that a
// step will run; time is products of linear layers and attention by a given rate.
import type { Backend } from '../../backend/backend.js'
import type { ModelConfig } from '../../model/config.js'
import type { Encoder } from '../../model/encoder.js'
import { newAdapter, randomSource } from '../../model/load.js'
import { planMemory } from '../../model/placement.js'
import { expectedTensors, linearLayers } from '../../model/tensors.js'
import type { LoraSettings, Recipe, TrainSettings } from '../../recipe/schema.js'
import type { Tensor } from '../../tensor/tensor.js'
import { candidatesOf } from '../../train/contrastive.js'
import { stepMemory } from '../../train/memory.js'
import { defaultOptimizer } from '../../train/optimizer.js'
import { lossSettings } from '../loss.js'
import { proxyRecipe } from '../tdro/settings.js'

export interface TrainingPlan {
  readonly name: string
  /** Bytes: weights with what trains them; activations of a step; representations that GradCache keeps. */
  readonly weights: number
  readonly activations: number
  readonly representations: number
  /** Tokens of all steps, were every text as long as it may be. Where epochs are counted, of them over 1,000 pairs. */
  readonly tokens: number
  readonly flops: number
  /** Absent where steps are counted. */
  readonly epochs?: number
}

/** What a plan counts with where the recipe says epochs: how many pairs its data has is not looked up. */
const PAIRS = 1000

const UNLIMITED: Pick<Backend, 'kind' | 'limits'> = {
  kind: 'webgpu',
  limits: { binding: Number.MAX_SAFE_INTEGER, memory: Number.MAX_SAFE_INTEGER, alignment: 256 },
}

const placeholder = (name: string, shape: readonly number[], trained: boolean): Tensor => {
  const tensor: Tensor = { name, shape, dtype: 'f32', role: 'external', needsGradient: trained }
  return trained ? { ...tensor, gradient: { ...tensor, name: `d${name}`, needsGradient: false } } : tensor
}

/** `steps`: of trainings that are given by their epochs, where the data has been read. */
export function planTrainings(recipe: Recipe, config: ModelConfig, steps?: number): TrainingPlan[] {
  const { train, variants, tdro } = recipe
  if (!train) return []
  const proxy = tdro && proxyRecipe(recipe)
  const planned = (name: string, own: TrainSettings, lora: LoraSettings | undefined) =>
    planTraining(name, config, recipe, { ...own, ...(steps !== undefined && { steps: own.steps ?? steps }) }, lora)
  return [
    planned(train.method === 'lora' ? 'LoRA' : 'full', train, recipe.lora),
    ...(proxy ? [planned('tDRO proxy', proxy.train!, proxy.lora)] : []),
    ...variants.map(each => planned(each.name, each.train, each.lora)),
  ]
}

/** Tokens of a passage and of a query at most. */
function lengthsOf({ model }: Recipe, train: TrainSettings, { maxPositions }: ModelConfig): readonly [number, number] {
  const late = model.architecture === 'late_interaction'
  const passage = Math.min(train.max_length, late ? (model.document_length ?? 180) : maxPositions, maxPositions)
  const query = late ? (model.query_length ?? 32) : (train.query_max_length ?? train.max_length)
  return [passage, Math.min(query, maxPositions)]
}

function planTraining(
  name: string,
  config: ModelConfig,
  recipe: Recipe,
  train: TrainSettings,
  lora: LoraSettings | undefined,
): TrainingPlan {
  const { model, seed } = recipe
  const adapter = train.method === 'lora' && lora ? newAdapter(config, lora, seed) : undefined
  const perQuery = 1 + train.negatives.hard
  const [passageLength, queryLength] = lengthsOf(recipe, train, config)
  const sequences = train.batch_size * (1 + perQuery)
  const chunked = train.chunk_size !== undefined && train.chunk_size < sequences
  // Chunks of passages are the longest; as many queries as fill one, and a sequence more, so that there are chunks.
  const queries = chunked ? Math.min(train.batch_size, Math.ceil((train.chunk_size! + 1) / perQuery)) : train.batch_size
  const packed = (count: number, length: number) => ({
    ids: new Int32Array(count * length),
    offsets: Int32Array.from({ length: count + 1 }, (_, i) => i * length),
  })
  const batch = {
    query: packed(queries, queryLength),
    passage: packed(queries * perQuery, passageLength),
    ...candidatesOf(queries, perQuery, train.negatives.in_batch),
  }
  const encoders = encodersOf(config, adapter, train, model)
  const late = model.architecture === 'late_interaction'
  const settings = {
    ...{ ...encoders, trainable: { tensors: new Map(), segments: [], count: 0, bytes: 0 } },
    ...{ temperature: train.temperature, loss: lossSettings(train), optimizer: defaultOptimizer },
    ...(late && {
      late: {
        similarity: train.similarity === 'l2' ? ('l2' as const) : ('dot' as const),
        ...(train.skipped_tokens === 'zero' && { zeroSkipped: true }),
      },
    }),
    ...(chunked && { chunkSize: train.chunk_size! }),
    ...(train.dropout !== undefined && { dropout: train.dropout }),
  }
  const activations = stepMemory(UNLIMITED as Backend, settings, batch)
  // One vector a text, or one a token; each with its gradient.
  const rows = late ? train.batch_size * (queryLength + perQuery * passageLength) : sequences
  const representations = chunked ? 2 * 4 * rows * (late ? projectionOf(model) : config.hidden) : 0
  const { steps, epochs = 1 } = train
  const pairs = steps === undefined ? PAIRS * epochs : steps * train.batch_size * train.accumulation
  const tokens = pairs * (queryLength + perQuery * passageLength)
  const lengths = (queryLength ** 2 + perQuery * passageLength ** 2) * pairs
  const products = linearLayers(config).reduce((sum, { inputs, outputs }) => sum + inputs * outputs, 0)
  const forward = 2 * products * tokens + 4 * config.layers * config.hidden * lengths
  // Forward; again for GradCache; again for layers that are run again; gradients of what is read, and of weights where they are trained.
  const passes = 1 + (chunked ? 1 : 0) + (train.recompute ? 1 : 0) + 1 + (train.method === 'full' ? 1 : 0)
  const weights = weightBytes(config, recipe, train.method, adapter)
  const counted = steps === undefined ? { epochs } : {}
  return { name, weights, activations, representations, tokens, flops: passes * forward, ...counted }
}

const projectionOf = ({ projection = 128 }: Recipe['model']): number => projection

/** Two encoders of one start share what is frozen; a projection is trained in full, with gradient and moments. */
function weightBytes(
  config: ModelConfig,
  { model, seed }: Recipe,
  method: TrainSettings['method'],
  adapter: ReturnType<typeof newAdapter> | undefined,
): number {
  const source = randomSource(config, seed)
  const memory = planMemory(UNLIMITED, source, method, { int8: false, ...(adapter && { adapter }) })
  const second = model.architecture === 'asymmetric' ? (adapter ? memory.adapter : memory.backend) : 0
  const projection = model.architecture === 'late_interaction' ? 16 * config.hidden * projectionOf(model) : 0
  return memory.backend + second + projection
}

/** Of queries and of passages: the same object, unless there are two. */
function encodersOf(
  config: ModelConfig,
  adapter: ReturnType<typeof newAdapter> | undefined,
  train: TrainSettings,
  model: Recipe['model'],
): { readonly query: Encoder; readonly passage: Encoder } {
  const outputs = projectionOf(model)
  const late = model.architecture === 'late_interaction'
  const projection = { path: '1_Dense', inputs: config.hidden, outputs, bias: false, activation: 'identity' as const }
  const head = late
    ? { pooling: [], dense: [projection] }
    : { pooling: [model.pooling ?? ('mean' as const)], dense: [] }
  const query = { ...encoderOf(config, adapter, train, late ? outputs : undefined), ...head }
  const two = model.architecture === 'asymmetric'
  return { query, passage: two ? { ...encoderOf(config, adapter, train), ...head } : query }
}

function encoderOf(
  config: ModelConfig,
  adapter: ReturnType<typeof newAdapter> | undefined,
  { recompute }: TrainSettings,
  projection?: number,
) {
  const shapes = new Map(expectedTensors(config).map(({ name, shape }) => [name, shape]))
  if (projection) shapes.set('dense.0.weight', [projection, config.hidden])
  const known = new Map<string, Tensor>()
  const weights = (name: string): Tensor => {
    const trained = adapter === undefined || name.startsWith('dense.')
    const tensor = known.get(name) ?? placeholder(name, shapes.get(name)!, trained)
    known.set(name, tensor)
    return tensor
  }
  const layers = new Map(linearLayers(config).map(layer => [layer.name, layer]))
  const updates = new Map(
    [...(adapter?.targets ?? [])].map(([name, { rank, scale }]) => {
      const { inputs, outputs } = layers.get(name)!
      const A = placeholder(`${name}.A`, [rank, inputs], true)
      return [name, { A, B: placeholder(`${name}.B`, [outputs, rank], true), scale }] as const
    }),
  )
  return {
    ...{ config, weights, includePrompt: true, normalize: true },
    ...(adapter && { adapter: { updates, dropout: adapter.dropout } }),
    ...(recompute && { recompute: true }),
  }
}

const bytesText = (bytes: number) =>
  bytes < 2 ** 28 ? `${(bytes / 2 ** 20).toFixed(0)} MiB` : `${(bytes / 2 ** 30).toFixed(2)} GiB`

const flopText = (flops: number) =>
  flops < 1e15 ? `${(flops / 1e12).toFixed(1)} TFLOP` : `${(flops / 1e15).toFixed(2)} PFLOP`

function durationText(seconds: number): string {
  if (seconds < 100) return `${Math.ceil(seconds)} s`
  return seconds < 6000 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(2)} h`
}

/** `rate`: floating-point operations a second. */
export const planText = (plans: readonly TrainingPlan[], rate: number): string[] =>
  plans.map(({ name, weights, activations, representations, tokens, flops, epochs }) => {
    const memory = [`weights ${bytesText(weights)}`, `a step ${bytesText(activations + representations)}`].join(', ')
    const unit = epochs === undefined ? '' : `of each 1,000 pairs, ${epochs} ${epochs === 1 ? 'epoch' : 'epochs'}: `
    const work = `${unit}${(tokens / 1e6).toFixed(1)} M tokens at most, ${flopText(flops)}`
    return `plan, ${name}: ${memory}; ${work}: ${durationText(flops / rate)} at ${(rate / 1e12).toFixed(2)} TFLOP/s`
  })
