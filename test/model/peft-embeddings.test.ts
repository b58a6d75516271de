// Adapters that peft wrote give peft's embeddings, applied beside the layers and worked into the weights; magnitudes and saved modules too.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { writeSafetensors } from '../../src/data/safetensors.js'
import { openModelFolder } from '../../src/model/folder.js'
import { adaptedSource, loadEncoder, newAdapter } from '../../src/model/load.js'
import { type Adapter, adaptedTensor, mergeUpdate, readAdapter } from '../../src/model/peft.js'
import { writeAdapter } from '../../src/model/peft-writing.js'
import { expectedTensors } from '../../src/model/tensors.js'
import { encodeSequences } from '../../src/retrieve/encode.js'
import { loadTokenizer } from '../../src/text/tokenizer.js'
import { maxDifference, readArrays } from '../support/oracles.js'
import { jsonLines, needs } from '../support/shared.js'
import { failure, folderWith, temporaryFolder } from '../support/temporary.js'
import { tinyConfig, tinyFolder } from '../support/tiny-bert.js'
import { seededValues } from '../support/values.js'

const peft = needs('oracles/peft')
const minilm = needs('models/all-MiniLM-L6-v2')
const TOLERANCE = 2e-5
for (const name of ['minilm-r8', 'minilm-rslora', 'minilm-patterns', 'minilm-regex-targets', 'minilm-dora'])
  (peft && minilm ? test : test.skip)(`${name}: peft's embeddings, applied and merged`, async () => {
    const golden = await readArrays(`${peft}/${name}/embeddings.safetensors`)
    const texts = jsonLines<{ text: string }>(`${peft}/texts.jsonl`).map(({ text }) => text)
    const packed = (await loadTokenizer(minilm!)).encode(texts, { maxLength: 256 })
    const backend = await createWasmBackend({ threads: 1 })
    const folder = await openModelFolder(minilm!)
    const adapter = await readAdapter(`${peft}/${name}`, folder.config)
    const applied = await loadEncoder(backend, folder, folder.settings, { kind: 'frozen', adapter })
    const vectors = await encodeSequences(backend, applied.encoder, packed)
    assert.ok(maxDifference(vectors, golden.embeddings!) <= TOLERANCE, 'applied')
    const merged = adaptedSource(folder, adapter)
    const plain = await loadEncoder(backend, merged, folder.settings, { kind: 'frozen' })
    assert.ok(
      maxDifference(await encodeSequences(backend, plain.encoder, packed), golden.merged!) <= TOLERANCE,
      'merged',
    )
    await folder.close()
  })

const values = seededValues(31)
const query = 'encoder.layer.0.attention.self.query'
const settings = { rank: 2, alpha: 4, dropout: 0, targets: ['query'] }

/** One with a magnitude on every target, and a LayerNorm of its own. */
function rich(): Adapter {
  const { targets, ...rest } = newAdapter(tinyConfig, settings, 1)
  const scaled = [...targets].map(
    ([name, target]) => [name, { ...target, B: values.normal(12), magnitude: values.normal(6).map(Math.abs) }] as const,
  )
  const saved = new Map([
    ['embeddings.LayerNorm.weight', values.normal(6)],
    ['embeddings.LayerNorm.bias', values.normal(6)],
  ])
  return { ...rest, targets: new Map(scaled), saved, raw: { modules_to_save: ['embeddings.LayerNorm'] } }
}

test('magnitudes and saved modules: written, read back, and in place of the base model’s', async () => {
  const adapter = rich()
  const folder = `${temporaryFolder()}/adapter`
  await writeAdapter(folder, adapter, tinyConfig)
  const back = await readAdapter(folder, tinyConfig)
  assert.equal(back.targets, adapter.targets)
  assert.equal(back.saved, adapter.saved)
  const base = async (name: string) =>
    values.normal(
      expectedTensors(tinyConfig)
        .find(each => each.name === name)!
        .shape.reduce((a, b) => a * b, 1),
    )
  assert.equal(
    await adaptedTensor('embeddings.LayerNorm.bias', back, base),
    adapter.saved!.get('embeddings.LayerNorm.bias'),
  )
  // Every row of a weight with a magnitude has that length.
  const merged = mergeUpdate(await base(`${query}.weight`), back.targets.get(query)!)
  const { magnitude } = back.targets.get(query)!
  for (let row = 0; row < 6; row++) {
    const length = Math.hypot(...merged.subarray(row * 6, (row + 1) * 6))
    assert.ok(Math.abs(length - magnitude![row]!) < 1e-6, `row ${row}`)
  }
})

test('magnitudes are not trained; saved modules are loaded in place of the base model’s', async () => {
  const backend = await createWasmBackend({ threads: 1 })
  const model = await openModelFolder(await tinyFolder())
  const adapter = rich()
  const load = (kind: 'lora' | 'frozen', chosen: Adapter) =>
    loadEncoder(backend, model, { pooling: ['mean'], normalize: true }, { kind, adapter: chosen })
  assert.match(await failure(load('lora', adapter)), /magnitudes \(use_dora\), which are not trained here; merge it/)
  const loaded = await load('frozen', adapter)
  assert.equal(
    await loaded.readWeight('embeddings.LayerNorm.weight'),
    adapter.saved!.get('embeddings.LayerNorm.weight'),
  )
  const { targets } = newAdapter(tinyConfig, settings, 1)
  const trained = await load('lora', { ...adapter, targets })
  assert.equal((await trained.readAdapter())!.saved, adapter.saved)
  await model.close()
})

test('modules_to_save: what is missing, and what nobody asked for', async () => {
  const folder = folderWith({
    'adapter_config.json': JSON.stringify({
      ...{ peft_type: 'LORA', r: 2, lora_alpha: 4, target_modules: [] },
      modules_to_save: ['embeddings.LayerNorm', 'pooler'],
    }),
  })
  const tensor = (name: string, length: number) =>
    ({ name: `base_model.model.${name}`, dtype: 'F32', shape: [length], data: values.normal(length) }) as const
  await writeSafetensors(`${folder}/adapter_model.safetensors`, [
    tensor('embeddings.LayerNorm.weight', 6),
    tensor('encoder.layer.1.output.LayerNorm.bias', 6),
    tensor('pooler.dense.bias', 6),
  ])
  const message = await failure(readAdapter(folder, tinyConfig))
  assert.match(message, /embeddings.LayerNorm.bias is missing, expected \[6\]/)
  assert.match(message, /encoder.layer.1.output.LayerNorm.bias is there, but is no LoRA weight/)
  assert.not.match(message, /pooler/)
})

test.run()
