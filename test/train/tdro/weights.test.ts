// Weights from losses against the oracles, every mode at every step, and what the formulas say by hand where no oracle reaches.
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { sizeWeights } from '../../../src/train/tdro/groups.js'
import { type MicroBatch, measurements, proxyLoss } from '../../../src/train/tdro/measure.js'
import {
  collapsedDomain,
  finalWeights,
  gradientCosines,
  startWeights,
  updateWeights,
  type WeightMode,
  type WeightSettings,
} from '../../../src/train/tdro/weights.js'
import { needs } from '../../support/shared.js'

const TOLERANCE = 1e-10

interface RawTensor {
  readonly shape: readonly number[]
  readonly data: Float64Array
}

/** All tensors of a file as f64; the package's reader rounds F64 to f32, which would hide what is measured here. */
function readDoubles(path: string): Record<string, RawTensor> {
  const bytes = readFileSync(path)
  const length = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >
  const kinds = { F64: Float64Array, F32: Float32Array, I32: Int32Array, U8: Uint8Array }
  const tensors: Record<string, RawTensor> = {}
  delete (header as Record<string, unknown>).__metadata__
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    const [begin, end] = data_offsets
    const data = new Uint8Array(bytes.subarray(8 + length + begin, 8 + length + end)).buffer
    tensors[name] = { shape, data: Float64Array.from(new kinds[dtype as keyof typeof kinds](data)) }
  }
  return tensors
}

const rowOf = ({ data, shape }: RawTensor, row: number): number[] => {
  const width = shape.slice(1).reduce((a, b) => a * b, 1)
  return Array.from(data.subarray(row * width, (row + 1) * width))
}

function close(found: readonly number[], expected: readonly number[], what: string): void {
  assert.is(found.length, expected.length, what)
  const worst = found.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0)
  assert.ok(worst <= TOLERANCE, `${what}: off by ${worst}`)
}

function microBatchesOf(inputs: Record<string, RawTensor>, step: number): MicroBatch[] {
  const [, parts, m] = inputs.loss!.shape as [number, number, number]
  const part = (name: string, i: number) => rowOf(inputs[name]!, step).slice(i * m, (i + 1) * m)
  return Array.from({ length: parts }, (_, i) => ({
    ...{ domains: part('domains', i), loss: part('loss', i), reference: part('reference', i) },
  }))
}

for (const name of ['k5', 'k25']) {
  const folder = needs(`oracles/tdro/${name}`)
  if (!folder) continue
  for (const mode of measurements)
    test(`${name}: ${mode}, weights, gradients and proxy losses of every step`, () => {
      const inputs = readDoubles(`${folder}/inputs.safetensors`)
      const expected = readDoubles(`${folder}/${mode}.safetensors`)
      const [steps, count] = expected.alpha!.shape as [number, number]
      const settings = { mode, count }
      let state = startWeights(settings)
      for (let step = 0; step < steps; step++) {
        const batches = microBatchesOf(inputs, step)
        const before = state.alpha
        const { state: next, gradient, norm } = updateWeights(state, batches, settings)
        state = next
        const here = `step ${step}`
        close(state.alpha, rowOf(expected.alpha!, step), `${here} alpha`)
        close(gradient!, rowOf(expected.gradient!, step), `${here} gradient`)
        const relative = norm! / expected.norm!.data[step]! - 1
        assert.ok(Math.abs(relative) <= TOLERANCE, `${here} norm: off by ${relative}`)
        const losses = (alpha: readonly number[]) => batches.map(batch => proxyLoss(alpha, batch))
        close(losses(before), rowOf(expected.proxy_loss!, step), `${here} proxy loss`)
        close(losses(state.alpha), rowOf(expected.proxy_loss_update_before!, step), `${here} proxy loss, update before`)
      }
      const { final, mean, ema } = finalWeights(state, mode)
      close(final, rowOf(expected.alpha!, steps - 1), 'final')
      close(mean, Array.from(expected.mean!.data), 'mean')
      close(ema, Array.from(expected.ema_from_uniform!.data), 'running average')
    })
}

/** Examples of which each domain's mean loss and mean excess are those given. */
function examplesOf(loss: readonly number[], excess: readonly number[], present: readonly number[]): MicroBatch {
  const domains = present.flatMap((here, g) => (here ? [g] : []))
  return { domains, loss: domains.map(g => loss[g]!), reference: domains.map(g => loss[g]! - excess[g]!) }
}

const groups: readonly (readonly [string, WeightMode, number])[] = [
  ['group_dro', 'group_dro', 0],
  ['group_dro_adjusted', 'group_dro', 2],
  ['cvar', 'cvar', 0],
  ['doremi', 'doremi', 0],
  ['cgd', 'cgd', 0],
  ['cgd_adjusted', 'cgd', 2],
  ['coco_dr', 'coco_dr', 0],
]

for (const name of ['groups-6', 'groups-25', 'groups-6-large']) {
  const path = needs(`oracles/tdro/${name}.safetensors`)
  if (!path) continue
  for (const [key, mode, adjustment] of groups)
    test(`${name}: ${key}, weights and loss of every step`, () => {
      const oracle = readDoubles(path)
      const [steps, count] = oracle.loss!.shape as [number, number]
      const settings: WeightSettings = { mode, count, adjustment, sizes: Array.from(oracle.sizes!.data) }
      let state = startWeights(settings)
      for (let step = 0; step < steps; step++) {
        const [loss, excess, present] = ['loss', 'excess', 'present'].map(each => rowOf(oracle[each]!, step))
        const flat = rowOf(oracle.cos!, step)
        const cosines = Array.from({ length: count }, (_, i) => flat.slice(i * count, (i + 1) * count))
        state = updateWeights(state, [examplesOf(loss!, excess!, present!)], settings, cosines).state
        close(state.alpha, rowOf(oracle[key]!, step), `step ${step}`)
        const total = state.alpha.reduce((sum, w, g) => sum + w * loss![g]!, 0)
        const expected = oracle[`${key}.loss`]!.data[step]!
        assert.ok(Math.abs(total - expected) <= TOLERANCE * Math.max(1, expected), `step ${step}: loss ${total}`)
      }
      if (mode === 'doremi') close(finalWeights(state, mode).final, Array.from(oracle.doremi_final!.data), 'final')
    })
  test(`${name}: cosines of gradients`, () => {
    const { gradients, cos } = readDoubles(path) as { gradients: RawTensor; cos: RawTensor }
    const [steps, count, width] = gradients.shape as [number, number, number]
    for (let step = 0; step < steps; step++) {
      const flat = rowOf(gradients, step)
      const rows = Array.from({ length: count }, (_, g) => flat.slice(g * width, (g + 1) * width))
      close(gradientCosines(rows).flat(), rowOf(cos, step), `step ${step}`)
    }
  })
}

const settings = { mode: 'direct', count: 3 } as const

test('a step by hand: clipped gradient, softmax of the raised logarithms', () => {
  const { state, gradient, norm } = updateWeights(startWeights(settings), [{ domains: [0, 2], loss: [3, 4] }], settings)
  assert.is(norm, 5)
  close(gradient!, [3 / 5.000001, 0, 4 / 5.000001], 'gradient')
  const raised = [3, 0, 4].map(m => Math.exp((0.02 * m) / 5.000001))
  const total = raised.reduce((a, b) => a + b)
  close(
    state.alpha,
    raised.map(value => value / total),
    'alpha',
  )
})

test('a state that went through JSON goes on with the same bits', () => {
  const run = (through: <T>(state: T) => T) => {
    let state = startWeights(settings)
    for (let step = 0; step < 20; step++)
      state = through(updateWeights(state, [{ domains: [0, 1, 2], loss: [0.1 * step, 1 / 3, 2.7] }], settings).state)
    return state
  }
  assert.equal(
    run(state => JSON.parse(JSON.stringify(state))),
    run(state => state),
  )
})

test('weights that went far down neither underflow nor turn into no number', () => {
  let state = startWeights({ ...settings, rate: 50 })
  for (let step = 0; step < 100; step++)
    state = updateWeights(state, [{ domains: [0, 1], loss: [9, 1] }], { ...settings, rate: 50 }).state
  assert.ok(state.alpha.every(Number.isFinite) && state.logAlpha!.every(Number.isFinite))
  assert.is(collapsedDomain(state), 0)
  assert.is(collapsedDomain(startWeights(settings)), undefined)
})

test('a domain whose reference losses are all 0 still gets a finite gradient', () => {
  for (const mode of ['paper', 'paper-whole-step', 'reference'] as const) {
    const batch = { domains: [0, 1], loss: [1, 1], reference: [0, 0.5] }
    const { state } = updateWeights(startWeights({ mode, count: 2 }), [batch], { mode, count: 2 })
    assert.ok(state.alpha.every(Number.isFinite), mode)
  }
})

test('weights by size: in proportion, smoothed, uniform', () => {
  close(sizeWeights([1, 3], 1), [0.25, 0.75], 'in proportion')
  close(sizeWeights([1, 9], 2), [0.25, 0.75], 'square roots')
  close(sizeWeights([1, 9], Number.POSITIVE_INFINITY), [0.5, 0.5], 'uniform')
  const { final } = finalWeights(startWeights({ mode: 'size', count: 2, sizes: [1, 3] }), 'size')
  close(final, [0.25, 0.75], 'fixed')
})

test('what is missing is said', () => {
  const one: MicroBatch[] = [{ domains: [0], loss: [1] }]
  const step = (mode: WeightMode) => () => void updateWeights(startWeights({ mode, count: 1 }), one, { mode, count: 1 })
  assert.throws(step('reference'), /reference losses/)
  assert.throws(step('doremi'), /reference losses/)
  assert.throws(step('cgd'), /cosines/)
})

test.run()
