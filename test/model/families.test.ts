// config.json of each family: old words and new ones say the same, defaults are the family's, and what is not supported is named.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type ModelConfig, parseConfig } from '../../src/model/config.js'
import { bothWays } from '../../src/model/decoders.js'
import { canonicalName } from '../../src/model/families.js'
import { ropeFrequencies, ropeTable } from '../../src/model/rope.js'
import { expectedTensors, linearLayers } from '../../src/model/tensors.js'

const sizes = {
  hidden_size: 32,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  intermediate_size: 48,
  vocab_size: 100,
  max_position_embeddings: 64,
}
const read = (type: string, changes: object = {}) =>
  parseConfig({ model_type: type, ...sizes, ...changes }, 'config.json')
const same = (a: ModelConfig, b: ModelConfig) => assert.equal({ ...a, raw: {} }, { ...b, raw: {} })
const problem = (type: string, changes: object): string => {
  try {
    read(type, changes)
  } catch (error) {
    return (error as Error).message
  }
  return 'accepted'
}

test('RoBERTa and MPNet: positions behind the padding, out of those that the table has', () => {
  const roberta = read('roberta', { pad_token_id: 1 })
  assert.equal([roberta.maxPositions, roberta.form.positions?.offset, roberta.form.positions?.skip], [62, 2, 1])
  const shapes = new Map(expectedTensors(roberta).map(({ name, shape }) => [name, shape]))
  assert.equal(shapes.get('embeddings.position_embeddings.weight'), [64, 32])
  assert.equal(read('xlm-roberta').maxPositions, 62)
  const mpnet = read('mpnet', { pad_token_id: 5 })
  assert.equal([mpnet.maxPositions, mpnet.form.positions?.offset, mpnet.padId], [62, 2, 5])
  assert.match(problem('roberta', { max_position_embeddings: 2 }), /max_position_embeddings is 2, expected more than/)
})

test('rotations: the new words and the old ones', () => {
  const llama3 = { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 16 }
  const fresh = read('llama', { rope_parameters: { rope_type: 'llama3', rope_theta: 500, ...llama3 } })
  same(fresh, read('llama', { rope_theta: 500, rope_scaling: { rope_type: 'llama3', ...llama3 } }))
  same(fresh, read('llama', { rope_theta: 500, rope_scaling: { type: 'llama3', ...llama3 } }))
  const [scaled, plain] = [fresh.attention[0]!.rope!, { theta: 500 }].map(rope => ropeFrequencies(rope, 8))
  // Wavelengths 6 and 30 of a context of 16 lie above its quarter: one half-way in the bands, the longer ones wholly stretched.
  assert.ok(scaled![3]! === plain![3]! / 8 && scaled![2]! === plain![2]! / 8 && scaled![0]! < plain![0]!)

  const nested = { full_attention: { rope_theta: 7 }, sliding_attention: { rope_theta: 5 } }
  const modern = read('modernbert', { rope_parameters: nested })
  same(modern, read('modernbert', { global_rope_theta: 7, local_rope_theta: 5 }))
  assert.equal(
    modern.attention.map(({ rope }) => rope!.theta),
    [7, 5, 5, 7],
  )
  same(
    read('gemma3_text', { rope_parameters: nested }),
    read('gemma3_text', { rope_theta: 7, rope_local_base_freq: 5 }),
  )
  const linear = read('gemma3_text', {
    rope_scaling: { rope_type: 'linear', factor: 8 },
    layer_types: fourTypes('fsss'),
  })
  assert.equal(linear.attention[0]!.rope, { theta: 1e6, scaling: { kind: 'linear', factor: 8 } })
  assert.equal(linear.attention[1]!.rope, { theta: 1e4 })
})

test('a rotation that is not supported, or not whole, is named', () => {
  assert.match(
    problem('llama', { rope_scaling: { rope_type: 'yarn', factor: 4 } }),
    /rope_scaling.rope_type is "yarn", expected one of default, linear, llama3/,
  )
  assert.match(
    problem('qwen3', { rope_parameters: { rope_type: 'llama3', factor: 'x' } }),
    /rope_parameters.factor is "x", expected a number > 0; rope_parameters.low_freq_factor is missing/,
  )
  assert.match(problem('mistral', { rope_theta: -1 }), /rope_theta is -1, expected a number > 0/)
  assert.match(problem('llama', { partial_rotary_factor: 0.5 }), /partial_rotary_factor is 0.5, only 1/)
})

const fourTypes = (letters: string) =>
  [...letters].map(letter => (letter === 's' ? 'sliding_attention' : 'full_attention'))
const windows = (config: ModelConfig) =>
  Array.from({ length: 4 }, (_, i) => (config.attention[i] ?? config.attention[0]!).before)

test('windows: Mistral has one unless null, Qwen none unless asked for', () => {
  assert.equal(windows(read('mistral'))[0], 4095)
  assert.equal(windows(read('mistral', { sliding_window: 8 }))[3], 7)
  assert.equal(windows(read('mistral', { sliding_window: null })), [undefined, undefined, undefined, undefined])
  const qwen = { sliding_window: 6, max_window_layers: 2 }
  assert.equal(windows(read('qwen2', qwen))[3], undefined)
  assert.equal(windows(read('qwen2', { ...qwen, use_sliding_window: true })), [undefined, undefined, 5, 5])
  const named = { ...qwen, use_sliding_window: true, layer_types: fourTypes('sfsf') }
  assert.equal(windows(read('qwen3', named)), [5, undefined, 5, undefined])
  assert.equal(windows(read('gemma3_text', { sliding_window: 7, sliding_window_pattern: 2 })), [
    6,
    undefined,
    6,
    undefined,
  ])
  assert.equal(windows(read('modernbert', { local_attention: 12 })), [undefined, 6, 6, undefined])
  assert.match(
    problem('qwen3', { ...named, layer_types: ['full'] }),
    /layer_types is \["full"\], expected 4 times one of/,
  )
  for (const type of ['llama', 'mistral', 'qwen2', 'qwen3', 'gemma3_text'])
    assert.ok(
      read(type).attention.every(({ after }) => after === 0),
      `${type} looks back only`,
    )
})

test('decoders may see both ways: by config.json, or by the caller', () => {
  const both = read('mistral', { sliding_window: 8, is_causal: false })
  assert.equal([both.attention[0]!.before, both.attention[0]!.after], [7, 7])
  same(both, bothWays(read('mistral', { sliding_window: 8 })))
  assert.is(bothWays(read('llama')).attention[0]!.after, undefined)
  const gemma = read('gemma3_text', {
    sliding_window: 512,
    sliding_window_pattern: 4,
    use_bidirectional_attention: true,
  })
  assert.equal([gemma.attention[0]!.before, gemma.attention[0]!.after], [256, 256])
  assert.equal(gemma.attention.at(-1)!.after, undefined)
})

test('heads: grouped, of a size of their own, and what cannot be', () => {
  const grouped = read('llama', { num_key_value_heads: 2 })
  const layers = new Map(linearLayers(grouped).map(({ name, outputs, inputs }) => [name, [outputs, inputs]]))
  assert.equal(layers.get('layers.3.self_attn.k_proj'), [16, 32])
  assert.is(layers.size, 4 * 7)
  assert.is(read('qwen3').headSize, 128, 'Qwen3 has heads of 128 where nothing is said')
  assert.is(read('llama', { head_dim: 8 }).headSize, undefined)
  assert.match(problem('llama', { num_key_value_heads: 3 }), /num_attention_heads is 4, expected a multiple of num_key/)
  assert.match(problem('llama', { num_attention_heads: 5 }), /hidden_size is 32, expected a multiple of num_attention/)
})

test('biases and activations', () => {
  const biases = (type: string, changes = {}) =>
    expectedTensors(read(type, changes)).filter(({ name }) => name.startsWith('layers.0.') && name.endsWith('bias'))
      .length
  assert.equal(
    [biases('llama'), biases('llama', { attention_bias: true }), biases('llama', { mlp_bias: true })],
    [0, 4, 3],
  )
  assert.equal([biases('qwen2'), biases('qwen3'), biases('modernbert')], [3, 0, 0])
  assert.match(
    problem('llama', { hidden_act: 'relu' }),
    /hidden_act is "relu", expected one of gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, silu, swish$/,
  )
  assert.match(problem('gemma3_text', { attn_logit_softcapping: 50 }), /attn_logit_softcapping is 50/)
})

test('names of models with heads', () => {
  for (const [name, bare] of [
    ['roberta.encoder.layer.0.output.LayerNorm.weight', 'encoder.layer.0.output.LayerNorm.weight'],
    ['distilbert.embeddings.LayerNorm.weight', 'embeddings.LayerNorm.weight'],
    ['mpnet.encoder.relative_attention_bias.weight', 'encoder.relative_attention_bias.weight'],
    ['model.layers.0.self_attn.q_proj.weight', 'layers.0.self_attn.q_proj.weight'],
    ['model.embed_tokens.weight', 'embed_tokens.weight'],
  ])
    assert.is(canonicalName(name!), bare)
})

test('tables of rotations are exact far out, and grow', () => {
  const rope = { theta: 10000 }
  const short = ropeTable(rope, 4, 3)
  assert.equal(
    Array.from(short.subarray(4, 8)),
    [Math.cos(1), Math.cos(0.01), Math.sin(1), Math.sin(0.01)].map(Math.fround),
  )
  const long = ropeTable(rope, 4, 131072)
  assert.is(long[131071 * 4], Math.fround(Math.cos(131071)))
  assert.equal(Array.from(long.subarray(0, 12)), Array.from(short))
})

test.run()
