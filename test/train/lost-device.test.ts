// A device that is lost in the middle of a training, and one with no more than the specification's default limits: WebGPU only.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Backend } from '../../src/backend/backend.js'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { createWebGpuBackend, type WebGpuBackend } from '../../src/backend/webgpu/backend.js'
import { newAdapter } from '../../src/model/load.js'
import { searchExact } from '../../src/retrieve/search.js'
import { readCheckpoint, writeCheckpoint } from '../../src/train/checkpoint.js'
import { createContrastiveTrainer } from '../../src/train/contrastive.js'
import { type LoopHooks, type LoopSettings, trainLoop } from '../../src/train/loop.js'
import { defaultOptimizer } from '../../src/train/optimizer.js'
import { webgpuBackend } from '../support/adapter.js'
import { failure, temporaryFolder } from '../support/temporary.js'
import { tinyConfig } from '../support/tiny-bert.js'
import { parametersOf, tinyEncoder, tinyExamples } from '../support/tiny-training.js'
import { seededValues } from '../support/values.js'

const present = await webgpuBackend()
const onGpu = present ? test : test.skip
const adapter = process.env.WGPU_RETRIEVE_ADAPTER
const fresh = (options: { defaultLimits?: boolean } = {}): Promise<WebGpuBackend> =>
  createWebGpuBackend({ ...options, tune: false, ...(adapter && { adapter }) })

const { texts, examples } = tinyExamples(12)
const settings: LoopSettings = {
  ...{ seed: 5, steps: 6, batchSize: 4, accumulation: 1, dropLast: true, hardNegatives: 1, inBatch: true },
  ...{ learningRate: 1e-2, schedule: { schedule: 'constant', total: 6, warmup: 0 }, checkpointEvery: 2 },
}

/** Trains a tiny encoder by LoRA, with dropout, from the checkpoint at `resume` where given; → losses by step and the parameters. */
async function trained(backend: Backend, hooks: LoopHooks, saved: string, resume: boolean) {
  const targets = ['query', 'value']
  const adapter = newAdapter(tinyConfig, { rank: 2, alpha: 4, dropout: 0.1, targets }, 3)
  const loaded = await tinyEncoder(backend, { kind: 'lora', adapter })
  const trainable = loaded.trainable!
  const sides = { query: loaded.encoder, passage: loaded.encoder, trainable }
  const trainer = createContrastiveTrainer(backend, {
    ...sides,
    ...{ temperature: 0.1, optimizer: defaultOptimizer, dropout: 0.1 },
  })
  const losses: number[] = []
  const all: LoopHooks = {
    saveCheckpoint: checkpoint => writeCheckpoint(saved, checkpoint, 'same'),
    ...hooks,
    onStep: async record => {
      losses[record.step] = record.loss
      await hooks.onStep?.(record)
    },
  }
  const from = resume ? await readCheckpoint(saved, trainable, 'same') : undefined
  await trainLoop(backend, trainer, trainable, texts, examples, settings, all, from)
  return { losses, parameters: await parametersOf(backend, trainable) }
}

onGpu('a device lost in mid-step: said so, the last checkpoint whole, resumed to the same bits', async () => {
  const folder = temporaryFolder()
  const whole = await fresh()
  const expected = await trained(whole, {}, join(folder, 'whole'), false)
  whole.close()

  const lost = await fresh()
  const saved = join(folder, 'saved')
  const message = await failure(
    trained(lost, { onStep: ({ step }) => void (step === 2 && lost.device.destroy()) }, saved, false),
  )
  assert.match(message, /^the GPU device was lost \(reason: .*\); resume from the last checkpoint$/)
  lost.close()

  const again = await fresh()
  const resumed = await trained(again, {}, saved, true)
  again.close()
  assert.equal(resumed.losses.slice(2), expected.losses.slice(2))
  assert.is(resumed.losses[1], undefined, 'from step 2 on')
  assert.equal(resumed.parameters, expected.parameters)
})

onGpu('a training step and a search on a device with the default limits and no feature', async () => {
  const limited = await fresh({ defaultLimits: true })
  const { limits, features } = limited.device
  assert.equal(
    [limits.maxStorageBufferBindingSize, limits.maxBufferSize, limits.maxComputeWorkgroupStorageSize],
    [128 * 2 ** 20, 256 * 2 ** 20, 16 * 2 ** 10],
  )
  assert.equal([limits.maxStorageBuffersPerShaderStage, limits.maxComputeInvocationsPerWorkgroup], [8, 256])
  assert.not(features.has('subgroups' as GPUFeatureName))
  assert.not(features.has('shader-f16'))
  const wasm = await createWasmBackend({ threads: 1 })
  const folder = temporaryFolder()
  const [found, expected] = [
    await trained(limited, {}, join(folder, 'limited'), false),
    await trained(wasm, {}, join(folder, 'wasm'), false),
  ]
  found.losses.forEach((loss, step) => {
    assert.ok(Math.abs(loss - expected.losses[step]!) < 1e-4, `step ${step}: ${loss}, on wasm ${expected.losses[step]}`)
  })
  const random = seededValues(9)
  const [queries, corpus] = [random.normal(5 * 24), random.normal(300 * 24)]
  const [ours, theirs] = [
    await searchExact(limited, queries, corpus, 24, { k: 10 }),
    await searchExact(wasm, queries, corpus, 24, { k: 10 }),
  ]
  assert.equal(ours.rows, theirs.rows)
  wasm.close()
  limited.close()
})

test.run()
