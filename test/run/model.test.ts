// Models as a user names them: opened, placed, saved and opened again with the same vectors; prompts; what is refused.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { parseConfig } from '../../src/model/config.js'
import { type LoadedEncoder, newAdapter, randomSource } from '../../src/model/load.js'
import { plainSettings, type SentenceSettings } from '../../src/model/sentence-transformers.js'
import { encodeSequences } from '../../src/retrieve/encode.js'
import { inputTexts, type ModelSource, openModel, placeModel, promptFor, saveModel } from '../../src/run/model.js'
import { createWordPieceTokenizer } from '../../src/text/tokenizer.js'
import { failure, folderWith, temporaryFolder } from '../support/temporary.js'
import { tinyFolder, tinyJson } from '../support/tiny-bert.js'

const backend = await createWasmBackend()
const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'red', 'blue', 'green', 'cat', 'dog', '##s']
const files = { 'vocab.txt': `${vocabulary.join('\n')}\n` }
const texts = ['red cats', 'blue dog green', '', 'dogs']

async function vectorsOf(source: ModelSource, loaded: LoadedEncoder) {
  const batch = source.tokenizer!.encode(texts, { maxLength: source.settings.maxLength })
  return encodeSequences(backend, loaded.encoder, batch)
}

/** An adapter whose B is not zero, so that it changes the vectors. */
function strongAdapter(source: ModelSource) {
  const adapter = newAdapter(source.weights.config, { rank: 2, alpha: 4, dropout: 0, targets: ['query', 'value'] }, 1)
  for (const { B } of adapter.targets.values()) B.fill(0.3)
  return adapter
}

/** What training may have changed about the way to a vector. */
const changed = { pooling: ['cls'], normalize: true, similarity: 'dot', maxLength: 6 } as const

test('a saved adapter has the pooling, similarity and length it was trained with, and gives the same vectors', async () => {
  const base = await openModel(await tinyFolder(files))
  assert.equal([base.settings.pooling, base.settings.normalize], [['mean'], false])
  const source = { ...base, settings: { ...base.settings, ...changed } }
  const loaded = await placeModel(backend, source, { kind: 'lora', adapter: strongAdapter(source) })
  const path = join(temporaryFolder(), 'adapted')
  assert.is(await saveModel(path, source, loaded), 'peft')
  const again = await openModel(path)
  assert.equal(again.settings, source.settings)
  assert.is(again.folder, base.folder)
  assert.is.not(again.hash, base.hash)
  const placed = await placeModel(backend, again)
  assert.equal(await vectorsOf(again, placed), await vectorsOf(source, loaded))
  const plain = await placeModel(backend, source)
  assert.not.equal(await vectorsOf(source, plain), await vectorsOf(source, loaded))
  for (const each of [loaded, placed, plain]) each.release()
  for (const each of [base, again]) await each.close()
})

test('a fully trained model is saved with its settings and tokenizer, and gives the same vectors', async () => {
  const base = await openModel(await tinyFolder(files))
  const source = { ...base, settings: { ...base.settings, ...changed } }
  const loaded = await placeModel(backend, source, { kind: 'full' })
  const path = join(temporaryFolder(), 'trained')
  assert.is(await saveModel(path, source, loaded), 'sentence-transformers')
  const again = await openModel(path)
  assert.equal(again.settings, source.settings)
  const placed = await placeModel(backend, again)
  assert.equal(await vectorsOf(again, placed), await vectorsOf(source, loaded))
  for (const each of [base, again]) await each.close()
})

test('an adapter over a random start is worked into the weights', async () => {
  const config = parseConfig(tinyJson, 'tiny')
  const source: ModelSource = {
    name: 'random',
    weights: randomSource(config, 5),
    settings: plainSettings(8),
    tokenizer: await createWordPieceTokenizer({ vocabulary }),
    hash: '0',
    close: async () => {},
  }
  const loaded = await placeModel(backend, source, { kind: 'lora', adapter: strongAdapter(source) })
  const path = join(temporaryFolder(), 'merged')
  assert.is(await saveModel(path, source, loaded), 'sentence-transformers')
  assert.not.ok(existsSync(join(path, 'adapter_config.json')))
  const again = await openModel(path)
  const [merged, apart] = [await vectorsOf(again, await placeModel(backend, again)), await vectorsOf(source, loaded)]
  merged.forEach((x, i) => {
    assert.ok(Math.abs(x - apart[i]!) < 1e-5, `${i}: ${x}, ${apart[i]}`)
  })
  await again.close()
})

test('the base of an adapter is looked for beside it, then from the working directory', async () => {
  const json = (base: unknown) => JSON.stringify({ peft_type: 'LORA', r: 2, base_model_name_or_path: base })
  const folder = (base: unknown) => folderWith({ 'adapter_config.json': json(base) })
  assert.match(await failure(openModel(folder(null))), /names no base model; put the folder's path into/)
  const lost = await folder('some/model')
  assert.match(
    await failure(openModel(lost)),
    /base model "some\/model", which is not at .*some\/model nor .*some\/model/,
  )
  assert.match(await failure(openModel(join(lost, 'nowhere'))), /nowhere does not exist/)
})

const withPrompts = (prompts: Record<string, string>, more: Partial<SentenceSettings> = {}) => ({
  ...plainSettings(8),
  prompts,
  ...more,
})

test('prompts are chosen by kind, then by the default name', () => {
  const prompts = { query: 'Q: ', passage: 'P: ', other: 'O: ' }
  assert.is(promptFor(withPrompts({}), 'query'), '')
  assert.is(promptFor(withPrompts(prompts), 'query'), 'Q: ')
  assert.is(promptFor(withPrompts(prompts), 'document'), 'P: ')
  assert.is(promptFor(withPrompts({ ...prompts, document: 'D: ' }), 'document'), 'D: ')
  const { other } = prompts
  assert.is(promptFor(withPrompts({ other }, { defaultPromptName: 'other' }), 'document'), 'O: ')
})

test('texts get their prompt, and lower case where the folder asks for it', () => {
  const prompts = { query: 'Find: ' }
  assert.equal(inputTexts(withPrompts(prompts), 'query', ['A Cat', '']), ['Find: A Cat', 'Find: '])
  assert.equal(inputTexts(withPrompts(prompts), 'document', ['A Cat']), ['A Cat'])
  assert.equal(inputTexts(withPrompts(prompts, { doLowerCase: true }), 'query', ['A Cat']), ['find: a cat'])
})
test.run()
