// The settings of a sentence-transformers folder: both spellings, what is refused by name, and writing.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig, readConfig } from '../../src/model/config.js'
import type { LateInteractionSettings } from '../../src/model/late-interaction-settings.js'
import { plainSettings, readSentenceSettings, type SentenceSettings } from '../../src/model/sentence-transformers.js'
import { writeSentenceSettings } from '../../src/model/sentence-writing.js'
import { needs } from '../support/shared.js'
import { failure, folderWith, temporaryFolder } from '../support/temporary.js'
import { tinyJson } from '../support/tiny-bert.js'

const config = parseConfig({ ...tinyJson, max_position_embeddings: 64 }, 'x')
const read = (files: Record<string, unknown>) =>
  readSentenceSettings(
    folderWith(Object.fromEntries(Object.entries(files).map(([name, json]) => [name, JSON.stringify(json)]))),
    config,
  )

const old = 'sentence_transformers.models.'
const modules = (...list: [type: string, path: string][]) =>
  list.map(([type, path], idx) => ({ idx, name: String(idx), path, type }))
const meanFiles = {
  'modules.json': modules([`${old}Transformer`, ''], [`${old}Pooling`, '1_Pooling']),
  '1_Pooling/config.json': { word_embedding_dimension: 6, pooling_mode_mean_tokens: true },
}

test('a plain folder: mean, not normalised, the tokenizer’s length within the positions', async () => {
  assert.equal(await read({}), plainSettings(64))
  assert.equal(await read({ 'tokenizer_config.json': { model_max_length: 48 } }), plainSettings(48))
  assert.equal(await read({ 'tokenizer_config.json': { model_max_length: 1e30 } }), plainSettings(64))
  assert.equal(await read({ 'tokenizer_config.json': {} }), plainSettings(64))
  assert.match(await failure(read({ 'tokenizer_config.json': { model_max_length: 0 } })), /model_max_length is 0/)
})

test('max_seq_length wins over the tokenizer and its truncation, but not over the number of positions', async () => {
  const others = {
    'tokenizer_config.json': { model_max_length: 48 },
    'tokenizer.json': { truncation: { max_length: 7 } },
  }
  const length = async (sentence: object) =>
    (await read({ ...meanFiles, ...others, 'sentence_bert_config.json': sentence })).maxLength
  assert.is(await length({ max_seq_length: 12 }), 12)
  assert.is(await length({ max_seq_length: 60 }), 60)
  assert.is(await length({ max_seq_length: 512 }), 64)
  assert.is(await length({ max_seq_length: null }), 48)
  assert.is(await length({ transformer_task: 'feature-extraction' }), 48)
  assert.match(await failure(length({ max_seq_length: -1 })), /sentence_bert_config.json: max_seq_length is -1/)
  assert.is((await read({ ...meanFiles, 'sentence_bert_config.json': { do_lower_case: true } })).doLowerCase, true)
})

test('pooling in both spellings', async () => {
  const pooling = async (json: object) => (await read({ ...meanFiles, '1_Pooling/config.json': json })).pooling
  const legacy = { word_embedding_dimension: 6 }
  const now = { embedding_dimension: 6 }
  assert.equal(await pooling(legacy), ['mean'])
  assert.equal(await pooling({ ...legacy, pooling_mode_cls_token: true, pooling_mode_mean_tokens: false }), ['cls'])
  assert.equal(await pooling({ ...legacy, pooling_mode_mean_tokens: true, pooling_mode_cls_token: true }), [
    'cls',
    'mean',
  ])
  assert.equal(await pooling({ ...now, pooling_mode: 'cls' }), ['cls'])
  assert.equal(await pooling({ ...now, pooling_mode: ['mean', 'cls'] }), ['mean', 'cls'])
  for (const mode of ['max', 'lasttoken', 'weightedmean', 'mean_sqrt_len_tokens'])
    assert.equal(await pooling({ ...now, pooling_mode: mode }), [mode])
  const every = {
    cls_token: 0,
    max_tokens: 1,
    mean_tokens: 2,
    mean_sqrt_len_tokens: 3,
    weightedmean_tokens: 4,
    lasttoken: 5,
  }
  const flags = Object.keys(every)
    .reverse()
    .map(key => [`pooling_mode_${key}`, true])
  assert.equal(
    await pooling({ ...legacy, ...Object.fromEntries(flags) }),
    ['cls', 'max', 'mean', 'mean_sqrt_len_tokens', 'weightedmean', 'lasttoken'],
    'booleans have no order of their own',
  )
  assert.match(
    await failure(pooling({ ...now, pooling_mode: 'median' })),
    /the pooling mode "median" is not supported; supported: mean, cls, max/,
  )
  assert.match(
    await failure(pooling({ ...legacy, pooling_mode_mean_tokens: false })),
    /switches every pooling mode off/,
  )
  assert.match(
    await failure(pooling({ ...legacy, pooling_mode_mean_tokens: 1 })),
    /pooling_mode_mean_tokens is 1, expected true or false/,
  )
  assert.match(await failure(pooling({ ...now, pooling_mode: [1] })), /pooling_mode is \[1\]/)
  assert.match(
    await failure(pooling({ word_embedding_dimension: 7 })),
    /word_embedding_dimension is 7, but the transformer's hidden_size is 6/,
  )
  assert.match(await failure(pooling({})), /word_embedding_dimension is missing/)
  assert.is(
    (await read({ ...meanFiles, '1_Pooling/config.json': { ...now, include_prompt: false } })).includePrompt,
    false,
  )
})

test('modules: their order, their types and their paths', async () => {
  const settings = (...list: [string, string][]) => read({ ...meanFiles, 'modules.json': modules(...list) })
  const [transformer, pooling] = [
    [`${old}Transformer`, ''] as [string, string],
    [`${old}Pooling`, '1_Pooling'] as [string, string],
  ]
  assert.is((await settings(transformer, pooling)).normalize, false)
  assert.is((await settings(transformer, pooling, [`${old}Normalize`, '2_Normalize'])).normalize, true)
  const now = await settings(
    ['sentence_transformers.base.modules.transformer.Transformer', ''],
    ['sentence_transformers.sentence_transformer.modules.pooling.Pooling', '1_Pooling'],
    ['sentence_transformers.base.modules.normalize.Normalize', '2_Normalize'],
  )
  assert.equal([now.pooling, now.normalize], [['mean'], true])
  assert.match(
    await failure(settings(transformer, pooling, [`${old}CNN`, '2_CNN'])),
    /the module type "CNN" is not supported; supported: Transformer, Pooling, Dense, Normalize/,
  )
  assert.match(
    await failure(settings(transformer, pooling, ['custom.Normalize', '2'])),
    /the module type "custom.Normalize" is not supported/,
  )
  assert.match(await failure(settings(transformer)), /lists the modules Transformer, expected Transformer, Pooling/)
  assert.match(await failure(settings()), /lists the modules \(none\)/)
  assert.match(
    await failure(settings(transformer, [`${old}Normalize`, ''], pooling)),
    /lists the modules Transformer, Normalize, Pooling/,
  )
  assert.match(
    await failure(settings([`${old}Transformer`, '0_Transformer'], pooling)),
    /the transformer lies in "0_Transformer"/,
  )
  for (const path of ['../1_Pooling', '/etc', 'a/../../b', 'C:\\x', '\\\\host'])
    assert.match(
      await failure(settings(transformer, [`${old}Pooling`, path])),
      /module 1 has the path .*expected one inside the folder/,
    )
  assert.match(
    await failure(read({ ...meanFiles, 'modules.json': {} })),
    /modules.json holds \{\}, expected a list of modules/,
  )
  assert.match(
    await failure(read({ ...meanFiles, 'modules.json': [{ idx: 0 }] })),
    /module 0: type is missing.*path is missing/,
  )
  assert.match(
    await failure(read({ 'modules.json': meanFiles['modules.json'] })),
    /cannot read .*1_Pooling\/config.json: no such file/,
  )
})

test('prompts and similarity', async () => {
  const use = (json: object) => read({ ...meanFiles, 'config_sentence_transformers.json': json })
  const settings = await use({
    prompts: { query: 'q: ', document: '' },
    default_prompt_name: 'query',
    similarity_fn_name: 'dot',
  })
  assert.equal(
    [settings.prompts, settings.defaultPromptName, settings.similarity],
    [{ query: 'q: ', document: '' }, 'query', 'dot'],
  )
  const none = await use({ prompts: {}, default_prompt_name: null, similarity_fn_name: null })
  assert.equal([none.prompts, none.defaultPromptName, none.similarity], [{}, undefined, 'cosine'])
  assert.match(
    await failure(use({ prompts: { query: 'q' }, default_prompt_name: 'passage' })),
    /default_prompt_name is "passage", but prompts has only query/,
  )
  assert.match(await failure(use({ default_prompt_name: 'constructor' })), /prompts has only no entries/)
  for (const name of ['euclidean', 'manhattan'] as const)
    assert.is((await use({ similarity_fn_name: name })).similarity, name)
  assert.is((await use({ similarity_fn_name: 'dot_product' })).similarity, 'dot')
  assert.match(await failure(use({ prompts: { query: 1 } })), /prompts is \{"query":1\}, expected an object of strings/)
  assert.match(
    await failure(use({ similarity_fn_name: 'jaccard' })),
    /the similarity "jaccard" is not supported; supported: cosine, dot, euclidean, manhattan/,
  )
})

const json = (path: string) => JSON.parse(readFileSync(path, 'utf8'))

test('written in the legacy keys, and read back the same', async () => {
  const settings: SentenceSettings = {
    pooling: ['cls'],
    includePrompt: false,
    dense: [],
    normalize: true,
    maxLength: 12,
    doLowerCase: true,
    prompts: { query: 'q: ' },
    defaultPromptName: 'query',
    similarity: 'dot',
  }
  const folder = temporaryFolder()
  await writeSentenceSettings(folder, settings, 6)
  assert.equal(await readSentenceSettings(folder, config), settings)
  assert.equal(
    json(`${folder}/modules.json`),
    modules([`${old}Transformer`, ''], [`${old}Pooling`, '1_Pooling'], [`${old}Normalize`, '2_Normalize']),
  )
  assert.equal(json(`${folder}/1_Pooling/config.json`), {
    word_embedding_dimension: 6,
    pooling_mode_cls_token: true,
    pooling_mode_mean_tokens: false,
    pooling_mode_max_tokens: false,
    pooling_mode_mean_sqrt_len_tokens: false,
    pooling_mode_weightedmean_tokens: false,
    pooling_mode_lasttoken: false,
    include_prompt: false,
  })
  assert.equal(json(`${folder}/sentence_bert_config.json`), { max_seq_length: 12, do_lower_case: true })
  const { __version__, ...use } = json(`${folder}/config_sentence_transformers.json`)
  assert.equal(use, { prompts: { query: 'q: ' }, default_prompt_name: 'query', similarity_fn_name: 'dot' })
  assert.type(__version__.sentence_transformers, 'string')
  assert.ok(existsSync(`${folder}/2_Normalize`))

  for (const pooling of [['mean'], ['cls', 'mean'], ['mean', 'cls']] as const) {
    const other = temporaryFolder()
    await writeSentenceSettings(other, { ...plainSettings(12), pooling }, 6)
    assert.equal(await readSentenceSettings(other, config), { ...plainSettings(12), pooling })
    assert.not.ok(existsSync(`${other}/2_Normalize`))
  }
})

/** One model, in the spelling of two libraries. */
const colbert: LateInteractionSettings = {
  projection: [{ path: '1_Dense', inputs: 24, outputs: 8, bias: false, activation: 'identity' }],
  normalize: true,
  queryMarker: '[unused0]',
  documentMarker: '[unused1]',
  queryLength: 16,
  documentLength: 24,
  expansion: { strategy: 'fixed', length: 16, attend: false },
  skipWords: [..."!?.,:;()-'/"],
  skipIn: ['document'],
  similarity: 'maxsim',
}

const folders = needs('oracles/sentence-transformers')
;(folders ? test : test.skip)('folders that sentence-transformers wrote', async () => {
  const expected: Record<string, Partial<SentenceSettings>> = {
    cls: { pooling: ['cls'], normalize: false, maxLength: 48 },
    mean: { pooling: ['mean'], normalize: false, includePrompt: true, maxLength: 48, similarity: 'cosine' },
    'mean-normalize': { pooling: ['mean'], normalize: true, maxLength: 48 },
    'legacy-mean-normalize': { pooling: ['mean'], normalize: true, maxLength: 48, prompts: {} },
    'max-seq-length-12': { maxLength: 12, normalize: true },
    'legacy-max-seq-length-12': { maxLength: 12, normalize: true },
    prompts: {
      prompts: { document: 'document: ', query: 'search query: ' },
      defaultPromptName: 'query',
      similarity: 'dot',
    },
    'prompts-excluded': { includePrompt: false, prompts: { document: 'document: ', query: 'search query: ' } },
    max: { pooling: ['max'] },
    'mean-max': { pooling: ['mean', 'max'] },
    'legacy-mean-max': { pooling: ['max', 'mean'] },
    'mean-sqrt-len': { pooling: ['mean_sqrt_len_tokens'] },
    'weighted-mean': { pooling: ['weightedmean'] },
    'last-token': { pooling: ['lasttoken'] },
    'dense-tanh': {
      pooling: ['mean'],
      dense: [{ path: '2_Dense', inputs: 24, outputs: 10, bias: true, activation: 'tanh' }],
      normalize: false,
    },
    'cls-dense-dense-normalize': {
      pooling: ['cls'],
      dense: [
        { path: '2_Dense', inputs: 24, outputs: 18, bias: true, activation: 'tanh' },
        { path: '3_Dense', inputs: 18, outputs: 7, bias: false, activation: 'identity' },
      ],
      normalize: true,
    },
    colbert: { pooling: [], lateInteraction: colbert },
    'colbert-pylate': { pooling: [], lateInteraction: colbert },
  }
  const present = readdirSync(folders as string).filter(name => existsSync(`${folders}/${name}/modules.json`))
  assert.equal(present.sort(), Object.keys(expected).sort())
  for (const [name, wanted] of Object.entries(expected)) {
    const folder = `${folders}/${name}`
    const settings = await readSentenceSettings(folder, await readConfig(folder))
    assert.equal({ ...settings, ...wanted }, settings, name)
  }
  // The project's own spelling is the legacy one, key by key.
  const folder = temporaryFolder()
  const legacy = `${folders}/legacy-mean-normalize`
  const real = await readConfig(legacy)
  await writeSentenceSettings(folder, await readSentenceSettings(legacy, real), real.hidden)
  for (const name of ['modules.json', '1_Pooling/config.json', 'sentence_bert_config.json'])
    assert.equal(json(`${folder}/${name}`), json(`${legacy}/${name}`))
})

test.run()
