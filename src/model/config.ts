// A model's config.json as data: its sizes, and the form of its family, which is all by which one transformer differs from another. Every value that
// the computation uses is checked here, once; what else the file holds is kept and written again.
import { asObject, isObject, type JsonObject, markFloats, parseStrictJson, readFields } from '../data/json.js'
import { join, readText } from '../runtime/files.js'
import { families } from './families.js'
import { activationNames } from './reading.js'
import type { Rope } from './rope.js'

/** GELU by the error function or by tanh; SiLU; ReLU. */
export type ActivationName = 'gelu' | 'gelu_tanh' | 'silu' | 'relu'

/** The linear layers that a layer may have: `qkv` and `gateUp` are several in one matrix, one after the other. */
export type LinearRole = 'query' | 'key' | 'value' | 'attentionOutput' | 'up' | 'down' | 'gate' | 'qkv' | 'gateUp'

/** Where a layer may normalise: what a block reads, what it gives, the residual sum after it; each head's queries and keys. */
export type NormRole =
  | 'attentionInput'
  | 'attentionOutput'
  | 'attentionSum'
  | 'feedForwardInput'
  | 'feedForwardOutput'
  | 'feedForwardSum'
  | 'query'
  | 'key'

/** `embedding`: of the embeddings; `inner`: inside the feed-forward block; `attentionOutput`, `output`: before the residual sums. */
export type DropoutSite = 'embedding' | 'attention' | 'attentionOutput' | 'inner' | 'output'

/** What differs between families: names of tensors (those of Hugging Face's bare models), and which parts there are. */
export interface TransformerForm {
  /** The bare model's class, as config.json names it. */
  readonly architecture: string
  /** config.json's names for the sizes. */
  readonly keys: SizeKeys
  /** LayerNorm, or RMSNorm; `addOne`: times 1 + weight (Gemma). */
  readonly norm: { readonly kind: 'layer' | 'rms'; readonly beta: boolean; readonly addOne?: true }
  readonly words: string
  /** Learned positions count from `offset`, over tokens that are not `skip` (which has the position `offset` − 1). */
  readonly positions?: { readonly table: string; readonly offset: number; readonly skip?: number }
  readonly types?: string
  /** Embeddings are multiplied by it. */
  readonly embeddingScale?: number
  readonly embeddingNorm?: string
  readonly finalNorm?: string
  /** One bias for all layers, by the bucket of i − j, added to the scaled scores (MPNet). Its table is (buckets, heads). */
  readonly relative?: { readonly table: string; readonly buckets: number; readonly maxDistance: number }
  /** Before a layer's number. */
  readonly layer: string
  readonly linears: Readonly<Partial<Record<LinearRole, { readonly name: string; readonly bias: boolean }>>>
  readonly norms: Readonly<Partial<Record<NormRole, string>>>
  /** The first layer reads the embeddings as they are (ModernBERT). */
  readonly firstInputPlain?: true
}

/** The names of sizes in a family's config.json. */
export interface SizeKeys {
  readonly hidden: string
  readonly layers: string
  readonly heads: string
  readonly keyValueHeads?: string
  readonly headSize?: string
  readonly intermediate: string
  readonly activation: string
  readonly vocabulary: string
  readonly positions: string
  readonly types?: string
  readonly epsilon?: string
  readonly pad: string
  readonly range: string
  readonly dropout: Readonly<Partial<Record<DropoutSite, string>>>
}

/** A layer's attention: query i sees key j when i − j ≤ before and j − i ≤ after; absent: no limit. */
export interface LayerAttention {
  readonly before?: number
  readonly after?: number
  /** Rotary positions of queries and keys. */
  readonly rope?: Rope
}

/** One transformer (Vaswani et al. 2017) with the differences of its family. */
export interface ModelConfig {
  /** config.json's model_type. */
  readonly family: string
  /** Width C of a hidden state. */
  readonly hidden: number
  readonly layers: number
  readonly heads: number
  /** Where fewer than `heads`: groups of queries share a key and a value. */
  readonly keyValueHeads?: number
  /** Where it is not hidden / heads. */
  readonly headSize?: number
  /** Width of the feed-forward layer. */
  readonly intermediate: number
  readonly activation: ActivationName
  readonly vocabulary: number
  /** Tokens of a sequence at most. */
  readonly maxPositions: number
  /** 1 where there are no token types. */
  readonly typeVocabulary: number
  readonly normEpsilon: number
  /** Probabilities, in [0, 1), of the sites that the family has. */
  readonly dropout: Readonly<Partial<Record<DropoutSite, number>>>
  readonly padId?: number
  /** Standard deviation of freshly initialised weights. */
  readonly initializerRange: number
  /** One for all layers, or one a layer. */
  readonly attention: readonly LayerAttention[]
  /** Scores are multiplied by it; default 1/√headSize. */
  readonly attentionScale?: number
  readonly form: TransformerForm
  /** config.json as it was read. */
  readonly raw: JsonObject
}

export const headSizeOf = ({ headSize, hidden, heads }: ModelConfig): number => headSize ?? hidden / heads
export const keyValueHeadsOf = ({ keyValueHeads, heads }: ModelConfig): number => keyValueHeads ?? heads
export const attentionOf = ({ attention }: ModelConfig, layer: number): LayerAttention =>
  attention.length === 1 ? attention[0]! : attention[layer]!

export const supportedArchitectures: readonly string[] = Object.keys(families)

/** Checks the content of a config.json; one error names everything that is wrong with it. `where` opens the error. */
export function parseConfig(content: unknown, where: string): ModelConfig {
  const raw = asObject(content, where)
  const type = raw.model_type
  const read = typeof type === 'string' && Object.hasOwn(families, type) ? families[type] : undefined
  if (!read) {
    const found = type === undefined ? 'no model_type' : `the architecture ${JSON.stringify(type)}`
    throw new Error(`${where} names ${found}, supported: ${supportedArchitectures.join(', ')}`)
  }
  const fields = readFields(raw, where)
  const config = read(fields, raw)
  fields.finish()
  return config
}

/** Reads the config.json of a model folder. */
export async function readConfig(folder: string): Promise<ModelConfig> {
  const path = join(folder, 'config.json')
  const text = await readText(path)
  const content = parseStrictJson(text, path)
  return parseConfig(isObject(content) ? markFloats(content, text) : content, path)
}

/** The config.json of a model whose weights are written as f32 and without heads: what was read, overwritten by what is so now. */
export function toConfigJson(config: ModelConfig): JsonObject {
  const { raw, form } = config
  const { keys } = form
  const act = raw[keys.activation]
  const kept = typeof act === 'string' && activationNames[act] === config.activation
  const dtypeKey = 'torch_dtype' in raw ? 'torch_dtype' : 'dtype' // the old name, the new one
  const sites = Object.entries(keys.dropout) as [DropoutSite, string][]
  const optional: [string | undefined, number | undefined][] = [
    [keys.keyValueHeads, config.keyValueHeads],
    [keys.headSize, config.headSize],
    [keys.types, config.typeVocabulary],
    [keys.epsilon, config.normEpsilon],
    [keys.pad, config.padId],
    ...sites.map(([site, key]): [string, number | undefined] => [key, config.dropout[site]]),
  ]
  const layerTypes = Array.isArray(raw.layer_types) && { layer_types: raw.layer_types.slice(0, config.layers) }
  return {
    ...raw,
    ...layerTypes,
    architectures: [form.architecture],
    model_type: config.family,
    [keys.hidden]: config.hidden,
    [keys.layers]: config.layers,
    [keys.heads]: config.heads,
    [keys.intermediate]: config.intermediate,
    [keys.activation]: kept ? act : config.activation === 'gelu_tanh' ? 'gelu_new' : config.activation,
    [keys.vocabulary]: config.vocabulary,
    [keys.positions]: config.maxPositions + (form.positions?.offset ?? 0),
    [keys.range]: config.initializerRange,
    ...Object.fromEntries(optional.filter(([key, value]) => key !== undefined && value !== undefined)),
    [dtypeKey]: 'float32',
  }
}
