// config.json: what is read, what is refused by name, and that writing gives the same model back.
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig, readConfig, supportedArchitectures, toConfigJson } from '../../src/model/config.js'
import { needs } from '../support/shared.js'
import { failure, folderWith } from '../support/temporary.js'
import { tinyJson } from '../support/tiny-bert.js'

const withJson = (changes: object) => ({ ...tinyJson, ...changes })
const problem = (changes: object): string => {
  try {
    parseConfig(withJson(changes), 'config.json')
  } catch (error) {
    return (error as Error).message
  }
  return 'accepted'
}

test('every field is read', () => {
  const { raw, form, ...config } = parseConfig(tinyJson, 'config.json')
  assert.equal(config, {
    family: 'bert',
    hidden: 6,
    layers: 2,
    heads: 2,
    intermediate: 10,
    activation: 'gelu',
    vocabulary: 11,
    maxPositions: 8,
    typeVocabulary: 2,
    normEpsilon: 1e-12,
    dropout: { embedding: 0.1, attention: 0.2, attentionOutput: 0.1, output: 0.1 },
    padId: 0,
    initializerRange: 0.02,
    attention: [{}],
  })
  assert.is(form.architecture, 'BertModel')
  assert.equal(raw, tinyJson)
})

test('activations: erf and tanh by their names, others refused with the list', () => {
  assert.is(parseConfig(withJson({ hidden_act: 'gelu_new' }), 'x').activation, 'gelu_tanh')
  assert.is(parseConfig(withJson({ hidden_act: 'gelu_pytorch_tanh' }), 'x').activation, 'gelu_tanh')
  assert.is(
    problem({ hidden_act: 'selu' }),
    'config.json: hidden_act is "selu", expected one of gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, silu, swish, relu',
  )
  assert.match(problem({ hidden_act: 'toString' }), /hidden_act is "toString"/)
})

test('an unsupported architecture is named, with those that are supported', () => {
  assert.is(
    problem({ model_type: 'mamba' }),
    `config.json names the architecture "mamba", supported: ${supportedArchitectures.join(', ')}`,
  )
  assert.match(problem({ model_type: undefined }), /names no model_type, supported: bert/)
  assert.match(problem({ model_type: 'constructor' }), /names the architecture "constructor"/)
  assert.match(problem({ model_type: 3 }), /names the architecture 3/)
})

test('missing and impossible values are named, all at once', () => {
  assert.is(
    problem({ hidden_size: undefined, num_hidden_layers: 0, vocab_size: '11', hidden_dropout_prob: 1 }),
    'config.json: hidden_size is missing, expected an integer >= 1; vocab_size is "11", expected an integer >= 1; ' +
      'num_hidden_layers is 0, expected an integer >= 1; hidden_dropout_prob is 1, expected a number in [0, 1)',
  )
  assert.is(
    problem({ num_attention_heads: 4 }),
    'config.json: hidden_size is 6, expected a multiple of num_attention_heads, which is 4',
  )
  for (const key of ['num_attention_heads', 'intermediate_size', 'max_position_embeddings'])
    for (const value of [undefined, null, 0, -1, 1.5, '4', true, 2 ** 53])
      assert.match(problem({ [key]: value }), new RegExp(`${key} is .*, expected an integer >= 1`))
  assert.match(problem({ type_vocab_size: 0 }), /type_vocab_size is 0/)
  assert.match(problem({ layer_norm_eps: -1 }), /layer_norm_eps is -1/)
  assert.match(problem({ attention_probs_dropout_prob: -0.1 }), /attention_probs_dropout_prob is -0.1/)
  assert.match(problem({ pad_token_id: 11 }), /pad_token_id is 11, expected an integer in \[0, 11\)/)
  assert.match(problem({ initializer_range: 'small' }), /initializer_range is "small"/)
  assert.match(problem({ position_embedding_type: 'relative_key' }), /position_embedding_type is "relative_key"/)
  assert.match(problem({ is_decoder: true }), /is_decoder is true/)
})

test('what BertConfig has a default for may be absent or null', () => {
  const {
    model_type,
    hidden_size,
    num_hidden_layers,
    num_attention_heads,
    intermediate_size,
    vocab_size,
    max_position_embeddings,
  } = tinyJson
  const sizes = {
    model_type,
    hidden_size,
    num_hidden_layers,
    num_attention_heads,
    intermediate_size,
    vocab_size,
    max_position_embeddings,
  }
  const config = parseConfig({ ...sizes, pad_token_id: null }, 'x')
  assert.equal(
    [
      config.activation,
      config.typeVocabulary,
      config.normEpsilon,
      config.dropout.output,
      config.dropout.attention,
      config.padId,
      config.initializerRange,
    ],
    ['gelu', 2, 1e-12, 0.1, 0.1, 0, 0.02],
  )
})

test('a file that is missing, no JSON, no object, or says a thing twice', async () => {
  assert.match(await failure(readConfig('/nowhere')), /cannot read \/nowhere\/config.json: no such file/)
  assert.match(
    await failure(readConfig(folderWith({ 'config.json': '{"model_type": ' }))),
    /config.json is not valid JSON/,
  )
  assert.match(
    await failure(readConfig(folderWith({ 'config.json': '[]' }))),
    /config.json holds \[\], expected a JSON object/,
  )
  assert.match(await failure(readConfig(folderWith({ 'config.json': '{"a":1,"a":2}' }))), /the key "a" occurs twice/)
})

test('written: what was read is kept, what is so now stands, and reading gives the same config', () => {
  const json = withJson({
    hidden_act: 'gelu_pytorch_tanh',
    architectures: ['BertForMaskedLM'],
    dtype: 'float16',
    use_cache: true,
  })
  const config = parseConfig(json, 'x')
  const written = toConfigJson(config)
  assert.equal(written, { ...json, architectures: ['BertModel'], dtype: 'float32' })
  assert.equal({ ...parseConfig(written, 'x'), raw: {} }, { ...config, raw: {} })
  const changed = toConfigJson({ ...config, layers: 1, activation: 'gelu' })
  assert.is(changed.num_hidden_layers, 1)
  assert.is(changed.hidden_act, 'gelu')
  // A new model has no file behind it; an old file has the old key.
  assert.equal({ ...parseConfig(toConfigJson({ ...config, raw: {} }), 'x'), raw: {} }, { ...config, raw: {} })
  assert.is(toConfigJson({ ...config, raw: { torch_dtype: 'float16' } }).torch_dtype, 'float32')
})

const encoders = needs('oracles/encoders')
const decoders = needs('oracles/decoders')
;(encoders && decoders ? test : test.skip)(
  'real config.json files of all families are read, and written back as they were',
  async () => {
    for (const all of [encoders, decoders])
      for (const name of readdirSync(all as string).filter(name => !name.endsWith('.md'))) {
        const json = JSON.parse(readFileSync(`${all}/${name}/config.json`, 'utf8'))
        const config = await readConfig(`${all}/${name}`)
        const { architectures: _, dtype: __, ...same } = json
        const { architectures, dtype, ...written } = toConfigJson(config)
        assert.equal(written, same, name)
        assert.equal([architectures, dtype], [[config.form.architecture], 'float32'])
      }
    const pairs = await readConfig(`${encoders}/bert-pairs`)
    assert.equal([pairs.hidden, pairs.heads, pairs.activation], [36, 3, 'gelu_tanh'])
  },
)

test.run()
