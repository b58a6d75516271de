// What a recipe's trainings will hold and how long they will take, from the model's sizes alone: nothing is placed or run. Memory is that of the plan that a
// step will run; time is products of linear layers and attention by a given rate.
import type { Backend } from '../../backend/backend.js'
import type { ModelConfig } from '../../model/config.js'
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
  /** Tokens of all steps, were every text as long as it may be. */
  readonly tokens: number
  readonly flops: number
}

const UNLIMITED: Pick<Backend, 'kind' | 'limits'> = {
  kind: 'webgpu',
  limits: { binding: Number.MAX_SAFE_INTEGER, memory: Number.MAX_SAFE_INTEGER, alignment: 256 },
}

const placeholder = (name: string, shape: readonly number[], trained: boolean): Tensor => {
  const tensor: Tensor = { name, shape, dtype: 'f32', role: 'external', needsGradient: trained }
  return trained ? { ...tensor, gradient: { ...tensor, name: `d${name}`, needsGradient: false } } : tensor
}

export function planTrainings(recipe: Recipe, config: ModelConfig): TrainingPlan[] {
  const { train, variants, tdro } = recipe
  if (!train) return []
  const proxy = tdro && proxyRecipe(recipe)
  return [
    planTraining(train.method === 'lora' ? 'LoRA' : 'full', config, recipe, train, recipe.lora),
    ...(proxy ? [planTraining('tDRO proxy', config, recipe, proxy.train!, proxy.lora)] : []),
    ...variants.map(each => planTraining(each.name, config, recipe, each.train, each.lora)),
  ]
}

function planTraining(
  name: string,
  config: ModelConfig,
  { model, seed }: Recipe,
  train: TrainSettings,
  lora: LoraSettings | undefined,
): TrainingPlan {
  const adapter = train.method === 'lora' && lora ? newAdapter(config, lora, seed) : undefined
  const { backend: weights } = planMemory(UNLIMITED, randomSource(config, seed), train.method, {
    int8: false,
    ...(adapter && { adapter }),
  })
  const perQuery = 1 + train.negatives.hard
  const [passageLength, queryLength] = [train.max_length, train.query_max_length ?? train.max_length].map(length =>
    Math.min(length, config.maxPositions),
  ) as [number, number]
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
  const pooling = model.pooling ?? 'mean'
  const encoder = encoderOf(config, adapter, train, pooling)
  const settings = {
    ...{ query: encoder, passage: encoder, trainable: { tensors: new Map(), segments: [], count: 0, bytes: 0 } },
    ...{ temperature: train.temperature, loss: lossSettings(train), optimizer: defaultOptimizer },
    ...(chunked && { chunkSize: train.chunk_size! }),
    ...(train.dropout !== undefined && { dropout: train.dropout }),
  }
  const activations = stepMemory(UNLIMITED as Backend, settings, batch)
  const representations = chunked ? 2 * 4 * sequences * config.hidden : 0
  const steps = train.steps ?? 0
  const pairs = steps * train.batch_size * train.accumulation
  const tokens = pairs * (queryLength + perQuery * passageLength)
  const lengths = (queryLength ** 2 + perQuery * passageLength ** 2) * pairs
  const products = linearLayers(config).reduce((sum, { inputs, outputs }) => sum + inputs * outputs, 0)
  const forward = 2 * products * tokens + 4 * config.layers * config.hidden * lengths
  // Forward; again for GradCache; again for layers that are run again; gradients of what is read, and of weights where they are trained.
  const passes = 1 + (chunked ? 1 : 0) + (train.recompute ? 1 : 0) + 1 + (train.method === 'full' ? 1 : 0)
  return { name, weights, activations, representations, tokens, flops: passes * forward }
}

function encoderOf(
  config: ModelConfig,
  adapter: ReturnType<typeof newAdapter> | undefined,
  { recompute }: TrainSettings,
  pooling: NonNullable<Recipe['model']['pooling']>,
) {
  const shapes = new Map(expectedTensors(config).map(({ name, shape }) => [name, shape]))
  const known = new Map<string, Tensor>()
  const weights = (name: string): Tensor => {
    const tensor = known.get(name) ?? placeholder(name, shapes.get(name)!, adapter === undefined)
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
    ...{ config, weights, pooling: [pooling], includePrompt: true, dense: [], normalize: true },
    ...(adapter && { adapter: { updates, dropout: adapter.dropout } }),
    ...(recompute && { recompute: true }),
  }
}

const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(2)} GiB`

/** `rate`: floating-point operations a second. */
export const planText = (plans: readonly TrainingPlan[], rate: number): string[] =>
  plans.map(({ name, weights, activations, representations, tokens, flops }) => {
    const memory = [`weights ${gib(weights)}`, `a step ${gib(activations + representations)}`].join(', ')
    const time = `${(tokens / 1e6).toFixed(1)} M tokens at most, ${(flops / 1e15).toFixed(2)} PFLOP`
    return `plan, ${name}: ${memory}; ${time}: ${(flops / rate / 3600).toFixed(2)} h at ${(rate / 1e12).toFixed(2)} TFLOP/s`
  })
