// The supported families: for each a reader of its config.json, which says in what form the one transformer stands there. Names are those of
// Hugging Face's bare models. Encoders are here, decoders in decoders.ts.
import type { Fields, JsonObject } from '../data/json.js'
import type { LayerAttention, ModelConfig, SizeKeys, TransformerForm } from './config.js'
import { decoders } from './decoders.js'
import { type Defaults, expectUsual, readLayerTypes, readSizes } from './reading.js'
import { readRope } from './rope.js'

export type FamilyReader = (fields: Fields, raw: JsonObject) => ModelConfig

const bertKeys: SizeKeys = {
  hidden: 'hidden_size',
  layers: 'num_hidden_layers',
  heads: 'num_attention_heads',
  intermediate: 'intermediate_size',
  activation: 'hidden_act',
  vocabulary: 'vocab_size',
  positions: 'max_position_embeddings',
  types: 'type_vocab_size',
  epsilon: 'layer_norm_eps',
  pad: 'pad_token_id',
  range: 'initializer_range',
  dropout: {
    embedding: 'hidden_dropout_prob',
    attention: 'attention_probs_dropout_prob',
    attentionOutput: 'hidden_dropout_prob',
    output: 'hidden_dropout_prob',
  },
}
const bertDefaults: Defaults = { activation: 'gelu', epsilon: 1e-12, dropout: 0.1, types: 2, pad: 0 }

/** Devlin et al. 2019, arXiv:1810.04805: a norm after each residual sum, biases everywhere. */
const bertForm: TransformerForm = {
  architecture: 'BertModel',
  keys: bertKeys,
  norm: { kind: 'layer', beta: true },
  words: 'embeddings.word_embeddings.weight',
  positions: { table: 'embeddings.position_embeddings.weight', offset: 0 },
  types: 'embeddings.token_type_embeddings.weight',
  embeddingNorm: 'embeddings.LayerNorm',
  layer: 'encoder.layer',
  linears: {
    query: { name: 'attention.self.query', bias: true },
    key: { name: 'attention.self.key', bias: true },
    value: { name: 'attention.self.value', bias: true },
    attentionOutput: { name: 'attention.output.dense', bias: true },
    up: { name: 'intermediate.dense', bias: true },
    down: { name: 'output.dense', bias: true },
  },
  norms: { attentionSum: 'attention.output.LayerNorm', feedForwardSum: 'output.LayerNorm' },
}
const everywhere: readonly LayerAttention[] = [{}]

function readBert(fields: Fields, raw: JsonObject): ModelConfig {
  expectUsual(fields, raw, { position_embedding_type: 'absolute', is_decoder: false })
  return {
    family: 'bert',
    ...readSizes(fields, raw, bertKeys, bertDefaults),
    attention: everywhere,
    form: bertForm,
    raw,
  }
}

/** RoBERTa (Liu et al. 2019, arXiv:1907.11692) and its like: BERT whose positions start behind the pad id, and skip pad tokens. */
const readRoberta =
  (family: string, architecture: string): FamilyReader =>
  (fields, raw) => {
    const bert = readBert(fields, raw)
    const padId = fields.integer('pad_token_id', 0, bert.vocabulary, 1)
    return {
      ...withOffset(fields, bert, padId),
      family,
      form: { ...bertForm, architecture, positions: { ...bertForm.positions!, offset: padId + 1, skip: padId } },
    }
  }

/** max_position_embeddings counts the rows of the table, of which the first ones are no positions. */
function withOffset(fields: Fields, sizes: ModelConfig, padId: number): ModelConfig {
  const maxPositions = sizes.maxPositions - padId - 1
  if (maxPositions < 1)
    fields.problem(
      `max_position_embeddings is ${sizes.maxPositions}, expected more than pad_token_id + 1 = ${padId + 1}`,
    )
  return { ...sizes, padId, maxPositions }
}

/** Sanh et al. 2019, arXiv:1910.01108: no token types, and no dropout of the attention's output. */
function readDistilbert(fields: Fields, raw: JsonObject): ModelConfig {
  const { types, epsilon, ...common } = bertKeys
  const keys: SizeKeys = {
    ...common,
    ...{ hidden: 'dim', layers: 'n_layers', heads: 'n_heads', intermediate: 'hidden_dim', activation: 'activation' },
    dropout: { embedding: 'dropout', attention: 'attention_dropout', output: 'dropout' },
  }
  const { types: _, ...form } = bertForm
  return {
    family: 'distilbert',
    ...readSizes(fields, raw, keys, bertDefaults),
    attention: everywhere,
    form: {
      ...form,
      architecture: 'DistilBertModel',
      keys,
      layer: 'transformer.layer',
      linears: {
        query: { name: 'attention.q_lin', bias: true },
        key: { name: 'attention.k_lin', bias: true },
        value: { name: 'attention.v_lin', bias: true },
        attentionOutput: { name: 'attention.out_lin', bias: true },
        up: { name: 'ffn.lin1', bias: true },
        down: { name: 'ffn.lin2', bias: true },
      },
      norms: { attentionSum: 'sa_layer_norm', feedForwardSum: 'output_layer_norm' },
    },
    raw,
  }
}

/** Song et al. 2020, arXiv:2004.09297: BERT without token types, with a bias by relative position. Its positions start at 2 whatever the pad id. */
function readMpnet(fields: Fields, raw: JsonObject): ModelConfig {
  const { types, ...keys } = bertKeys
  const { types: _, ...form } = bertForm
  const sizes = readSizes(fields, raw, keys, { ...bertDefaults, pad: 1 })
  const buckets = fields.count('relative_attention_num_buckets', 32)
  return {
    ...withOffset(fields, { family: 'mpnet', ...sizes, attention: everywhere, form: bertForm, raw }, 1),
    padId: sizes.padId ?? 1,
    form: {
      ...form,
      architecture: 'MPNetModel',
      keys,
      positions: { ...form.positions!, offset: 2, skip: 1 },
      relative: { table: 'encoder.relative_attention_bias.weight', buckets, maxDistance: 128 },
      linears: {
        query: { name: 'attention.attn.q', bias: true },
        key: { name: 'attention.attn.k', bias: true },
        value: { name: 'attention.attn.v', bias: true },
        attentionOutput: { name: 'attention.attn.o', bias: true },
        up: { name: 'intermediate.dense', bias: true },
        down: { name: 'output.dense', bias: true },
      },
      norms: { attentionSum: 'attention.LayerNorm', feedForwardSum: 'output.LayerNorm' },
    },
  }
}

/** Warner et al. 2024, arXiv:2412.13663: norms before the blocks, rotary positions, local attention in most layers, a gated GELU, no biases. */
function readModernbert(fields: Fields, raw: JsonObject): ModelConfig {
  const { types, ...common } = bertKeys
  const keys: SizeKeys = {
    ...common,
    activation: 'hidden_activation',
    epsilon: 'norm_eps',
    dropout: {
      embedding: 'embedding_dropout',
      attention: 'attention_dropout',
      attentionOutput: 'attention_dropout',
      inner: 'mlp_dropout',
    },
  }
  const sizes = readSizes(fields, raw, keys, {
    activation: 'gelu',
    gated: true,
    epsilon: 1e-5,
    dropout: 0,
  })
  const [attentionBias, innerBias] = [fields.flag('attention_bias', false), fields.flag('mlp_bias', false)]
  const every = fields.count('global_attn_every_n_layers', 3)
  const reach = Math.floor(fields.count('local_attention', 128) / 2)
  const far = {
    rope: readRope(fields, raw, { layerType: 'full_attention', thetaKey: 'global_rope_theta', theta: 160000 }),
  }
  const rope = readRope(fields, raw, { layerType: 'sliding_attention', thetaKey: 'local_rope_theta', theta: 10000 })
  const near = { before: reach, after: reach, rope }
  const local = readLayerTypes(fields, raw, sizes.layers, i => i % every !== 0)
  return {
    family: 'modernbert',
    ...sizes,
    attention: local.map(each => (each ? near : far)),
    form: {
      architecture: 'ModernBertModel',
      keys,
      norm: { kind: 'layer', beta: fields.flag('norm_bias', false) },
      words: 'embeddings.tok_embeddings.weight',
      embeddingNorm: 'embeddings.norm',
      finalNorm: 'final_norm',
      layer: 'layers',
      linears: {
        qkv: { name: 'attn.Wqkv', bias: attentionBias },
        attentionOutput: { name: 'attn.Wo', bias: attentionBias },
        gateUp: { name: 'mlp.Wi', bias: innerBias },
        down: { name: 'mlp.Wo', bias: innerBias },
      },
      norms: { attentionInput: 'attn_norm', feedForwardInput: 'mlp_norm' },
      firstInputPlain: true,
    },
    raw,
  }
}

export const families: Readonly<Record<string, FamilyReader>> = {
  bert: readBert,
  roberta: readRoberta('roberta', 'RobertaModel'),
  'xlm-roberta': readRoberta('xlm-roberta', 'XLMRobertaModel'),
  camembert: readRoberta('camembert', 'CamembertModel'),
  distilbert: readDistilbert,
  mpnet: readMpnet,
  modernbert: readModernbert,
  ...decoders,
}

/** Bare models have none; those with heads put their family's before the encoder's names. */
/** What models with heads put before the bare model's names. */
export const modelPrefix = /^(?:bert|roberta|distilbert|mpnet|model)\./

/** A tensor's name in the bare model: without the prefix, and not as TensorFlow's checkpoints have it, gamma and beta. */
export const canonicalName = (name: string): string =>
  name
    .replace(modelPrefix, '')
    .replace(/\bLayerNorm\.gamma$/, 'LayerNorm.weight')
    .replace(/\bLayerNorm\.beta$/, 'LayerNorm.bias')
