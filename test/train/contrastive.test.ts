// Whole training steps against PyTorch in f64: gradients of InfoNCE through BERT (full, two encoders, LoRA), thirty steps of training, and the same
// gradient for every chunk size.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type PackedBatch, selectSequences } from '../../src/model/batch.js'
import { readConfig } from '../../src/model/config.js'
import { readAdapter } from '../../src/model/peft.js'
import { readTensor } from '../../src/tensor/parameters.js'
import { type ContrastiveSettings, candidatesOf, createContrastiveTrainer } from '../../src/train/contrastive.js'
import { defaultOptimizer } from '../../src/train/optimizer.js'
import { rateFactor } from '../../src/train/schedule.js'
import { adapterNames, gradientArrays, loadCase, readCase, worstGradient } from '../support/gradients.js'
import {
  type Arrays,
  byCanonicalName,
  differenceNorm,
  loadFolder,
  norm,
  readArrays,
  readPacked,
} from '../support/oracles.js'
import { backendsPresent } from '../support/present.js'
import { needs } from '../support/shared.js'

const gradients = needs('oracles/gradients')
const training = needs('oracles/training')
const encoders = needs('oracles/encoders')
const backends = await backendsPresent()

const plain = { optimizer: defaultOptimizer, dropout: 0 }

for (const backend of backends) {
  const limit = backend.kind === 'wasm' ? 2e-5 : 1e-4
  for (const name of ['a-bert-full', 'c-bert-lora'])
    (gradients ? test : test.skip)(`${backend.kind}: gradients of ${name}`, async () => {
      const folder = `${gradients}/${name}`
      const { settings, loaded, batch } = await loadCase(backend, folder)
      const shared = { query: loaded.encoder, passage: loaded.encoder, trainable: loaded.trainable! }
      const trainer = createContrastiveTrainer(backend, { ...plain, ...shared, temperature: settings.temperature })
      const loss = await trainer.gradients(batch, { seed: 1, counter: 0 })
      assert.ok(Math.abs(loss - settings.loss) <= 1e-5 * settings.loss, `loss ${loss}, expected ${settings.loss}`)
      const expected = await readArrays(`${folder}/gradients.safetensors`)
      const worst = worstGradient(
        await gradientArrays(backend, loaded),
        name.endsWith('lora') ? adapterNames(expected) : byCanonicalName(expected),
      )
      assert.ok(worst.error <= limit, `${worst.name} is ${worst.error} off`)
      trainer.release()
      loaded.release()
    })

  ;(gradients ? test : test.skip)(`${backend.kind}: gradients of b-bert-asymmetric`, async () => {
    const folder = `${gradients}/b-bert-asymmetric`
    const { settings, options, loaded, batch } = await loadCase(backend, folder)
    const other = await loadFolder(backend, `${folder}/${settings.passage_model}`, { kind: 'full' }, options)
    const [a, b] = [loaded.trainable!, other.trainable!]
    const trainable = { ...a, segments: [...a.segments, ...b.segments] }
    const both = { query: loaded.encoder, passage: other.encoder, trainable }
    for (const chunkSize of [undefined, 3]) {
      const trainer = createContrastiveTrainer(backend, {
        ...plain,
        ...both,
        temperature: settings.temperature,
        ...(chunkSize && { chunkSize }),
      })
      const loss = await trainer.gradients(batch, { seed: 1, counter: 0 })
      assert.ok(Math.abs(loss - settings.loss) <= 1e-5 * settings.loss, `loss ${loss}, expected ${settings.loss}`)
      const actual = {
        ...(await gradientArrays(backend, loaded, 'query.')),
        ...(await gradientArrays(backend, other, 'passage.')),
      }
      const worst = worstGradient(actual, await readArrays(`${folder}/gradients.safetensors`))
      assert.ok(worst.error <= limit, `chunks of ${chunkSize}: ${worst.name} is ${worst.error} off`)
      trainer.release()
      for (const { gradients: zeroed } of trainable.segments)
        backend.write(zeroed.view!, new Float32Array(zeroed.shape[0] as number))
    }
    loaded.release()
    other.release()
  })

  for (const name of ['full-linear', 'full-cosine', 'lora-linear'])
    (training && encoders ? test : test.skip)(`${backend.kind}: thirty steps of ${name}`, async () => {
      const trajectory = readCase(`${training}/${name}/trajectory.json`)
      const adapter =
        name.startsWith('lora') &&
        (await readAdapter(`${training}/lora-start`, await readConfig(`${encoders}/bert-small`)))
      const method = adapter
        ? ({ kind: 'lora', adapter: { ...adapter, dropout: 0 } } as const)
        : ({ kind: 'full' } as const)
      const loaded = await loadFolder(backend, `${encoders}/bert-small`, method, { pooling: 'mean', normalize: true })
      const settings: ContrastiveSettings = {
        ...plain,
        query: loaded.encoder,
        passage: loaded.encoder,
        trainable: loaded.trainable!,
        temperature: 0.05,
      }
      const trainer = createContrastiveTrainer(backend, settings)
      const query = await readPacked(`${training}/batches.safetensors`, 'query.')
      const passage = await readPacked(`${training}/batches.safetensors`, 'passage.')
      const relative = backend.kind === 'wasm' ? 1e-5 : 5e-5
      for (let s = 0; s < 30; s++) {
        const chosen = Array.from({ length: 6 }, (_, i) => 6 * s + i)
        const part = (all: PackedBatch) => selectSequences(all, chosen)
        const batch = { query: part(query), passage: part(passage), ...candidatesOf(6, 1, true) }
        const factor = rateFactor(s, {
          schedule: trajectory.schedule,
          total: 30,
          warmup: 3,
          minFactor: trajectory.floor,
        })
        const expected = { loss: trajectory.loss[s], lr: trajectory.lr[s], grad_norm: trajectory.grad_norm[s] }
        assert.ok(Math.abs(trajectory.peak_lr * factor - expected.lr) <= 1e-12)
        const { loss, gradientNorm, finite } = await trainer.step([batch], {
          rate: expected.lr,
          t: s + 1,
          seed: 1,
          counter: s,
        })
        assert.ok(finite)
        assert.ok(
          Math.abs(loss - expected.loss) <= relative * expected.loss,
          `step ${s}: loss ${loss}, expected ${expected.loss}`,
        )
        assert.ok(
          Math.abs(gradientNorm - expected.grad_norm) <= 1e-4 * expected.grad_norm,
          `step ${s}: gradient norm ${gradientNorm}, expected ${expected.grad_norm}`,
        )
      }
      const final = await readArrays(`${training}/${name}/final.safetensors`)
      for (const [key, expected] of Object.entries(
        name.startsWith('lora') ? adapterNames(final) : byCanonicalName(final),
      )) {
        if (key.endsWith('self.key.bias')) continue
        const error =
          differenceNorm(await readTensor(backend, loaded.trainable!.tensors.get(key)!), expected) / norm(expected)
        assert.ok(error <= relative, `${key} is ${error} off`)
      }
      trainer.release()
      loaded.release()
    })

  ;(training && encoders ? test : test.skip)(
    `${backend.kind}: any chunk size gives the same gradient, with dropout and without`,
    async () => {
      const query = await readPacked(`${training}/batches.safetensors`, 'query.')
      const passage = await readPacked(`${training}/batches.safetensors`, 'passage.')
      const first = (all: PackedBatch) => selectSequences(all, [0, 1, 2, 3, 4, 5])
      const batch = { query: first(query), passage: first(passage), ...candidatesOf(6, 1, true) }
      const oracle = byCanonicalName(await readArrays(`${training}/grad-cache/gradients.safetensors`))
      for (const dropout of [0, 0.1]) {
        const found: Arrays[] = []
        for (const chunkSize of [undefined, 1, 2, 5]) {
          const loaded = await loadFolder(
            backend,
            `${encoders}/bert-small`,
            { kind: 'full' },
            { pooling: 'mean', normalize: true },
          )
          const shared = {
            query: loaded.encoder,
            passage: loaded.encoder,
            trainable: loaded.trainable!,
            temperature: 0.05,
          }
          const trainer = createContrastiveTrainer(backend, {
            ...plain,
            ...shared,
            dropout,
            ...(chunkSize && { chunkSize }),
          })
          await trainer.gradients(batch, { seed: 7, counter: 3 })
          found.push(await gradientArrays(backend, loaded))
          trainer.release()
          loaded.release()
        }
        for (const each of found.slice(1)) {
          const all = norm(Object.values(found[0]!).map(norm))
          for (const [name, g] of Object.entries(found[0]!)) {
            // Its true gradient is 0: what is there is rounding.
            if (name.endsWith('self.key.bias')) continue
            const error = differenceNorm(each[name]!, g) / Math.max(norm(g), 1e-4 * all)
            assert.ok(error <= 1e-5, `dropout ${dropout}: ${name} differs by ${error} between chunk sizes`)
          }
        }
        const worst = worstGradient(found[0]!, oracle)
        if (dropout === 0) assert.ok(worst.error <= limit, `${worst.name} is ${worst.error} off`)
        else assert.ok(worst.error > 0.01, 'dropout changed nothing')
      }
    },
  )
}

for (const backend of backends)
  (training && encoders ? test : test.skip)(
    `${backend.kind}: the same seed gives the same bits, another one does not`,
    async () => {
      const query = await readPacked(`${training}/batches.safetensors`, 'query.')
      const passage = await readPacked(`${training}/batches.safetensors`, 'passage.')
      const first = (all: PackedBatch) => selectSequences(all, [0, 1, 2, 3, 4, 5])
      const batch = { query: first(query), passage: first(passage), ...candidatesOf(6, 1, true) }
      const trained = async (seed: number) => {
        const loaded = await loadFolder(backend, `${encoders}/bert-small`, { kind: 'full' }, { pooling: 'mean' })
        const shared = {
          query: loaded.encoder,
          passage: loaded.encoder,
          trainable: loaded.trainable!,
          temperature: 0.05,
        }
        const trainer = createContrastiveTrainer(backend, { ...plain, ...shared, dropout: 0.1 })
        for (let t = 1; t <= 3; t++) await trainer.step([batch], { rate: 1e-3, t, seed, counter: t })
        const weight = await loaded.readWeight('encoder.layer.0.attention.self.query.weight')
        trainer.release()
        loaded.release()
        return weight
      }
      const [once, again, other] = [await trained(1), await trained(1), await trained(2)]
      assert.equal(once, again)
      assert.not.equal(once, other)
    },
  )

test('in-batch candidates are all passages, own candidates only the query’s', () => {
  assert.equal(Array.from(candidatesOf(2, 3, true).targets), [0, 0, 6, 3, 0, 6])
  assert.equal(Array.from(candidatesOf(2, 3, false).targets), [0, 0, 3, 3, 3, 6])
  assert.equal(Array.from(candidatesOf(2, 3, true).weights), [0.5, 0.5])
})
test.run()
