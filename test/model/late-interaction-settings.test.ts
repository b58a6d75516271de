// Late-interaction folders in three spellings, as plain data, and what is refused by name.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig } from '../../src/model/config.js'
import { readSentenceSettings } from '../../src/model/sentence-transformers.js'
import { failure, folderWith } from '../support/temporary.js'
import { tinyJson } from '../support/tiny-bert.js'

const config = parseConfig({ ...tinyJson, max_position_embeddings: 64 }, 'x')
const read = async (files: Record<string, unknown>) => {
  const texts = Object.entries(files).map(([name, json]) => [name, JSON.stringify(json)])
  return (await readSentenceSettings(folderWith(Object.fromEntries(texts)), config)).lateInteraction
}

const dense = { in_features: 6, out_features: 4, bias: false, activation_function: 'torch.nn.modules.linear.Identity' }
const modules = (...types: string[]) =>
  types.map((type, idx) => ({ idx, path: idx === 0 ? '' : `${idx}_${type.split('.').at(-1)}`, type }))
const [transformer, v6] = ['sentence_transformers.models.Transformer', 'sentence_transformers.base.modules.x.']

const pylate = (settings: object) => ({
  'modules.json': modules(transformer, 'pylate.models.Dense.Dense'),
  '1_Dense/config.json': dense,
  'config_sentence_transformers.json': { model_type: 'ColBERT', similarity_fn_name: 'MaxSim', ...settings },
})

test('PyLate: its defaults, and its keys', async () => {
  const plain = (await read(pylate({})))!
  assert.equal(
    [
      plain.queryMarker,
      plain.documentMarker,
      plain.queryLength,
      plain.documentLength,
      plain.expansion,
      plain.normalize,
    ],
    ['[Q] ', '[D] ', 32, 180, { strategy: 'fixed', length: 32, attend: false }, true],
  )
  assert.is(plain.skipWords.length, 32)
  assert.equal(plain.projection, [{ path: '1_Dense', inputs: 6, outputs: 4, bias: false, activation: 'identity' }])
  const own = (await read(
    pylate({ query_length: 8, do_query_expansion: false, skiplist_words: ['.'], query_prefix: '' }),
  ))!
  assert.equal([own.queryLength, own.expansion, own.skipWords, own.queryMarker], [8, undefined, ['.'], ''])
  assert.match(await failure(read(pylate({ query_length: 0 }))), /query_length is 0, expected an integer >= 1/)
  assert.match(await failure(read(pylate({ similarity_fn_name: 'XTR' }))), /the similarity "XTR" is not supported/)
})

const sentence = (bert: object, mask: object = {}) => ({
  'modules.json': modules(transformer, `${v6}Dense`, `${v6}MultiVectorMask`, `${v6}Normalize`),
  '1_Dense/config.json': { ...dense, module_input_name: 'token_embeddings' },
  '2_MultiVectorMask/config.json': mask,
  'sentence_bert_config.json': bert,
  'config_sentence_transformers.json': { prompts: { query: '[Q]', document: '[D]' }, similarity_fn_name: null },
})

test('sentence-transformers 6: lengths, expansion and skip list lie in three files', async () => {
  const settings = (await read(
    sentence(
      { document_length: 20, query_expansion: { strategy: 'min', length: 9, attend: true, token: '[X]' } },
      { skiplist_words: ['!'], skiplist_tasks: ['query', 'document'] },
    ),
  ))!
  assert.equal(settings.expansion, { strategy: 'min', length: 9, attend: true, token: '[X]' })
  assert.equal([settings.documentLength, settings.queryMarker, settings.documentMarker], [20, '[Q]', '[D]'])
  assert.equal([settings.skipWords, settings.skipIn], [['!'], ['query', 'document']])
  const none = (await read(sentence({})))!
  assert.equal([none.expansion, none.queryLength, none.documentLength, none.skipWords], [undefined, 64, 64, []])
  const failing = (bert: object, mask?: object) => failure(read(sentence(bert, mask)))
  assert.match(await failing({ query_expansion: { strategy: 'most', length: 3 } }), /strategy is "most"/)
  assert.match(await failing({ query_expansion: { strategy: 'min' } }), /length is missing/)
  assert.match(await failing({}, { keep_only_token_ids: [3] }), /keep_only_token_ids is set/)
  assert.match(await failing({}, { skiplist_tasks: ['title'] }), /skiplist_tasks holds "title"/)
})

test('Stanford: artifact.metadata', async () => {
  const settings = (await read({
    'artifact.metadata': { dim: 5, query_maxlen: 12, doc_maxlen: 50, mask_punctuation: false },
  }))!
  assert.equal(settings.projection, [{ path: '', inputs: 6, outputs: 5, bias: false, activation: 'identity' }])
  assert.equal([settings.queryLength, settings.documentLength, settings.skipWords], [12, 50, []])
  assert.equal([settings.queryMarker, settings.documentMarker], ['[unused0]', '[unused1]'])
  assert.match(await failure(read({ 'artifact.metadata': { similarity: 'l2' } })), /similarity is "l2"/)
})

test.run()
