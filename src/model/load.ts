// A model's weights put into a backend: frozen, trained in full, or frozen under a trained low-rank adapter; and read back for saving.
import type { Backend } from '../backend/backend.js'
import {
  createTrainable,
  freeTensors,
  freeTrainable,
  frozenHalf,
  frozenTensor,
  type ParameterSpec,
  type Trainable,
} from '../tensor/parameters.js'
import type { Tensor } from '../tensor/tensor.js'
import { adapterMatrices, adapterTensors, readBack } from './adapter-tensors.js'
import type { ModelConfig } from './config.js'
import type { Encoder } from './encoder.js'
import { type FrozenBits, type QuantizationLoss, quantizedGroups, relativeLoss } from './group-quantization.js'
import { allRows, readHostTable } from './host-table.js'
import { lowRankStart, type NamedTensor, randomWeight } from './initialize.js'
import { type Adapter, type AdapterTarget, adaptedTensor, isAdapted, loraScale } from './peft.js'
import { halfTypes, type MemoryPlan, planMemory } from './placement.js'
import { checkPrecision, type Precision, quantizedNames, quantizedTensor } from './quantize.js'
import { type PoolingMode, type SentenceSettings, vectorWidth } from './sentence-transformers.js'
import { sideBySide } from './side-by-side.js'
import { readValues, type StoredTensor, writeStored } from './stream.js'
import { type ExpectedTensor, expectedTensors, linearLayers } from './tensors.js'

/** Where weights come from: a folder, or a seeded random start. */
export interface WeightSource {
  readonly config: ModelConfig
  readonly expected: readonly ExpectedTensor[]
  readTensor(name: string): Promise<Float32Array>
  /** Where tensors need not be read whole. */
  stored?(name: string): StoredTensor | undefined
}

/** LoRA's settings for a new adapter (Hu et al. 2021). */
export interface LoraSettings {
  readonly rank: number
  readonly alpha: number
  /** In [0, 1). */
  readonly dropout: number
  /** Linear layers by the last part of their name, for example query, value. */
  readonly targets: readonly string[]
}

export type Method =
  | { readonly kind: 'frozen'; readonly adapter?: Adapter }
  | { readonly kind: 'full' }
  | { readonly kind: 'lora'; readonly adapter: Adapter }

export interface LoadOptions {
  /** Whether weight decay also applies to biases and norms. */
  readonly decayBiasAndNorm?: boolean
  /** Override the folder's. */
  readonly pooling?: PoolingMode
  readonly normalize?: boolean
  /** Columns kept of a vector, before it is normalised; default: all. */
  readonly dimensions?: number | undefined
  /** Of a late-interaction model: its projection and scaling are for every token's vector, there is no pooling. */
  readonly perToken?: boolean
  /** int8: linear layers in 8 bits, for inference only; an adapter is worked into them. mixed: their products have f16 factors. Default f32. */
  readonly precision?: Precision | undefined
  /** In training, run each layer's forward pass again in the backward pass instead of keeping what it made. Default false. */
  readonly recompute?: boolean
  /** Hold frozen weights that the file has in 16 bits in 32. Default: as the file has them, which loses nothing either. */
  readonly widen?: boolean
  /** Bits of the frozen weights of linear layers, in groups, beneath an adapter; default: as the file has them. */
  readonly frozenBits?: FrozenBits | undefined
  /** Told what `frozenBits` lost: the root of the mean square error over that of the weights. */
  readonly onQuantized?: (loss: number) => void
  /** Keep the word embeddings on the host and upload the rows of each batch. Default: where the backend could not hold them. */
  readonly wordsOnHost?: boolean
  /** An encoder of the same model in the same backend, which is released later: its frozen weights are used, not placed again. */
  readonly base?: Encoder
  /** Trained in full beside an adapter (modules_to_save): weights by name, such as those of a new projection. */
  readonly alsoTrained?: (name: string) => boolean
  /** Told what will lie where, before anything is read. */
  readonly onPlan?: (plan: MemoryPlan) => void
}

/** An encoder in a backend's memory. */
export interface LoadedEncoder {
  readonly encoder: Encoder
  /** Present unless frozen. */
  readonly trainable?: Trainable
  /** Of all that it holds in the backend's memory, gradients and moments included. */
  readonly bytes: number
  /** The current values of a weight by its Hugging Face name. */
  readWeight(name: string): Promise<Float32Array>
  /** The current values of the adapter; undefined where there is none. */
  readAdapter(): Promise<Adapter | undefined>
  release(): void
}

/** The weights of a seeded random start. */
export function randomSource(config: ModelConfig, seed: number): WeightSource {
  const expected = expectedTensors(config)
  return { config, expected, readTensor: async name => randomWeight(config, expected, name, seed) }
}

/** A new adapter: A random, B zero, so that it starts as no change. Targets that match no layer are an error. */
export function newAdapter(
  config: ModelConfig,
  { rank, alpha, dropout, targets }: LoraSettings,
  seed: number,
): Adapter {
  const layers = linearLayers(config)
  const matches = (name: string, target: string) => name === target || name.endsWith(`.${target}`)
  for (const target of targets)
    if (!layers.some(layer => matches(layer.name, target))) {
      const known = [...new Set(layers.map(layer => layer.name.replace(/^.*?\.\d+\./, '')))]
      throw new Error(`lora.targets: no linear layer is called "${target}"; this model has ${known.join(', ')}`)
    }
  const chosen = layers.filter(layer => targets.some(target => matches(layer.name, target)))
  const scale = loraScale(alpha, rank, false)
  const updates = chosen.map(
    ({ name, outputs, inputs }, stream) =>
      [name, { rank, scale, ...lowRankStart(outputs, inputs, rank, seed, stream) }] as const,
  )
  return { rank, alpha, rslora: false, dropout, targets: new Map(updates), raw: {} }
}

const decays = (name: string): boolean => !name.endsWith('bias') && !name.toLowerCase().includes('norm')

/** A source whose tensors are as an adapter has them. */
export function adaptedSource<S extends WeightSource>(source: S, worked: Pick<Adapter, 'targets' | 'saved'>): S {
  return {
    ...source,
    readTensor: name => adaptedTensor(name, worked, each => source.readTensor(each)),
    stored: name => (isAdapted(name, worked) ? undefined : source.stored?.(name)),
  }
}

/** What of an adapter is a branch beside its layers, and what is worked into the weights: with 8 bits or a magnitude, the updates too. */
function adapterParts(
  method: Method,
  inInt8: boolean,
): { adapter?: Adapter; worked: Pick<Adapter, 'targets' | 'saved'> } {
  const given = method.kind === 'full' ? undefined : method.adapter
  if (!given) return { worked: { targets: new Map() } }
  const scaled = [...given.targets.values()].some(({ magnitude }) => magnitude)
  if (scaled && method.kind === 'lora')
    throw new Error(
      'the adapter has magnitudes (use_dora), which are not trained here; merge it with export, and train that',
    )
  const { saved, ...adapter } = given
  const worked = {
    targets: inInt8 || scaled ? given.targets : new Map<string, AdapterTarget>(),
    ...(saved && { saved }),
  }
  return inInt8 || scaled ? { worked } : { adapter, worked }
}

export type EncoderSettings = Pick<SentenceSettings, 'pooling' | 'normalize'> &
  Partial<Pick<SentenceSettings, 'dense' | 'includePrompt' | 'lateInteraction'>>

/** The way from hidden states to a vector, with the options' changes. */
function headOf(
  settings: EncoderSettings,
  { pooling: asked, normalize = settings.normalize, dimensions, perToken }: LoadOptions,
  hidden: number,
): Pick<Encoder, 'pooling' | 'includePrompt' | 'dense' | 'dimensions' | 'normalize'> {
  const late = settings.lateInteraction
  if (perToken) {
    if (!late) throw new Error('this model makes one vector a text, not one a token: it is no late-interaction model')
    return { pooling: [], includePrompt: true, dense: late.projection, normalize: late.normalize }
  }
  if (late && !asked) throw new Error('this is a late-interaction model: it makes one vector a token, not one a text')
  const pooling = asked ? [asked] : settings.pooling
  const { dense = [], includePrompt = true } = settings
  const into = dense[0]?.inputs ?? pooling.length * hidden
  if (into !== pooling.length * hidden)
    throw new Error(
      `pooling ${pooling.join(' + ')} makes vectors of ${pooling.length * hidden} columns, but the model's Dense module takes ${into}`,
    )
  const width = vectorWidth({ pooling, dense }, hidden)
  if (dimensions !== undefined && dimensions > width)
    throw new Error(`dimensions is ${dimensions}, but the model's vectors have ${width}; give ${width} or less`)
  const cut = dimensions !== undefined && dimensions < width ? { dimensions } : {}
  return { pooling, includePrompt, dense, ...cut, normalize }
}

/** Puts a model into the backend's memory; nothing of it stays there where that fails. */
export async function loadEncoder(
  backend: Backend,
  source: WeightSource,
  settings: EncoderSettings,
  method: Method,
  options: LoadOptions = {},
): Promise<LoadedEncoder> {
  const head = headOf(settings, options, source.config.hidden)
  const int8 = options.precision === 'int8'
  if (int8 && method.kind !== 'frozen')
    throw new Error(
      `precision int8 is for inference only, but method ${method.kind} trains the model; leave the precision at f32`,
    )
  checkPrecision(backend, options.precision ?? 'f32')
  // Linear layers' weights; what an adapter or a Dense module adds is small.
  const narrow = options.precision === 'mixed' ? quantizedNames(source.config) : new Set<string>()
  const { adapter, worked } = adapterParts(method, int8)
  const { wordsOnHost, frozenBits } = options
  if (frozenBits && (int8 || method.kind === 'full'))
    throw new Error(
      `frozen weights in ${frozenBits} bits are for LoRA, but ${int8 ? 'precision int8 was asked for' : 'method full trains them'}; leave one of them out`,
    )
  const adapted = adaptedSource(source, worked)
  const branches = {
    int8,
    ...(adapter && { adapter }),
    ...(wordsOnHost !== undefined && { wordsOnHost }),
    ...(frozenBits && { frozenBits }),
  }
  const plan = planMemory(backend, adapted, method.kind, { ...branches, ...(options.widen && { widen: true }) })
  options.onPlan?.(plan)
  const tensors = new Map<string, Tensor>()
  const borrowed = new Set<string>()
  let words = options.base?.words
  const loss: QuantizationLoss = { squared: 0, total: 0 }
  const place = async (): Promise<Trainable | undefined> => {
    const trained: ParameterSpec[] = []
    const freeze = ({ name, shape, data }: NamedTensor) => tensors.set(name, frozenTensor(backend, name, shape, data))
    const quantize = async (tensor: NamedTensor) => {
      const quantized = await quantizedTensor(backend, tensor)
      for (const each of [quantized, quantized.scales!]) tensors.set(each.name, each)
    }
    const besides = sideBySide(backend, plan)
    for (const { name, shape, place } of plan.tensors) {
      const decay = options.decayBiasAndNorm || decays(name)
      if (place === 'trained') trained.push({ name, shape, decay, narrow: narrow.has(name) })
      else if (method.kind === 'lora' && options.alsoTrained?.(name))
        trained.push({ name, shape, decay, data: await adapted.readTensor(name) })
      else if (options.base) borrowed.add(name)
      else if (place === 'int8') await quantize({ name, shape, data: await adapted.readTensor(name) })
      else if (place === 'q8' || place === 'q4') {
        const grouped = await quantizedGroups(backend, name, shape, frozenBits!, adapted, loss)
        tensors.set(grouped.groups!.name, grouped.groups!)
        tensors.set(name, narrow.has(name) ? { ...grouped, narrow: true } : grouped)
      } else if (place === 'host') words = await readHostTable(adapted, name, shape)
      else {
        const view = besides(name)
        const tensor =
          place === 'half'
            ? frozenHalf(backend, name, shape, halfTypes[adapted.stored!(name)!.dtype]!, undefined, view)
            : frozenTensor(backend, name, shape, undefined, view)
        tensors.set(name, narrow.has(name) ? { ...tensor, narrow: true } : tensor)
        await writeStored(backend, tensor, adapted)
      }
    }
    for (const tensor of adapter ? adapterMatrices(adapter, source.config) : [])
      if (method.kind === 'lora') trained.push({ ...tensor, decay: true })
      else freeze(tensor)
    const made = trained.length > 0 ? createTrainable(backend, trained) : undefined
    if (made && method.kind === 'full')
      for (const { name } of source.expected)
        await writeStored(backend, made.tensors.get(name)!, adapted).catch(error => {
          freeTrainable(backend, made)
          throw error
        })
    return made
  }
  const trainable = await place().catch(error => {
    freeTensors(backend, tensors.values())
    throw error
  })
  if (loss.total > 0) options.onQuantized?.(relativeLoss(loss))
  const weights = (name: string): Tensor => {
    const own = tensors.get(name) ?? trainable?.tensors.get(name)
    const tensor = own ?? (borrowed.has(name) ? options.base!.weights(name) : undefined)
    if (!tensor) throw new Error(`the model has no weight ${name}`)
    return tensor
  }
  const encoder: Encoder = {
    config: source.config,
    weights,
    ...head,
    ...(adapter && { adapter: adapterTensors(adapter, weights) }),
    ...(options.recompute && { recompute: true }),
    ...(options.precision === 'mixed' && { narrow: true }),
    ...(words && { words }),
  }
  return {
    encoder,
    ...(trainable && { trainable }),
    bytes: [...tensors.values()].reduce((sum, { view }) => sum + view!.bytes, trainable?.bytes ?? 0),
    async readWeight(name) {
      if (words && name === source.config.form.words) return allRows(words)
      const place = plan.tensors.find(each => each.name === name)?.place
      if (place === 'int8' || place === 'q8' || place === 'q4')
        throw new Error(
          `${name} is held in ${place === 'q4' ? 4 : 8} bits, from which it cannot be read back; load the model with precision f32`,
        )
      return readValues(backend, weights(name))
    },
    readAdapter: async () =>
      adapter && { ...(await readBack(backend, adapter, weights)), ...(worked.saved && { saved: worked.saved }) },
    release() {
      freeTensors(backend, tensors.values())
      if (trainable) freeTrainable(backend, trainable)
    },
  }
}
