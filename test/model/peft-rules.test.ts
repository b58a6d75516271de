// PEFT's rules: which layers a config means, what its patterns say about them, and what is refused.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isTargeted, patternValue, refuseUnsupported } from '../../src/model/peft-rules.js'
import { linearLayers } from '../../src/model/tensors.js'
import { tinyConfig } from '../support/tiny-bert.js'

const layer = (i: number, part: string) => `encoder.layer.${i}.${part}`
const query = (i: number) => layer(i, 'attention.self.query')
const value = (i: number) => layer(i, 'attention.self.value')

test('target_modules: suffixes, full names, one regular expression, all-linear', () => {
  const chosen = (rule: object) =>
    linearLayers(tinyConfig)
      .map(each => each.name)
      .filter(name => isTargeted(rule, name, 'x'))
  assert.equal(chosen({ target_modules: ['query'] }), [query(0), query(1)])
  assert.equal(chosen({ target_modules: ['uery'] }), [], 'a suffix begins at a dot')
  assert.equal(chosen({ target_modules: ['self.query', value(1)] }), [query(0), query(1), value(1)])
  assert.equal(chosen({ target_modules: '.*query' }), [query(0), query(1)])
  assert.equal(chosen({ target_modules: 'query' }), [], 'a regular expression is matched whole')
  assert.equal(chosen({ target_modules: 'encoder|.*\\.1\\.output.dense' }), [layer(1, 'output.dense')])
  assert.equal(chosen({ target_modules: '\\A.*(?P<part>query|value)\\Z' }).length, 4)
  assert.is(chosen({ target_modules: 'all-linear' }).length, 12)
  assert.equal(chosen({ target_modules: '.*query', exclude_modules: '.*\\.0\\..*' }), [query(1)])
  assert.equal(chosen({ target_modules: ['query'], exclude_modules: [query(1)] }), [query(0)])
  assert.equal(chosen({ target_modules: ['query'], layers_to_transform: 0 }), [query(0)])
  assert.equal(chosen({ target_modules: ['query'], layers_to_transform: [1], layers_pattern: 'layer' }), [query(1)])
  assert.equal(chosen({ target_modules: ['query'], layers_to_transform: [1], layers_pattern: ['h'] }), [])
  assert.equal(
    chosen({ target_modules: ['query', value(0)], layers_to_transform: [1] }),
    [value(0), query(1)],
    'a full name stands for itself',
  )
  assert.throws(
    () => chosen({ target_modules: '(' }),
    /x: target_modules: "\(" is not understood as a regular expression/,
  )
  assert.throws(() => chosen({}), /x: target_modules is undefined, expected a list/)
  assert.throws(() => chosen({ target_modules: [1] }), /target_modules is \[1\]/)
})

test('patterns: the first matching key in file order, as suffix, full name or regular expression', () => {
  const rank = (pattern: unknown, name: string) => patternValue(pattern, name, 2, 'x')
  assert.is(rank({ query: 5, [query(0)]: 3 }, query(0)), 5)
  assert.is(rank({ [query(0)]: 3, query: 5 }, query(0)), 3)
  assert.is(rank({ [query(0)]: 3, query: 5 }, query(1)), 5)
  assert.is(rank({ 'layer\\.[1-3]\\.attention\\.self\\.query': 7 }, query(1)), 7)
  assert.is(rank({ 'layer\\.[1-3]\\.attention\\.self\\.query': 7 }, query(0)), 2)
  assert.is(rank({ uery: 7, 'attention.self': 7, '^query': 7 }, query(0)), 2)
  assert.is(rank({ '^encoder.layer.0.attention.self.query': 7 }, query(0)), 7)
  for (const none of [undefined, null, {}]) assert.is(rank(none, query(0)), 2)
  assert.throws(() => rank({ query: 0 }, query(0)), /x: "query" is 0, expected a number > 0/)
  assert.throws(() => rank(['query'], query(0)), /x is \["query"\], expected an object/)
})

test('settings that are not implemented are refused by name, unknown ones pass', () => {
  const refused = (config: object) => {
    try {
      refuseUnsupported({ peft_type: 'LORA', ...config }, 'x')
    } catch (error) {
      return (error as Error).message
    }
    return ''
  }
  assert.is(
    refused({ use_qalora: true, lora_bias: true }),
    'x asks for what is not supported: lora_bias is true; use_qalora is true',
  )
  assert.match(refused({ layer_replication: [[0, 4]] }), /layer_replication is \[\[0,4\]\]/)
  assert.match(refused({ bias: 'all' }), /bias is "all", expected "none"/)
  assert.match(
    refused({ init_lora_weights: 'pissa_niter_4' }),
    /init_lora_weights is "pissa_niter_4", which alters the base model/,
  )
  assert.match(refused({ peft_type: 'IA3' }), /peft_type is "IA3", the only supported one is "LORA"/)
  assert.match(refused({ peft_type: undefined }), /peft_type is undefined/)
  assert.is(
    refused({
      use_dora: false,
      layer_replication: null,
      modules_to_save: [],
      loftq_config: {},
      init_lora_weights: 'gaussian',
      qalora_group_size: 16,
      tomorrow: true,
    }),
    '',
  )
})

test.run()
