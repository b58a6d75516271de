// A model's config.json: which architecture, and its sizes. Every value that the computation uses is checked here, once;
// what else the file holds is kept and written again.
import { asObject, type Fields, type JsonObject, parseStrictJson, readFields } from '../data/json.js'
import { join, readText } from '../runtime/files.js'

/** BERT (Devlin et al. 2019, arXiv:1810.04805) under the names of Hugging Face's BertConfig. */
export interface BertConfig {
  readonly family: 'bert'
  /** Width C of a hidden state; a multiple of `heads`. */
  readonly hidden: number
  readonly layers: number
  readonly heads: number
  /** Width of the feed-forward layer. */
  readonly intermediate: number
  /** GELU by the error function, or its tanh approximation. */
  readonly activation: 'gelu' | 'gelu_tanh'
  readonly vocabulary: number
  readonly maxPositions: number
  readonly typeVocabulary: number
  readonly layerNormEpsilon: number
  /** Probability, in [0, 1). */
  readonly hiddenDropout: number
  /** Probability, in [0, 1). */
  readonly attentionDropout: number
  readonly padId: number
  /** Standard deviation of freshly initialised weights. */
  readonly initializerRange: number
  /** config.json as it was read; {} for a new model. */
  readonly raw: JsonObject
}

export type ModelConfig = BertConfig

const activations: Record<string, BertConfig['activation']> = {
  gelu: 'gelu',
  gelu_new: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
}

/** What is absent has BertConfig's own default; sizes have none, because a wrong one would only be found by the weights. */
function readBert(fields: Fields, raw: JsonObject): BertConfig {
  const infinity = Number.POSITIVE_INFINITY
  const hidden = fields.count('hidden_size')
  const heads = fields.count('num_attention_heads')
  const vocabulary = fields.count('vocab_size')
  if (raw.hidden_size === hidden && raw.num_attention_heads === heads && hidden % heads !== 0)
    fields.problem(`hidden_size is ${hidden}, expected a multiple of num_attention_heads, which is ${heads}`)
  const activation = fields.text('hidden_act', 'gelu')
  if (!Object.hasOwn(activations, activation))
    fields.problem(`hidden_act is "${activation}", expected one of ${Object.keys(activations).join(', ')}`)
  const positions = fields.text('position_embedding_type', 'absolute')
  if (positions !== 'absolute')
    fields.problem(`position_embedding_type is "${positions}", only "absolute" is supported`)
  if (fields.flag('is_decoder', false)) fields.problem('is_decoder is true, only encoders (false) are supported')
  return {
    family: 'bert',
    hidden,
    layers: fields.count('num_hidden_layers'),
    heads,
    intermediate: fields.count('intermediate_size'),
    activation: activations[activation] ?? 'gelu',
    vocabulary,
    maxPositions: fields.count('max_position_embeddings'),
    typeVocabulary: fields.count('type_vocab_size', 2),
    layerNormEpsilon: fields.number('layer_norm_eps', 0, 1, 1e-12),
    hiddenDropout: fields.number('hidden_dropout_prob', 0, 1, 0.1),
    attentionDropout: fields.number('attention_probs_dropout_prob', 0, 1, 0.1),
    padId: fields.integer('pad_token_id', 0, vocabulary, 0),
    initializerRange: fields.number('initializer_range', 0, infinity, 0.02),
    raw,
  }
}

/** The supported architectures: a reader for each `model_type`. */
const families: Record<string, (fields: Fields, raw: JsonObject) => ModelConfig> = { bert: readBert }

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
  return parseConfig(parseStrictJson(await readText(path), path), path)
}

/** The config.json of a model whose weights are written as f32 and without heads: what was read, overwritten by what is so now. */
export function toConfigJson(config: ModelConfig): JsonObject {
  const { raw } = config
  const act = raw.hidden_act
  const kept = typeof act === 'string' && activations[act] === config.activation
  const dtypeKey = 'torch_dtype' in raw ? 'torch_dtype' : 'dtype' // the old name, the new one
  return {
    ...raw,
    architectures: ['BertModel'],
    model_type: config.family,
    hidden_size: config.hidden,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    intermediate_size: config.intermediate,
    hidden_act: kept ? act : config.activation === 'gelu' ? 'gelu' : 'gelu_new',
    vocab_size: config.vocabulary,
    max_position_embeddings: config.maxPositions,
    type_vocab_size: config.typeVocabulary,
    layer_norm_eps: config.layerNormEpsilon,
    hidden_dropout_prob: config.hiddenDropout,
    attention_probs_dropout_prob: config.attentionDropout,
    pad_token_id: config.padId,
    initializer_range: config.initializerRange,
    [dtypeKey]: 'float32',
  }
}
