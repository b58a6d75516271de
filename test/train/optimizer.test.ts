// Adam and AdamW behind clipping and the guard, against torch.optim in f64; a gradient that is not finite moves nothing.
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Backend } from '../../src/backend/backend.js'
import { createTrainable, readTensor } from '../../src/tensor/parameters.js'
import { createPlan } from '../../src/tensor/plan.js'
import { createPool, createProgram } from '../../src/tensor/program.js'
import { createTrace } from '../../src/tensor/trace.js'
import {
  createStatus,
  defaultOptimizer,
  type OptimizerSettings,
  readStatus,
  recordUpdate,
  updateValues,
} from '../../src/train/optimizer.js'
import { maxDifference, readArrays } from '../support/oracles.js'
import { backendsPresent } from '../support/present.js'
import { needs } from '../support/shared.js'

interface Kind {
  readonly betas: [number, number]
  readonly eps: number
  readonly clip_norm: number
  readonly decay: string
  readonly weight_decay: number
}

function createStepper(backend: Backend, start: Float32Array, settings: OptimizerSettings) {
  const trainable = createTrainable(backend, [{ name: 'w', shape: [5, 7], data: start, decay: true }])
  const status = createStatus(backend)
  const trace = createTrace({ training: true })
  recordUpdate(trace, trainable.segments, status.state, settings)
  const program = createProgram(createPlan('update', trace), createPool(backend))
  const tensor = trainable.tensors.get('w')!
  const [segment] = trainable.segments
  return {
    async step(gradient: Float32Array, rate: number, t: number) {
      backend.write(tensor.gradient!.view!, gradient)
      await program.run(updateValues(rate, t, settings))
      return readStatus(backend, status)
    },
    parameters: () => readTensor(backend, tensor),
    gradient: () => readTensor(backend, tensor.gradient!),
    moment: async (name: 'm' | 'v') => (await readTensor(backend, segment![name])).slice(0, 35),
  }
}

const folder = needs('oracles/optim')
const kinds: Record<string, Kind> = folder ? JSON.parse(readFileSync(`${folder}/sequences.json`, 'utf8')) : {}
const backends = await backendsPresent()

for (const backend of backends) {
  for (const [name, kind] of Object.entries(kinds))
    test(`${backend.kind}: fifty steps of ${name}`, async () => {
      const arrays = await readArrays(`${folder}/sequences.safetensors`)
      const settings = {
        beta1: kind.betas[0],
        beta2: kind.betas[1],
        epsilon: kind.eps,
        weightDecay: kind.weight_decay,
        clip: kind.clip_norm,
        decoupled: !kind.decay.startsWith('coupled'),
      }
      const stepper = createStepper(backend, arrays.start!, settings)
      for (let s = 0; s < 50; s++) {
        const { gradientNorm, finite } = await stepper.step(
          arrays.gradients!.slice(s * 35, (s + 1) * 35),
          arrays.lr![s]!,
          s + 1,
        )
        assert.ok(finite)
        assert.ok(Math.abs(gradientNorm - arrays.grad_norm![s]!) <= 1e-6 * arrays.grad_norm![s]!)
        const error = maxDifference(
          await stepper.parameters(),
          arrays[`${name}.parameters`]!.subarray(s * 35, (s + 1) * 35),
        )
        assert.ok(error <= 2e-6, `step ${s}: parameters are ${error} off`)
      }
      assert.ok(maxDifference(await stepper.moment('m'), arrays[`${name}.m`]!) <= 2e-6)
      assert.ok(maxDifference(await stepper.moment('v'), arrays[`${name}.v`]!) <= 2e-6)
    })

  test(`${backend.kind}: one step of AdamW by hand`, async () => {
    const start = Float32Array.from({ length: 35 }, (_, i) => i / 10 - 1)
    const gradient = Float32Array.from({ length: 35 }, (_, i) => Math.cos(i) / 100)
    const stepper = createStepper(backend, start, { ...defaultOptimizer, clip: 0 })
    await stepper.step(gradient, 0.01, 1)
    // At t = 1 the corrected moments are g and g².
    const expected = start.map(
      (w, i) => w * (1 - 0.01 * 0.01) - (0.01 * gradient[i]!) / (Math.abs(gradient[i]!) + 1e-8),
    )
    assert.ok(maxDifference(await stepper.parameters(), expected) <= 1e-6)
    assert.equal(Array.from(await stepper.gradient()), new Array(35).fill(0), 'gradients are set back to zero')
  })

  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY])
    test(`${backend.kind}: a gradient of ${bad} moves nothing and is reported`, async () => {
      const start = new Float32Array(35).fill(0.5)
      const stepper = createStepper(backend, start, defaultOptimizer)
      const gradient = new Float32Array(35).fill(0.1)
      gradient[17] = bad
      const { finite } = await stepper.step(gradient, 0.1, 1)
      assert.not.ok(finite)
      assert.equal(await stepper.parameters(), start)
      assert.equal(Array.from(await stepper.moment('m')), new Array(35).fill(0))
      assert.ok((await stepper.step(new Float32Array(35).fill(0.1), 0.1, 1)).finite, 'the next step works')
    })
}
test.run()
