// A model put into a backend as its architecture wants it: one encoder, two, or one that makes a vector a token; frozen, or to be trained.
import type { Backend } from '../backend/backend.js'
import { hashLines } from '../data/fingerprint.js'
import { normalArray } from '../model/initialize.js'
import type { LateInteractionSettings } from '../model/late-interaction-settings.js'
import { punctuation } from '../model/late-interaction-settings.js'
import { type LoadedEncoder, type LoadOptions, type Method, newAdapter } from '../model/load.js'
import type { LoraSettings, ModelSettings, TrainSettings } from '../recipe/schema.js'
import type { RankingModel } from '../retrieve/rank.js'
import { joinTrainables } from '../tensor/parameters.js'
import { type ModelSource, placeModel } from './model.js'

/** An encoder, or two: `encoder` is then that of queries. `trainable` and `bytes` are of both. */
export interface PlacedModel extends LoadedEncoder {
  readonly passage?: LoadedEncoder
}

/** What ranks texts under it. */
export const rankingOf = (
  { encoder, passage }: Pick<PlacedModel, 'encoder' | 'passage'>,
  { settings }: Pick<ModelSource, 'settings'>,
): RankingModel => ({
  query: encoder,
  passage: passage?.encoder ?? encoder,
  similarity: settings.lateInteraction ? 'maxsim' : settings.similarity,
})

/** Frozen, as it is. Two encoders that were adapted over one base have its weights twice. */
export async function placeFrozen(
  backend: Backend,
  source: Pick<ModelSource, 'weights' | 'settings' | 'adapter' | 'passage'>,
  options: LoadOptions = {},
): Promise<PlacedModel> {
  const perToken = source.settings.lateInteraction ? { perToken: true } : {}
  const query = await placeModel(backend, source, undefined, { ...options, ...perToken })
  if (!source.passage || source.passage === source) return query
  return both(query, () => placeModel(backend, source.passage!, undefined, options))
}

/** To be trained. With LoRA two encoders of the same start share its frozen weights; a late interaction's projection is trained in full. */
export async function placeTrained(
  backend: Backend,
  source: ModelSource,
  train: TrainSettings,
  lora: LoraSettings | undefined,
  seed: number,
  options: LoadOptions,
): Promise<PlacedModel> {
  const late = source.settings.lateInteraction !== undefined
  const own = late ? { perToken: true, alsoTrained: (name: string) => name.startsWith('dense.') } : {}
  const query = await placeModel(backend, source, methodOf(source, train, lora, seed), { ...options, ...own })
  const { passage } = source
  if (!passage) return query
  const shared = passage === source && train.method === 'lora' ? { base: query.encoder } : {}
  const { onPlan: _, ...rest } = options
  return both(query, () =>
    placeModel(backend, passage, methodOf(passage, train, lora, seed + 1), { ...rest, ...shared }),
  )
}

async function both(query: LoadedEncoder, place: () => Promise<LoadedEncoder>): Promise<PlacedModel> {
  const passage = await place().catch(error => {
    query.release()
    throw error
  })
  return {
    ...query,
    passage,
    bytes: query.bytes + passage.bytes,
    ...(query.trainable && passage.trainable && { trainable: joinTrainables(query.trainable, passage.trainable) }),
    release() {
      passage.release()
      query.release()
    },
  }
}

/** What is trained of a model. A model that comes with an adapter goes on training that one. */
export function methodOf(
  source: ModelSource,
  train: TrainSettings,
  lora: LoraSettings | undefined,
  seed: number,
): Method {
  if (train.method === 'full') {
    if (source.adapter)
      throw new Error(
        `${source.name} is an adapter; train.method = "full" needs the base model's folder, or use train.method = "lora"`,
      )
    return { kind: 'full' }
  }
  return { kind: 'lora', adapter: source.adapter ?? newAdapter(source.weights.config, lora!, seed) }
}

/** The source as the recipe's architecture has it: with a second encoder, or with a projection of every token's vector. */
export async function asArchitecture(source: ModelSource, model: ModelSettings, seed: number): Promise<ModelSource> {
  const { architecture } = model
  const late = source.settings.lateInteraction !== undefined
  if (late && architecture !== undefined && architecture !== 'late_interaction')
    throw new Error(
      `${source.name} is a model of late interaction, but model.architecture is "${architecture}"; leave it out`,
    )
  if (source.passage && architecture !== undefined && architecture !== 'asymmetric')
    throw new Error(`${source.name} has two encoders, but model.architecture is "${architecture}"; leave it out`)
  if (architecture === 'asymmetric' && !source.passage) return twice(source)
  if (architecture !== 'late_interaction' || late) return source
  return withProjection(source, model, seed)
}

function twice(source: ModelSource): ModelSource {
  const made: { -readonly [K in keyof ModelSource]: ModelSource[K] } = { ...source }
  made.passage = made
  return made
}

const PROJECTION_SEED = 0x70726f6a

async function withProjection(source: ModelSource, model: ModelSettings, seed: number): Promise<ModelSource> {
  const { weights, tokenizer } = source
  const { hidden, initializerRange } = weights.config
  const { projection: outputs = 128, query_length: queryLength = 32, document_length: documentLength = 180 } = model
  const shape = [outputs, hidden]
  const name = 'dense.0.weight'
  const known = new Set(
    Array.from({ length: Math.min(tokenizer?.vocabularySize ?? 0, 1000) }, (_, id) => tokenizer!.tokenOf(id)),
  )
  const marker = (token: string) => (known.has(token) ? token : '')
  const lateInteraction: LateInteractionSettings = {
    projection: [{ path: '1_Dense', inputs: hidden, outputs, bias: false, activation: 'identity' }],
    normalize: true,
    queryMarker: marker('[unused0]'),
    documentMarker: marker('[unused1]'),
    ...{ queryLength, documentLength: Math.min(documentLength, model.max_length) },
    expansion: { strategy: 'fixed', length: queryLength, attend: false },
    skipWords: punctuation,
    skipIn: ['document'],
    similarity: 'maxsim',
  }
  return {
    ...source,
    settings: { ...source.settings, pooling: [], similarity: 'dot', lateInteraction },
    weights: {
      ...weights,
      expected: [...weights.expected.filter(each => !each.name.startsWith('dense.')), { name, shape }],
      readTensor: async each =>
        each === name
          ? normalArray(outputs * hidden, initializerRange, seed, PROJECTION_SEED)
          : weights.readTensor(each),
      stored: each => (each === name ? undefined : weights.stored?.(each)),
    },
    hash: await hashLines([source.hash, `projection ${outputs} ${seed}`]),
  }
}
