// Models with fewer layers and fewer words: their configs, their tensors, what is refused; and the command that makes them.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openSafetensors } from '../../src/data/safetensors.js'
import { parseConfig } from '../../src/model/config.js'
import { parseLayers, withLayers, withVocabulary } from '../../src/model/export.js'
import { openModelFolder } from '../../src/model/folder.js'
import { newAdapter, randomSource } from '../../src/model/load.js'
import { mergeUpdate } from '../../src/model/peft.js'
import { writeAdapter } from '../../src/model/peft-writing.js'
import { attempt, refused, tinyModel } from '../support/cli.js'
import { readArrays } from '../support/oracles.js'
import { temporaryFolder } from '../support/temporary.js'
import { tinyConfig, tinyJson } from '../support/tiny-bert.js'
import { seededValues } from '../support/values.js'

test('layers: how many, or which', () => {
  const config = { ...tinyConfig, layers: 6 }
  assert.equal(parseLayers('2', config), [0, 1])
  assert.equal(parseLayers('0,3,5', config), [0, 3, 5])
  for (const bad of ['0', '7', '3,3', '5,1', '0,6', 'x', '1.5', '', '0,'])
    assert.throws(() => parseLayers(bad, config), /are not there, expected how many to keep \(1 to 6\)/, bad)
})

test('chosen layers keep their weights under new numbers', async () => {
  const config = parseConfig({ ...tinyJson, num_hidden_layers: 4 }, 'x')
  const source = randomSource(config, 3)
  const cut = withLayers(source, [0, 3])
  assert.equal([cut.config.layers, cut.config.raw.num_hidden_layers], [2, 2])
  const name = (layer: number) => `encoder.layer.${layer}.output.dense.weight`
  assert.equal(await cut.readTensor(name(1)), await source.readTensor(name(3)))
  assert.equal(await cut.readTensor('embeddings.LayerNorm.bias'), await source.readTensor('embeddings.LayerNorm.bias'))
  assert.not.ok(cut.expected.some(tensor => tensor.name === name(2)))
})

const qwen = {
  ...{ model_type: 'qwen2', hidden_size: 8, num_hidden_layers: 4, num_attention_heads: 2, num_key_value_heads: 1 },
  ...{ intermediate_size: 12, vocab_size: 11, max_position_embeddings: 16, rms_norm_eps: 1e-6, rope_theta: 10000 },
}

test('a layer that would attend otherwise in its new place is refused', () => {
  const sliding = { ...qwen, use_sliding_window: true, sliding_window: 4, max_window_layers: 2 }
  const source = randomSource(parseConfig(sliding, 'x'), 1)
  assert.is(withLayers(source, [0, 1, 2]).config.layers, 3)
  assert.throws(() => withLayers(source, [0, 3]), /layer 3 of this model attends in another way/)
})

test('kept words keep their rows, and config.json its ids', async () => {
  const config = parseConfig({ ...tinyJson, pad_token_id: 2, eos_token_id: 5, bos_token_id: 1 }, 'x')
  const source = randomSource(config, 3)
  const cut = withVocabulary(source, Int32Array.of(2, 5, 9))
  assert.equal(
    [cut.config.vocabulary, cut.config.padId, cut.config.raw.eos_token_id, cut.config.raw.bos_token_id],
    [3, 0, 1, null],
  )
  const [whole, rows] = [await source.readTensor(config.form.words), await cut.readTensor(config.form.words)]
  assert.equal(rows, Float32Array.from([2, 5, 9].flatMap(id => [...whole.subarray(id * 6, id * 6 + 6)])))
  assert.throws(
    () => withVocabulary(source, Int32Array.of(0, 11)),
    /the tokenizer has the id 11, but the model's vocabulary 11/,
  )
})

test('export: an adapter worked in, f16, one layer, fewer words, in shards', async () => {
  const base = await tinyModel()
  const values = seededValues(8)
  const { targets, ...rest } = newAdapter(tinyConfig, { rank: 2, alpha: 4, dropout: 0, targets: ['query'] }, 1)
  for (const { B } of targets.values()) B.set(values.normal(B.length))
  const [adapter, out, texts] = [
    `${temporaryFolder()}/adapter`,
    `${temporaryFolder()}/out`,
    `${temporaryFolder()}/t.jsonl`,
  ]
  await writeAdapter(adapter, { ...rest, targets, baseModel: base }, tinyConfig)
  writeFileSync(texts, '{"text": "red cats"}\n{"text": "a dog"}\n')
  const words = ['export', '--model', adapter, '--out', out, '--quiet']
  const full = await attempt(...words)
  assert.is(full.code, 0, full.stderr)
  const before = await readArrays(`${base}/model.safetensors`)
  const query = 'encoder.layer.0.attention.self.query'
  const merged = (await readArrays(`${out}/model.safetensors`))[`${query}.weight`]
  assert.equal(merged, mergeUpdate(before[`${query}.weight`]!, targets.get(query)!))

  const more = ['--dtype', 'f16', '--layers', '1', '--trim', texts, '--shard-size', '300', '--json']
  const { code, stdout, stderr } = await attempt(...words, ...more)
  assert.is(code, 0, stderr)
  assert.equal(JSON.parse(stdout), { out, dtype: 'f16', layers: 1, vocabulary: 10 }) // all but "blue"
  const shards = readdirSync(out).filter(name => /^model-0000\d-of-0000\d\.safetensors$/.test(name))
  assert.ok(shards.length > 1)
  const folder = await openModelFolder(out)
  assert.equal([folder.config.layers, folder.config.raw.dtype], [1, 'float16'])
  const file = await openSafetensors(`${out}/model.safetensors.index.json`)
  assert.ok([...file.tensors.values()].every(({ dtype }) => dtype === 'F16'))
  const rows = await folder.readTensor('embeddings.word_embeddings.weight')
  const old = before['embeddings.word_embeddings.weight']!
  for (let i = 0; i < 6; i++) assert.ok(Math.abs(rows[6 * 6 + i]! - old[7 * 6 + i]!) < 2e-3, 'cat')
  await Promise.all([folder.close(), file.close()])
  const card = readFileSync(`${out}/README.md`, 'utf8')
  assert.match(card, /^---\nlibrary_name: sentence-transformers\npipeline_tag: sentence-similarity\ntags:\n/)
  assert.match(card, /A LoRA adapter was worked into the weights/)
})

test('export: what cannot be is refused before anything is written', async () => {
  const model = await tinyModel()
  const words = ['export', '--model', model, '--quiet', '--out']
  refused(await attempt(...words, model), 2, /--out is the model's own folder/)
  refused(await attempt(...words, '/tmp/x', '--layers', '9'), 1, /the layers "9" are not there/)
  refused(await attempt(...words, '/tmp/x', '--shard-size', 'big'), 2, /Expected a size such as 500MB or 5GB/)
  refused(await attempt(...words, '/tmp/x', '--dtype', 'int4'), 2, /Allowed choices are f32, f16, bf16/)
})

test.run()
