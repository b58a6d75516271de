// Adapters of late interaction as peft saves them: the projection, trained beside the updates, is one of modules_to_save. Names as peft 0.21 gives them
// to a ColBERT class with `bert` and `linear`, and to a sentence-transformers model that was wrapped whole.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { openSafetensors, writeSafetensors } from '../../src/data/safetensors.js'
import { openModelUnhashed, placeModel, saveModel } from '../../src/run/model.js'
import { failure, folderWith, temporaryFolder } from '../support/temporary.js'
import { tinyConfig, tinyFolder, tinyTensors } from '../support/tiny-bert.js'
import { seededValues } from '../support/values.js'

const values = seededValues(53)
const F32 = 'F32' as const
const first = values.normal(24)
const trained = values.normal(24)
const query = (layer: number) => `encoder.layer.${layer}.attention.self.query`
const A = [values.normal(12), values.normal(12)]
const B = [values.normal(12), values.normal(12)]

/** A base model of late interaction: as PyLate writes it, or as Stanford's code does. */
async function baseFolder(form: 'pylate' | 'stanford'): Promise<string> {
  const linear = { name: 'linear.weight', dtype: F32, shape: [4, 6], data: first }
  if (form === 'stanford')
    return tinyFolder({ 'artifact.metadata': '{"dim": 4, "query_maxlen": 6, "doc_maxlen": 8}' }, [
      ...tinyTensors(tinyConfig),
      linear,
    ])
  const dense = {
    in_features: 6,
    out_features: 4,
    bias: false,
    activation_function: 'torch.nn.modules.linear.Identity',
  }
  const folder = await tinyFolder({
    'modules.json': JSON.stringify([
      { idx: 0, name: '0', path: '', type: 'sentence_transformers.models.Transformer' },
      { idx: 1, name: '1', path: '1_Dense', type: 'pylate.models.Dense.Dense' },
    ]),
    '1_Dense/config.json': JSON.stringify(dense),
    'config_sentence_transformers.json': '{"model_type": "ColBERT", "query_length": 6, "document_length": 8}',
  })
  await writeSafetensors(join(folder, '1_Dense/model.safetensors'), [linear])
  return folder
}

interface Spelling {
  readonly base: 'pylate' | 'stanford'
  readonly before: string
  readonly linear: string
  readonly saved: string
  readonly within?: string
}

async function adapterFolder(base: string, { before, linear, saved, within = '' }: Spelling): Promise<string> {
  const folder = folderWith({
    'adapter_config.json': JSON.stringify({
      ...{ peft_type: 'LORA', r: 2, lora_alpha: 4, target_modules: ['query'], modules_to_save: [saved] },
      base_model_name_or_path: base,
    }),
  })
  const updates = [0, 1].flatMap(layer => [
    { name: `${before}${query(layer)}.lora_A${within}.weight`, dtype: F32, shape: [2, 6], data: A[layer]! },
    { name: `${before}${query(layer)}.lora_B${within}.weight`, dtype: F32, shape: [6, 2], data: B[layer]! },
  ])
  await writeSafetensors(join(folder, 'adapter_model.safetensors'), [
    ...updates,
    { name: linear, dtype: F32, shape: [4, 6], data: trained },
  ])
  return folder
}

const spellings: Readonly<Record<string, Spelling>> = {
  'a ColBERT class': {
    ...{ base: 'stanford', before: 'base_model.model.bert.', saved: 'linear' },
    linear: 'base_model.model.linear.weight',
  },
  'a ColBERT class over a folder of modules': {
    ...{ base: 'pylate', before: 'base_model.model.bert.', saved: 'linear' },
    linear: 'base_model.model.linear.weight',
  },
  'a dump of its state': {
    ...{ base: 'stanford', before: 'base_model.model.bert.', saved: 'linear', within: '.default' },
    linear: 'base_model.model.linear.modules_to_save.default.weight',
  },
  'all modules wrapped': {
    ...{ base: 'pylate', before: 'base_model.model.0.model.', saved: '1.linear' },
    linear: 'base_model.model.1.linear.weight',
  },
  'all modules wrapped, an older class': {
    ...{ base: 'pylate', before: 'base_model.model.0.auto_model.', saved: 'linear' },
    linear: 'base_model.model.1.linear.weight',
  },
}

for (const [name, spelling] of Object.entries(spellings))
  test(`${name}: the projection is the adapter's, and lies in a module of its own when it is saved again`, async () => {
    const path = await adapterFolder(await baseFolder(spelling.base), spelling)
    const source = await openModelUnhashed(path, { tokenizer: false })
    assert.equal(await source.weights.readTensor('dense.0.weight'), trained)
    assert.equal([...source.adapter!.targets.keys()], [query(0), query(1)])
    assert.equal(source.adapter!.targets.get(query(1))!.B, B[1])

    const backend = await createWasmBackend({ threads: 1 })
    const method = { kind: 'lora', adapter: source.adapter! } as const
    const alsoTrained = (each: string) => each.startsWith('dense.')
    const loaded = await placeModel(backend, source, method, { perToken: true, alsoTrained })
    assert.equal(await loaded.readWeight('dense.0.weight'), trained)
    // As a step of training would.
    const later = trained.map(value => value + 1)
    backend.write(loaded.trainable!.tensors.get('dense.0.weight')!.view!, later)
    const again = join(temporaryFolder(), 'again')
    assert.is(await saveModel(again, { ...source, hash: '' }, loaded), 'peft')
    assert.is(JSON.parse(readFileSync(join(again, 'adapter_config.json'), 'utf8')).modules_to_save, null)
    const dense = await openSafetensors(join(again, '1_Dense/model.safetensors'))
    assert.equal(await dense.readF32('linear.weight'), later)
    await dense.close()
    const reopened = await openModelUnhashed(again, { tokenizer: false })
    assert.equal(await reopened.weights.readTensor('dense.0.weight'), later)
    assert.equal(reopened.adapter!.targets, source.adapter!.targets)
    await Promise.all([source.close(), reopened.close()])
  })

test('a projection for a base model that has none, or another', async () => {
  const { base: _, ...spelling } = spellings['a ColBERT class']!
  const plain = await adapterFolder(await tinyFolder(), { base: 'stanford', ...spelling })
  assert.match(
    await failure(openModelUnhashed(plain, { tokenizer: false })),
    /base_model.model.linear.weight is there, but .*; if it is a projection, name a late-interaction model as the base/,
  )
  const late = await baseFolder('stanford')
  const unnamed = await adapterFolder(late, { base: 'stanford', ...spelling, saved: 'classifier' })
  assert.match(await failure(openModelUnhashed(unnamed, { tokenizer: false })), /linear.weight is there, but is no/)
  const absent = await adapterFolder(late, { base: 'stanford', ...spelling, linear: 'base_model.model.other.weight' })
  const message = await failure(openModelUnhashed(absent, { tokenizer: false }))
  assert.match(message, /dense.0.weight is missing, expected \[4, 6\]/)
})

test.run()
