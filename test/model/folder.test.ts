// Model folders: names made canonical, every contradiction named at once, and folders written whole or not at all.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openSafetensors, writeSafetensors } from '../../src/data/safetensors.js'
import { canonicalName } from '../../src/model/families.js'
import { type ModelFolder, openModelFolder, readTokenizerFiles } from '../../src/model/folder.js'
import { plainSettings, type SentenceSettings } from '../../src/model/sentence-transformers.js'
import { expectedTensors } from '../../src/model/tensors.js'
import { writeModelFolder } from '../../src/model/writing.js'
import { needs } from '../support/shared.js'
import { failure, folderWith, temporaryFolder } from '../support/temporary.js'
import { type NamedValues, tinyConfig, tinyFolder, tinyJson, tinyTensors } from '../support/tiny-bert.js'

/** All tensors of a folder, by canonical name. */
async function readAll(folder: ModelFolder): Promise<Map<string, Float32Array>> {
  const all = new Map<string, Float32Array>()
  for (const { name } of folder.expected) all.set(name, await folder.readTensor(name))
  await folder.close()
  return all
}

const bits = (values: Float32Array = new Float32Array(0)) =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('hex')

test('the tensors of an encoder', () => {
  const tensors = expectedTensors(tinyConfig)
  assert.is(tensors.length, 5 + 2 * 16)
  const shapes = new Map(tensors.map(({ name, shape }) => [name, shape]))
  assert.equal(shapes.get('embeddings.word_embeddings.weight'), [11, 6])
  assert.equal(shapes.get('embeddings.token_type_embeddings.weight'), [2, 6])
  assert.equal(shapes.get('encoder.layer.1.intermediate.dense.weight'), [10, 6])
  assert.equal(shapes.get('encoder.layer.1.output.dense.weight'), [6, 10])
  assert.equal(shapes.get('encoder.layer.1.output.LayerNorm.bias'), [6])
  assert.not.ok(shapes.has('encoder.layer.2.output.dense.weight'))
})

test('canonical names', () => {
  assert.is(canonicalName('bert.encoder.layer.0.output.LayerNorm.gamma'), 'encoder.layer.0.output.LayerNorm.weight')
  assert.is(canonicalName('embeddings.LayerNorm.beta'), 'embeddings.LayerNorm.bias')
  assert.is(canonicalName('encoder.layer.0.attention.self.query.weight'), 'encoder.layer.0.attention.self.query.weight')
})

test('a folder is read, old names and surplus tensors included', async () => {
  const tensors = tinyTensors()
  const plain = await openModelFolder(await tinyFolder())
  assert.equal(plain.settings, plainSettings(8))
  assert.equal(plain.unused, [])
  assert.match(await failure(plain.readTensor('pooler.dense.weight')), /has no encoder tensor "pooler.dense.weight"/)
  const read = await readAll(plain)
  for (const { name, data } of tensors) assert.is(bits(read.get(name)), bits(data), name)

  const old = tensors.map(tensor => ({
    ...tensor,
    name: `bert.${tensor.name.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta')}`,
  }))
  const surplus = ['bert.embeddings.position_ids', 'bert.pooler.dense.weight', 'cls.predictions.bias']
  const extra = surplus.map(name => ({ name, shape: [1], data: new Float32Array(1) }))
  const folder = await openModelFolder(await tinyFolder({}, [...old, ...extra]))
  assert.equal([...folder.unused].sort(), surplus.sort())
  const again = await readAll(folder)
  for (const { name, data } of tensors) assert.is(bits(again.get(name)), bits(data), name)
})

test('everything that contradicts the config is named at once', async () => {
  const tensors = tinyTensors().filter(tensor => !tensor.name.includes('layer.1.attention.self.key'))
  const wrong = tensors.map(tensor =>
    tensor.name === 'embeddings.word_embeddings.weight' ? { ...tensor, shape: [6, 11] } : tensor,
  )
  const twice = { name: 'bert.embeddings.LayerNorm.gamma', shape: [6], data: new Float32Array(6) }
  const beyond = { name: 'bert.encoder.layer.2.output.dense.bias', shape: [6], data: new Float32Array(6) }
  const message = await failure(openModelFolder(await tinyFolder({}, [...wrong, twice, beyond])))
  assert.is(
    message.slice(message.indexOf('model.safetensors')),
    [
      'model.safetensors contradicts the config.json beside it:',
      'encoder.layer.2.output.dense.bias [6] is there, but is no part of the model that config.json describes',
      'embeddings.LayerNorm.weight is there twice, as bert.embeddings.LayerNorm.gamma and embeddings.LayerNorm.weight',
      'embeddings.word_embeddings.weight is [6, 11], expected [11, 6]',
      'encoder.layer.1.attention.self.key.weight is missing, expected [6, 6]',
      'encoder.layer.1.attention.self.key.bias is missing, expected [6]',
    ].join('\n  '),
  )
  // The other way round: the config promises what the weights do not hold.
  assert.match(
    await failure(openModelFolder(await tinyFolder({}, tinyTensors(), { ...tinyJson, hidden_size: 8 }))),
    /word_embeddings.weight is \[11, 6\], expected \[11, 8\]/,
  )
  assert.match(
    await failure(openModelFolder(await tinyFolder({}, tinyTensors(), { ...tinyJson, num_hidden_layers: 3 }))),
    /encoder.layer.2.attention.self.query.weight is missing/,
  )
})

test('weights that are no floating numbers', async () => {
  const folder = folderWith({ 'config.json': JSON.stringify(tinyJson) })
  const tensors = tinyTensors().map(({ name, shape, data }) =>
    name === 'embeddings.LayerNorm.bias'
      ? ({ name, shape, dtype: 'I32', data: new Int32Array(6) } as const)
      : ({ name, shape, dtype: 'F32', data } as const),
  )
  await writeSafetensors(`${folder}/model.safetensors`, tensors)
  assert.match(
    await failure(openModelFolder(folder)),
    /embeddings.LayerNorm.bias is I32, expected one of F32, F16, BF16, F64/,
  )
})

test('folders that are none', async () => {
  assert.match(await failure(openModelFolder('/nowhere/at/all')), /the model folder \/nowhere\/at\/all does not exist/)
  const folder = folderWith({
    'a/adapter_config.json': '{}',
    'b/config.json': JSON.stringify(tinyJson),
    'b/pytorch_model.bin': 'x',
    file: '',
  })
  assert.match(await failure(openModelFolder(`${folder}/file`)), /is a file, expected a model folder/)
  assert.match(await failure(openModelFolder(folder)), /is no model folder: it has no config.json$/)
  assert.match(await failure(openModelFolder(`${folder}/a`)), /it holds an adapter/)
  assert.match(
    await failure(openModelFolder(`${folder}/b`)),
    /has no weights: expected model.safetensors.*pytorch_model.bin is not read/,
  )
  const broken = await tinyFolder()
  truncateSync(`${broken}/model.safetensors`, 4000)
  assert.match(await failure(openModelFolder(broken)), /the file is cut short/)
})

test('shards are read as one file', async () => {
  const tensors = tinyTensors()
  const folder = folderWith({ 'config.json': JSON.stringify(tinyJson) })
  const shardOf = (i: number) => `model-0000${(i % 2) + 1}-of-00002.safetensors`
  for (const part of [0, 1])
    await writeSafetensors(
      `${folder}/${shardOf(part)}`,
      tensors.filter((_, i) => i % 2 === part).map(tensor => ({ ...tensor, dtype: 'F32' as const })),
    )
  const weight_map = Object.fromEntries(tensors.map(({ name }, i) => [name, shardOf(i)]))
  writeFileSync(`${folder}/model.safetensors.index.json`, JSON.stringify({ metadata: {}, weight_map }))
  const opened = await openModelFolder(folder)
  const hash = createHash('sha256')
  for (const part of [0, 1]) hash.update(readFileSync(`${folder}/${shardOf(part)}`))
  assert.is(await opened.weightsHash(), hash.digest('hex'))
  const read = await readAll(opened)
  for (const { name, data } of tensors) assert.is(bits(read.get(name)), bits(data), name)
})

const settings: SentenceSettings = {
  ...plainSettings(7),
  normalize: true,
  prompts: { query: 'q: ' },
  similarity: 'dot',
}
const tokenizer = {
  'tokenizer.json': new TextEncoder().encode('{"ü":1}'),
  'vocab.txt': new TextEncoder().encode('[PAD]\n'),
}
const reader = (tensors: readonly NamedValues[]) => (name: string) => {
  const tensor = tensors.find(each => each.name === name)
  if (!tensor) throw new Error(`asked for ${name}`)
  return tensor.data
}

test('a folder that is written is read back bit for bit', async () => {
  const path = `${temporaryFolder()}/runs/model`
  const tensors = tinyTensors()
  await writeModelFolder(path, { config: tinyConfig, settings, readTensor: reader(tensors), tokenizer })
  assert.equal(readdirSync(path), [
    '1_Pooling',
    '2_Normalize',
    'README.md',
    'config.json',
    'config_sentence_transformers.json',
    'model.safetensors',
    'modules.json',
    'sentence_bert_config.json',
    'tokenizer.json',
    'vocab.txt',
  ])
  const folder = await openModelFolder(path)
  assert.equal(folder.settings, settings)
  assert.equal({ ...folder.config, raw: {} }, { ...tinyConfig, raw: {} })
  assert.is(
    await folder.weightsHash(),
    createHash('sha256')
      .update(readFileSync(`${path}/model.safetensors`))
      .digest('hex'),
  )
  const read = await readAll(folder)
  for (const { name, data } of tensors) assert.is(bits(read.get(name)), bits(data), name)
  const file = await openSafetensors(`${path}/model.safetensors`)
  assert.equal(file.metadata, { format: 'pt' })
  await file.close()
  const files = await readTokenizerFiles(path)
  assert.equal(Object.keys(files).sort(), ['tokenizer.json', 'vocab.txt'])
  assert.is(Buffer.compare(files['tokenizer.json'] as Uint8Array, tokenizer['tokenizer.json']), 0)
})

test('a write that fails leaves nothing, and an older folder as it was', async () => {
  const parent = temporaryFolder()
  const path = `${parent}/model`
  const model = { config: tinyConfig, settings, readTensor: reader(tinyTensors()), tokenizer }
  const lost = async (name: string) => {
    if (name.includes('layer.1.output.dense')) throw new Error('the device is gone')
    return model.readTensor(name)
  }
  const failing = [
    [{ ...model, readTensor: lost }, /the device is gone/],
    [{ ...model, readTensor: () => new Float32Array(6) }, /takes \d+ bytes, its data has/],
    [{ ...model, tokenizer: { '../evil': new Uint8Array(1) } }, /"..\/evil" is no tokenizer file/],
    [{ ...model, tokenizer: { 'config.json': new Uint8Array(1) } }, /"config.json" is no tokenizer file/],
  ] as const
  for (const [bad, message] of failing) {
    assert.match(await failure(writeModelFolder(path, bad)), message)
    assert.equal(readdirSync(parent), [])
  }
  mkdirSync(path)
  writeFileSync(`${path}/older`, '')
  assert.match(
    await failure(writeModelFolder(path, model)),
    /all of that folder would be replaced, and it holds older,/,
  )
  writeFileSync(`${path}/config.json`, '{}')
  assert.match(await failure(writeModelFolder(path, failing[0][0])), /gone/)
  assert.equal([readdirSync(parent), readdirSync(path)], [['model'], ['config.json', 'older']])
  await writeModelFolder(path, model)
  assert.not.ok(existsSync(`${path}/older`))
  assert.equal(readdirSync(parent), ['model'])
})

const encoders = needs('oracles/encoders')
;(encoders ? test : test.skip)(
  'a checkpoint with a prefix, old names and heads is the same model as one without',
  async () => {
    const plain = await openModelFolder(`${encoders}/bert-small`)
    const old = await openModelFolder(`${encoders}/bert-small-old-names`)
    assert.equal(plain.unused, ['pooler.dense.bias', 'pooler.dense.weight'])
    assert.is(old.unused.length, 47 - 37)
    const [a, b] = [await readAll(plain), await readAll(old)]
    assert.is(a.size, 37)
    for (const [name, values] of a) assert.is(bits(values), bits(b.get(name)), name)
  },
)

const minilm = needs('models/all-MiniLM-L6-v2')
;(minilm ? test : test.skip)('all-MiniLM-L6-v2: settings, hash, and a copy with the same bits', async () => {
  const folder = await openModelFolder(minilm as string)
  assert.equal(folder.settings, { ...plainSettings(256), normalize: true })
  assert.is(await folder.weightsHash(), '53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db')
  const path = `${temporaryFolder()}/copy`
  const { config, settings, readTensor } = folder
  await writeModelFolder(path, { config, settings, readTensor, tokenizer: await readTokenizerFiles(minilm as string) })
  const copy = await openModelFolder(path)
  assert.equal(copy.settings, folder.settings)
  for (const { name } of folder.expected) {
    const [from, to] = [await folder.readTensor(name), await copy.readTensor(name)]
    assert.is(Buffer.compare(new Uint8Array(from.buffer), new Uint8Array(to.buffer)), 0, name)
  }
  assert.equal(Object.keys(await readTokenizerFiles(path)).sort(), [
    'special_tokens_map.json',
    'tokenizer.json',
    'tokenizer_config.json',
    'vocab.txt',
  ])
  await folder.close()
  await copy.close()
})

test.run()
