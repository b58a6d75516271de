// Mixed precision: products with f16 factors, a scaled loss, steps that are skipped where gradients are not finite.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { createWebGpuBackend } from '../../src/backend/webgpu/backend.js'
import { type ModelConfig, parseConfig } from '../../src/model/config.js'
import { loadEncoder, randomSource } from '../../src/model/load.js'
import type { Precision } from '../../src/model/quantize.js'
import { type Checkpoint, readCheckpoint, takeParameters, writeCheckpoint } from '../../src/train/checkpoint.js'
import { type ContrastiveTrainer, candidatesOf, createContrastiveTrainer } from '../../src/train/contrastive.js'
import { type LoopSettings, type StepRecord, trainLoop } from '../../src/train/loop.js'
import { firstScaler, nextScaler } from '../../src/train/loss-scale.js'
import { defaultOptimizer } from '../../src/train/optimizer.js'
import { webgpuBackend } from '../support/adapter.js'
import { gradientArrays, worstGradient } from '../support/gradients.js'
import { failure, temporaryFolder } from '../support/temporary.js'
import { tinyConfig } from '../support/tiny-bert.js'
import { tinyEncoder, tinyExamples } from '../support/tiny-training.js'
import { offsetsOf, seededValues } from '../support/values.js'

const present = await webgpuBackend()
const mixed =
  present &&
  (await createWebGpuBackend({ adapter: present.adapterInfo.name, mixed: true }).catch((error: Error) => {
    if (!/no shader-f16/.test(error.message)) throw error
    console.log(`skipped: ${error.message}`)
    return undefined
  }))
const onF16 = mixed ? test : test.skip

test('the scale halves at each step skipped, doubles after many good ones, and gives up with advice', () => {
  let state = nextScaler(firstScaler, false, 0, 2 ** 16)
  assert.equal(state, { scale: 2 ** 15, good: 0, skipped: 1, inRow: 1 })
  for (let step = 0; step < 999; step++) state = nextScaler(state, true, step, state.scale)
  assert.equal(state, { scale: 2 ** 15, good: 999, skipped: 1, inRow: 0 })
  assert.equal(nextScaler(state, true, 999, 2 ** 15), { scale: 2 ** 16, good: 0, skipped: 1, inRow: 0 })
  for (let step = 0; step < 23; step++) state = nextScaler(state, false, step, state.scale)
  assert.is(state.skipped, 24)
  assert.is(nextScaler({ ...state, inRow: 0 }, false, 1, 2 * state.scale).scale, state.scale)
  assert.throws(
    () => nextScaler(state, false, 40, 1),
    /step 40: 24 steps in a row had gradients that are not finite.*lower the learning rate .*precision = "f32"/,
  )
})

test('the loop: skipped steps are counted, do not count for Adam, and a run that was stopped goes on with its scale', async () => {
  const backend = await createWasmBackend({ threads: 1 })
  const { trainable } = await tinyEncoder(backend, { kind: 'full' })
  const { texts, examples } = tinyExamples(10)
  const settings: LoopSettings = {
    ...{ seed: 5, steps: 6, batchSize: 4, accumulation: 1, dropLast: true, hardNegatives: 0, inBatch: true },
    ...{ learningRate: 1, schedule: { schedule: 'constant', total: 6, warmup: 0 }, mixed: true, checkpointEvery: 2 },
  }
  const run = async (bad: readonly number[], resume?: Checkpoint) => {
    const given: (readonly [t: number, scale: number | undefined])[] = []
    const records: StepRecord[] = []
    const saved: Checkpoint[] = []
    const trainer: ContrastiveTrainer = {
      async start(_, { t, counter, lossScale }) {
        given.push([t, lossScale])
        const [loss, finite] = bad.includes(counter) ? [Number.NaN, false] : [1, true]
        return { outcome: Promise.resolve({ loss, gradientNorm: 1, finite }) }
      },
      step: () => Promise.reject(new Error('not asked')),
      measure: () => Promise.reject(new Error('not asked')),
      gradients: async () => 0,
      peakBytes: () => 0,
      release() {},
    }
    const hooks = {
      onStep: (record: StepRecord) => void records.push(record),
      saveCheckpoint: async (checkpoint: Checkpoint) => void saved.push(checkpoint),
    }
    await trainLoop(backend, trainer, trainable!, texts, examples, settings, hooks, resume)
    return { given, records, saved }
  }
  const { given, records, saved } = await run([1, 2])
  // A step starts before the one before it has ended.
  const [full, half] = [2 ** 16, 2 ** 15]
  const expected = [
    [1, full],
    [2, full],
    [3, full],
    [3, half],
    [3, half],
    [4, half],
  ]
  assert.equal(given, expected)
  assert.equal(
    records.map(({ skipped, loss_scale }) => [skipped, loss_scale]),
    expected.map(([, scale], i) => [i === 1 || i === 2 ? true : undefined, scale]),
  )
  assert.equal((await run([2], saved[0])).given, expected.slice(2))
  backend.close()
})

const config = { ...tinyConfig, hidden: 32, heads: 2, intermediate: 72, initializerRange: 0.3 }
// Gated, grouped queries, causal, rotated: its widths in vectors of four and not.
const decoder = {
  ...parseConfig(
    {
      ...{ model_type: 'qwen2', hidden_size: 36, num_hidden_layers: 2, num_attention_heads: 6, num_key_value_heads: 2 },
      ...{ intermediate_size: 74, vocab_size: config.vocabulary, max_position_embeddings: 32, rope_theta: 1e4 },
    },
    'tiny',
  ),
  initializerRange: 0.3,
}
const batchOf = () => {
  const random = seededValues(3)
  const texts = () => ({ ids: random.integers(24, config.vocabulary), offsets: offsetsOf([5, 7, 4, 8]) })
  return { query: texts(), passage: texts(), ...candidatesOf(4, 1, true) }
}

const open = async (
  precision: Precision,
  more: { temperature?: number; dropout?: number } = {},
  model: ModelConfig = config,
) => {
  const settings = { pooling: ['mean'], normalize: true } as const
  const loaded = await loadEncoder(mixed!, randomSource(model, 1), settings, { kind: 'full' }, { precision })
  const shared = { query: loaded.encoder, passage: loaded.encoder, trainable: loaded.trainable! }
  const trainer = createContrastiveTrainer(mixed!, {
    ...{ ...shared, optimizer: defaultOptimizer, temperature: 0.05, dropout: 0, ...more },
  })
  return { loaded, trainer }
}

for (const [form, model] of Object.entries({ bert: config, qwen2: decoder }))
  onF16(`${form}: gradients are near those in f32, and not the same`, async () => {
    const gradients = async (precision: Precision) => {
      const { loaded, trainer } = await open(precision, {}, model)
      const loss = await trainer.gradients(batchOf(), { seed: 1, counter: 0 })
      const arrays = await gradientArrays(mixed!, loaded)
      trainer.release()
      loaded.release()
      return { loss, arrays }
    }
    const [f32, f16] = [await gradients('f32'), await gradients('mixed')]
    assert.ok(Math.abs(f16.loss - f32.loss) < 5e-3 * f32.loss && f16.loss !== f32.loss, `${f16.loss}, ${f32.loss}`)
    // Of weights; the bias of keys has a gradient of 0.
    const weights = Object.fromEntries(Object.entries(f32.arrays).filter(([name]) => name.endsWith('weight')))
    const { name, error } = worstGradient(f16.arrays, weights)
    assert.ok(error < 0.03 && error > 1e-5, `${name} is ${error} off`)
  })

onF16('a scaled loss changes no gradient; one that overflows f16 changes no parameter', async () => {
  const { loaded, trainer } = await open('mixed')
  const at = { rate: 1e-3, t: 1, seed: 1, counter: 0 }
  const before = await takeParameters(mixed!, loaded.trainable!)
  const overflown = await trainer.step([batchOf()], { ...at, lossScale: 2 ** 60 })
  assert.is(overflown.finite, false)
  assert.equal(await takeParameters(mixed!, loaded.trainable!), before)
  const scaled = await trainer.step([batchOf()], { ...at, lossScale: 2 ** 10 })
  const other = await open('mixed')
  const plain = await other.trainer.step([batchOf()], at)
  assert.is(scaled.finite, true)
  assert.ok(Math.abs(scaled.loss - plain.loss) < 1e-5 * plain.loss, `${scaled.loss}, ${plain.loss}`)
  assert.ok(Math.abs(scaled.gradientNorm - plain.gradientNorm) < 0.01 * plain.gradientNorm)
  for (const each of [{ loaded, trainer }, other]) {
    each.trainer.release()
    each.loaded.release()
  }
})

onF16('a run that skips steps, stopped among them and resumed from its file, ends in the same bits', async () => {
  const { texts, examples } = tinyExamples(12)
  const settings: LoopSettings = {
    ...{ seed: 5, steps: 8, batchSize: 4, accumulation: 1, dropLast: true, hardNegatives: 0, inBatch: true },
    ...{ learningRate: 1e-3, schedule: { schedule: 'constant', total: 8, warmup: 0 }, mixed: true, checkpointEvery: 2 },
  }
  const path = join(temporaryFolder(), 'checkpoint.safetensors')
  const run = async (resumed?: true) => {
    // So low that the scaled gradients overflow at first.
    const { loaded, trainer } = await open('mixed', { temperature: 0.01, dropout: 0.1 })
    const records: unknown[] = []
    const saved: Checkpoint[] = []
    const hooks = {
      onStep: ({ step, loss, loss_scale, skipped }: StepRecord) =>
        void records.push({ step, loss, loss_scale, skipped }),
      saveCheckpoint: async (checkpoint: Checkpoint) => void saved.push(checkpoint),
    }
    const resume = resumed && (await readCheckpoint(path, loaded.trainable!, 'mixed'))
    await trainLoop(mixed!, trainer, loaded.trainable!, texts, examples, settings, hooks, resume)
    const parameters = await takeParameters(mixed!, loaded.trainable!)
    trainer.release()
    loaded.release()
    return { records, saved, parameters }
  }
  const whole = await run()
  const skipped = whole.records.filter(record => (record as StepRecord).skipped).length
  assert.ok(skipped > 2 && skipped < 8, `${skipped} of 8 steps skipped`)
  await writeCheckpoint(path, whole.saved[0]!, 'mixed')
  const resumed = await run(true)
  assert.equal(resumed.records, whole.records.slice(2))
  assert.equal(resumed.parameters, whole.parameters)
})

test('refused on wasm, and on a device that was opened without it', async () => {
  const backend = await createWasmBackend({ threads: 1 })
  const load = (on: typeof backend | NonNullable<typeof present>) =>
    failure(
      loadEncoder(
        on,
        randomSource(config, 1),
        { pooling: ['mean'], normalize: true },
        { kind: 'full' },
        {
          precision: 'mixed',
        },
      ),
    )
  assert.match(await load(backend), /the wasm backend computes in f32; use precision f32, or --backend webgpu/)
  if (present) assert.match(await load(present), /which this one was opened without/)
  backend.close()
})

test.run()
