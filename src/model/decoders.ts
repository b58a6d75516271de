// Decoders read as encoders: Llama and its descendants. RMSNorm before each block, rotary positions, grouped queries, a gated feed-forward block;
// each token sees those before it, or, where config.json or the caller says so, all.
import { describe, type Fields, type JsonObject } from '../data/json.js'
import type { LayerAttention, ModelConfig, SizeKeys, TransformerForm } from './config.js'
import type { FamilyReader } from './families.js'
import { type Defaults, readLayerTypes, readSizes } from './reading.js'
import { readRope } from './rope.js'

const keys: SizeKeys = {
  hidden: 'hidden_size',
  layers: 'num_hidden_layers',
  heads: 'num_attention_heads',
  keyValueHeads: 'num_key_value_heads',
  headSize: 'head_dim',
  intermediate: 'intermediate_size',
  activation: 'hidden_act',
  vocabulary: 'vocab_size',
  positions: 'max_position_embeddings',
  epsilon: 'rms_norm_eps',
  pad: 'pad_token_id',
  range: 'initializer_range',
  dropout: { attention: 'attention_dropout' },
}
const defaults: Defaults = { activation: 'silu', gated: true, epsilon: 1e-6, dropout: 0 }

/** Which linear layers have biases. */
interface Biases {
  readonly qkv?: boolean
  readonly attentionOutput?: boolean
  readonly feedForward?: boolean
}

/** Touvron et al. 2023, arXiv:2302.13971. */
const llamaForm = (
  architecture: string,
  { qkv = false, attentionOutput = false, feedForward = false }: Biases = {},
): TransformerForm => ({
  architecture,
  keys,
  norm: { kind: 'rms', beta: false },
  words: 'embed_tokens.weight',
  finalNorm: 'norm',
  layer: 'layers',
  linears: {
    query: { name: 'self_attn.q_proj', bias: qkv },
    key: { name: 'self_attn.k_proj', bias: qkv },
    value: { name: 'self_attn.v_proj', bias: qkv },
    attentionOutput: { name: 'self_attn.o_proj', bias: attentionOutput },
    gate: { name: 'mlp.gate_proj', bias: feedForward },
    up: { name: 'mlp.up_proj', bias: feedForward },
    down: { name: 'mlp.down_proj', bias: feedForward },
  },
  norms: { attentionInput: 'input_layernorm', feedForwardInput: 'post_attention_layernorm' },
})
const headNorms = { query: 'self_attn.q_norm', key: 'self_attn.k_norm' }

/** Whether config.json says that tokens see those after them too. */
const seesAll = (fields: Fields) => !fields.flag('is_causal', true) || fields.flag('use_bidirectional_attention', false)

/** What a token sees: those before it, within a window of the last `window` tokens, itself among them, where there is one. */
const seen = (window: number | undefined, all: boolean): LayerAttention => ({
  ...(window !== undefined && { before: window - 1 }),
  ...(all ? window !== undefined && { after: window - 1 } : { after: 0 }),
})

function readLlama(fields: Fields, raw: JsonObject): ModelConfig {
  const bias = fields.flag('attention_bias', false)
  const biases = { qkv: bias, attentionOutput: bias, feedForward: fields.flag('mlp_bias', false) }
  return {
    family: 'llama',
    ...readSizes(fields, raw, keys, defaults),
    attention: [{ ...seen(undefined, seesAll(fields)), rope: readRope(fields, raw, { theta: 10000 }) }],
    form: llamaForm('LlamaModel', biases),
    raw,
  }
}

/** Jiang et al. 2023, arXiv:2310.06825: Llama with a window. Without a word of it the window is 4096, null switches it off. */
function readMistral(fields: Fields, raw: JsonObject): ModelConfig {
  const window = raw.sliding_window === null ? undefined : fields.count('sliding_window', 4096)
  return {
    family: 'mistral',
    ...readSizes(fields, raw, keys, defaults),
    attention: [{ ...seen(window, seesAll(fields)), rope: readRope(fields, raw, { theta: 10000 }) }],
    form: llamaForm('MistralModel'),
    raw,
  }
}

/** Qwen's window is off unless `use_sliding_window`, and then holds for the layers from `max_window_layers` on, or those that layer_types names. */
function readQwenAttention(fields: Fields, raw: JsonObject, layers: number): readonly LayerAttention[] {
  const rope = readRope(fields, raw, { theta: 10000 })
  const all = seesAll(fields)
  if (!fields.flag('use_sliding_window', false) || raw.sliding_window === null)
    return [{ ...seen(undefined, all), rope }]
  const [window, from] = [
    fields.count('sliding_window', 4096),
    fields.integer('max_window_layers', 0, Number.POSITIVE_INFINITY, 28),
  ]
  const windowed = readLayerTypes(fields, raw, layers, i => i >= from)
  return windowed.map(each => ({ ...seen(each ? window : undefined, all), rope }))
}

/** Yang et al. 2024, arXiv:2407.10671; Qwen1.5 too. */
function readQwen2(fields: Fields, raw: JsonObject): ModelConfig {
  const sizes = readSizes(fields, raw, keys, defaults)
  const attention = readQwenAttention(fields, raw, sizes.layers)
  return { family: 'qwen2', ...sizes, attention, form: llamaForm('Qwen2Model', { qkv: true }), raw }
}

/** Yang et al. 2025, arXiv:2505.09388: norms of each head's queries and keys. */
function readQwen3(fields: Fields, raw: JsonObject): ModelConfig {
  const sizes = readSizes(fields, raw, keys, { ...defaults, headSize: 128 })
  const bias = fields.flag('attention_bias', false)
  const form = llamaForm('Qwen3Model', { qkv: bias, attentionOutput: bias })
  return {
    family: 'qwen3',
    ...sizes,
    attention: readQwenAttention(fields, raw, sizes.layers),
    form: { ...form, norms: { ...form.norms, ...headNorms } },
    raw,
  }
}

/** Gemma Team 2025, arXiv:2503.19786: norms on both sides of a block, times 1 + weight; scaled embeddings; local attention in most layers. */
function readGemma3(fields: Fields, raw: JsonObject): ModelConfig {
  const gemmaKeys = { ...keys, activation: 'hidden_activation' }
  const sizes = readSizes(fields, raw, gemmaKeys, { ...defaults, activation: 'gelu_pytorch_tanh', headSize: 256 })
  const all = seesAll(fields)
  const every = fields.count('sliding_window_pattern', fields.count('_sliding_window_pattern', 6))
  const window = fields.count('sliding_window', 4096)
  // Both ways, half of the window lies on each side.
  const reach = all ? Math.floor(window / 2) + 1 : window
  const near = readRope(fields, raw, {
    layerType: 'sliding_attention',
    thetaKey: 'rope_local_base_freq',
    theta: 10000,
    scaled: false,
  })
  const far = readRope(fields, raw, { layerType: 'full_attention', theta: 1000000 })
  const local = readLayerTypes(fields, raw, sizes.layers, i => (i + 1) % every !== 0)
  const bias = fields.flag('attention_bias', false)
  const form = llamaForm('Gemma3TextModel', { qkv: bias, attentionOutput: bias })
  if (raw.attn_logit_softcapping)
    fields.problem(`attn_logit_softcapping is ${describe(raw.attn_logit_softcapping)}, only null is supported`)
  return {
    family: 'gemma3_text',
    ...sizes,
    attention: local.map(each => ({ ...seen(each ? reach : undefined, all), rope: each ? near : far })),
    attentionScale:
      1 / Math.sqrt(fields.number('query_pre_attn_scalar', Number.MIN_VALUE, Number.POSITIVE_INFINITY, 256)),
    form: {
      ...form,
      keys: gemmaKeys,
      norm: { ...form.norm, addOne: true },
      embeddingScale: Math.sqrt(sizes.hidden),
      norms: {
        attentionInput: 'input_layernorm',
        attentionOutput: 'post_attention_layernorm',
        feedForwardInput: 'pre_feedforward_layernorm',
        feedForwardOutput: 'post_feedforward_layernorm',
        ...headNorms,
      },
    },
    raw,
  }
}

export const decoders: Readonly<Record<string, FamilyReader>> = {
  llama: readLlama,
  mistral: readMistral,
  qwen2: readQwen2,
  qwen3: readQwen3,
  gemma3_text: readGemma3,
}

/** The model with every token seeing those after it too, as a decoder that becomes an encoder may (BehnamGhader et al. 2024, arXiv:2404.05961). */
export const bothWays = (config: ModelConfig): ModelConfig => ({
  ...config,
  raw: { ...config.raw, is_causal: false },
  attention: config.attention.map(({ after, ...layer }) => ({
    ...layer,
    ...(layer.before !== undefined && { after: layer.before }),
  })),
})
