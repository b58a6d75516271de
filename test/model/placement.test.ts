// Where weights lie: figures before anything is read, tables that stay on the host, and what cannot fit.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Backend } from '../../src/backend/backend.js'
import { writeSafetensors } from '../../src/data/safetensors.js'
import { openModelFolder } from '../../src/model/folder.js'
import { type LoadOptions, loadEncoder, type Method, newAdapter, randomSource } from '../../src/model/load.js'
import { describeMemory, type MemoryPlan, planMemory } from '../../src/model/placement.js'
import { encodeSequences } from '../../src/retrieve/encode.js'
import { readTensor } from '../../src/tensor/parameters.js'
import { candidatesOf, createContrastiveTrainer } from '../../src/train/contrastive.js'
import { defaultOptimizer } from '../../src/train/optimizer.js'
import { backendsPresent } from '../support/present.js'
import { failure, folderWith } from '../support/temporary.js'
import { tinyConfig, tinyJson, tinyTensors } from '../support/tiny-bert.js'
import { seededValues } from '../support/values.js'

const settings = { pooling: ['mean'], normalize: true } as const
const config = { ...tinyConfig, hidden: 24, initializerRange: 0.2 }
const source = randomSource(config, 3)
const batch = { ids: Int32Array.of(1, 2, 3, 10, 5, 2, 2, 0, 9), offsets: Int32Array.of(0, 4, 6, 9) }
const adapter = newAdapter(config, { rank: 2, alpha: 8, dropout: 0, targets: ['query', 'value'] }, 1)
for (const { B } of adapter.targets.values()) B.set(seededValues(4).normal(B.length))

async function vectorsAndGradients(backend: Backend, options: LoadOptions) {
  const loaded = await loadEncoder(backend, source, settings, { kind: 'lora', adapter }, options)
  const { encoder, trainable } = loaded
  const vectors = await encodeSequences(backend, encoder, batch)
  const shared = { query: encoder, passage: encoder, trainable: trainable!, optimizer: defaultOptimizer }
  const trainer = createContrastiveTrainer(backend, { ...shared, temperature: 0.1, dropout: 0 })
  await trainer.gradients({ query: batch, passage: batch, ...candidatesOf(3, 1, true) }, { seed: 1, counter: 0 })
  const gradients: Float32Array[] = []
  for (const tensor of trainable!.tensors.values()) gradients.push(await readTensor(backend, tensor.gradient!))
  const words = await loaded.readWeight(config.form.words)
  trainer.release()
  loaded.release()
  return { vectors, gradients, words }
}

for (const backend of await backendsPresent()) {
  test(`${backend.kind}: tables on the host give the same bits, in training too`, async () => {
    let plan: MemoryPlan | undefined
    const onPlan = (made: MemoryPlan) => {
      plan = made
    }
    const device = await vectorsAndGradients(backend, { onPlan })
    assert.is(plan!.host, 0)
    const host = await vectorsAndGradients(backend, { wordsOnHost: true, onPlan })
    assert.is(plan!.host, 11 * 24 * 4)
    assert.equal(host, device)
    assert.ok(device.gradients.every(gradient => gradient.some(value => value !== 0)))
  })

  test(`${backend.kind}: a table of 16 bits is widened as it is asked for`, async () => {
    for (const dtype of ['F16', 'BF16'] as const) {
      const folder = folderWith({ 'config.json': JSON.stringify(tinyJson) })
      const values = seededValues(2)
      const tensors = tinyTensors().map(({ name, shape, data }) => {
        const bits = Uint16Array.from(values.integers(data.length, 1 << 11), word => 0x3800 + word)
        return { name, shape, dtype, data: bits }
      })
      await writeSafetensors(`${folder}/model.safetensors`, tensors)
      const opened = await openModelFolder(folder)
      const found: Float32Array[] = []
      for (const wordsOnHost of [false, true]) {
        const loaded = await loadEncoder(backend, opened, settings, { kind: 'frozen' }, { wordsOnHost })
        found.push(await encodeSequences(backend, loaded.encoder, batch))
        assert.equal(await loaded.readWeight(config.form.words), await opened.readTensor(config.form.words))
        loaded.release()
      }
      assert.equal(found[0], found[1])
      await opened.close()
    }
  })
}

const limited = (binding: number, memory: number) =>
  ({ kind: 'wasm', limits: { binding, memory, alignment: 256 } }) as const
const bytes = source.expected.reduce((sum, { shape }) => sum + 4 * shape.reduce((product, n) => product * n, 1), 0)
const table = 11 * 24 * 4

test('what a backend cannot hold: tables go to the host, what is left is refused with figures', () => {
  const plan = (binding: number, memory: number, method: Method['kind'] = 'frozen') =>
    planMemory(limited(binding, memory), source, method, { int8: false })
  const roomy = plan(2 ** 30, 2 ** 30)
  assert.equal([roomy.backend, roomy.host], [bytes, 0])
  const tight = plan(2 ** 30, bytes - 1)
  assert.equal([tight.backend, tight.host], [bytes - table, table])
  assert.equal(plan(2 ** 30, 2 ** 30, 'full').backend, 4 * bytes)
  assert.throws(
    () => plan(2 ** 30, bytes - table - 1),
    /weights take 0.00 GiB, but the wasm backend has 0.00 GiB at most; use --backend webgpu/,
  )
  assert.throws(() => plan(100, 2 ** 30), /.* takes 0.0 MiB, but the wasm backend binds 0.0 MiB at once/)
  assert.throws(
    () => planMemory(limited(2 ** 30, 2 ** 30), source, 'full', { int8: false, wordsOnHost: true }),
    /that are trained cannot stay on the host/,
  )
})

test('the plan in words', () => {
  const wide = randomSource({ ...config, vocabulary: 1 << 20 }, 1)
  const plan = planMemory(limited(2 ** 32, 2 ** 32), wide, 'lora', { int8: false, adapter, wordsOnHost: true })
  assert.match(describeMemory(plan), /^weights 0.0 MiB, the adapter 0.0 MiB, embeddings on the host 96.0 MiB$/)
  assert.is(plan.adapter, 16 * 2 * 2 * (2 * 2 * 24))
})

test('nothing is read where it does not fit', async () => {
  const [backend] = await backendsPresent()
  const small: Backend = { ...backend!, ...limited(2 ** 30, 1000) }
  const unread = { ...source, readTensor: async () => assert.unreachable() as never }
  assert.match(await failure(loadEncoder(small, unread, settings, { kind: 'frozen' })), /weights take 0.00 GiB, but/)
})

test.run()
