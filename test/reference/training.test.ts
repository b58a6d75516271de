// The references against themselves: each backward form against central differences of its forward form, the others against a second way
// of saying the same. A wrong reference would make wrong kernels right.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { NORM_CHUNK } from '../../src/backend/kernels.js'
import { openSafetensors } from '../../src/data/safetensors.js'
import { needs } from '../support/shared.js'
import { close, differences, dot, normal, random, zeros } from './differences.js'
import { reference } from './reference.js'

test('softmax_cross_entropy_backward is the gradient of the weighted losses', () => {
  const [rows, columns] = [3, 6]
  const [scores, weights] = [normal(rows * columns, 3), normal(rows)]
  const targets = Int32Array.of(2, 0, 6, 3, 2, 5, 4, 4, 5)
  const forward = () => {
    const [losses, lse, out] = [zeros(rows), zeros(rows), Float64Array.of(1)]
    reference.softmax_cross_entropy_forward({ scores, targets, losses, lse }, { rows, columns })
    reference.weighted_sum({ x: losses, weights, out }, { count: rows, accumulate: 1 })
    return { losses, lse, scalar: out[0]! }
  }
  const { losses, lse } = forward()
  const expected = differences(scores, () => forward().scalar)
  const gradient = scores.slice()
  reference.softmax_cross_entropy_backward({ targets, weights, lse, scores: gradient }, { rows, columns })
  close('scores', gradient, expected)
  const direct = -Math.log(Math.exp(scores[2]!) / scores.subarray(0, 6).reduce((sum, s) => sum + Math.exp(s), 0))
  assert.ok(Math.abs(losses[0]! - direct) < 1e-14)
  assert.ok(Math.abs(losses[2]!) < 1e-15, 'one column: no loss')
})

test('sum_of_squares and gradient_norm give the norm, the factor and the guard', () => {
  const x = normal(NORM_CHUNK * 2 + 100)
  const partials = zeros(5).fill(-1)
  reference.sum_of_squares({ x, partials }, { count: x.length, first: 1 })
  assert.is(partials[0], -1)
  assert.is(partials[4], -1)
  const norm = Math.sqrt(dot(x, x))
  assert.ok(Math.abs(Math.sqrt(partials[1]! + partials[2]! + partials[3]!) / norm - 1) < 1e-13)
  const stateOf = (list: number[], maxNorm: number) => {
    const state = Float64Array.of(9, 9, 9, 2)
    reference.gradient_norm({ partials: Float64Array.from(list), state }, { count: list.length, maxNorm, unscale: 1 })
    return Array.from(state)
  }
  assert.equal(stateOf([9, 16], 1), [5, 1 / (5 + 1e-6), 1, 2])
  assert.equal(stateOf([9, 16], 10), [5, 1, 1, 2])
  assert.equal(stateOf([9, 16], 0), [5, 1, 1, 2])
  assert.equal(stateOf([9, Infinity], 1).slice(2), [0, 3])
  assert.equal(stateOf([9, Number.NaN], 0).slice(2), [0, 3])
})

test('top_k: value, then lower index; NaN as −∞; missing entries last; merging is like one call', () => {
  const run = (scores: number[], k: number, first: number, held?: { values: Float64Array; indices: Int32Array }) => {
    const state = held ?? { values: zeros(k).fill(7), indices: new Int32Array(k).fill(7) }
    const params = { rows: 1, columns: scores.length, k, first, fresh: held ? 0 : 1 }
    reference.top_k({ scores: Float64Array.from(scores), ...state }, params)
    return state
  }
  const lists = (state: { values: Float64Array; indices: Int32Array }) => [
    Array.from(state.values),
    Array.from(state.indices),
  ]
  const { NaN: nan } = Number
  assert.equal(lists(run([1, 3, 3, 2], 3, 10)), [
    [3, 3, 2],
    [11, 12, 13],
  ])
  assert.equal(lists(run([nan, 1, -Infinity], 5, 0)), [
    [1, -Infinity, -Infinity, -Infinity, -Infinity],
    [1, 0, 2, -1, -1],
  ])
  const scores = Array.from(random.integers(40, 6))
  const whole = lists(run(scores, 7, 0))
  const head = run(scores.slice(0, 3), 7, 0)
  assert.equal(lists(run(scores.slice(20), 7, 20, run(scores.slice(3, 20), 7, 3, head))), whole)
  const tail = run(scores.slice(20), 7, 20)
  assert.equal(lists(run(scores.slice(0, 20), 7, 0, tail)), whole)
  const sorted = scores.map((value, index) => ({ value, index })).sort((a, b) => b.value - a.value || a.index - b.index)
  assert.equal(whole, [sorted.slice(0, 7).map(e => e.value), sorted.slice(0, 7).map(e => e.index)])
})

test('adamw: one step by hand, decoupled and not, and nothing where the norm was not finite', () => {
  const step = (decoupled: number, finite: number) => {
    const state = Float64Array.of(4, 0.25, finite, 0)
    const [parameters, m, v] = [Float64Array.of(2), Float64Array.of(0.1), Float64Array.of(0.01)]
    const betas = { beta1: 0.9, oneMinusBeta1: 0.1, beta2: 0.99, oneMinusBeta2: 0.01, correction1: 5, correction2: 50 }
    const params = { count: 1, rate: 0.1, epsilon: 1e-8, decay: 0.5, decoupled, ...betas }
    reference.adamw({ gradient: Float64Array.of(4), state, parameters, m, v }, params)
    return [parameters[0]!, m[0]!, v[0]!]
  }
  // g = 1, or 1 + 0.5 · 2
  const [decoupled, coupled] = [
    [2 * 0.95 - (0.1 * 5 * 0.19) / (Math.sqrt(50 * 0.0199) + 1e-8), 0.19, 0.0199],
    [2 - (0.1 * 5 * 0.29) / (Math.sqrt(50 * 0.0499) + 1e-8), 0.29, 0.0499],
  ]
  close('decoupled', Float64Array.from(step(1, 1)), Float64Array.from(decoupled!), 1e-15)
  close('coupled', Float64Array.from(step(0, 1)), Float64Array.from(coupled!), 1e-15)
  assert.equal(step(1, 0), [2, 0.1, 0.01])
})

const oracle = needs('oracles/optim/sequences.safetensors')
;(oracle ? test : test.skip)('adamw and gradient_norm follow torch.optim over 50 steps', async () => {
  const kinds = [
    { name: 'adamw', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.01, decoupled: 1 },
    { name: 'adamw-decay-0.1-betas', beta1: 0.8, beta2: 0.95, epsilon: 1e-6, decay: 0.1, decoupled: 1 },
    { name: 'adam-l2', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.01, decoupled: 0 },
  ]
  const file = await openSafetensors(oracle!)
  const tensor = async (name: string) => Float64Array.from(await file.readF32(name))
  const [gradients, rates, count] = [await tensor('gradients'), await tensor('lr'), 35]
  for (const { name, ...settings } of kinds) {
    const [parameters, m, v, state] = [await tensor('start'), zeros(count), zeros(count), zeros(4)]
    const expected = await tensor(`${name}.parameters`)
    const betas = { oneMinusBeta1: 1 - settings.beta1, oneMinusBeta2: 1 - settings.beta2 }
    for (const [step, rate] of rates.entries()) {
      const gradient = gradients.subarray(step * count, (step + 1) * count)
      const corrections = {
        correction1: 1 / (1 - settings.beta1 ** (step + 1)),
        correction2: 1 / (1 - settings.beta2 ** (step + 1)),
      }
      const partials = zeros(1)
      reference.sum_of_squares({ x: gradient, partials }, { count, first: 0 })
      reference.gradient_norm({ partials, state }, { count: 1, maxNorm: 1, unscale: 1 })
      const params = { count, rate, ...settings, ...betas, ...corrections }
      reference.adamw({ gradient, state, parameters, m, v }, params)
      close(`${name}, step ${step}`, parameters, expected.subarray(step * count, (step + 1) * count), 2e-6)
    }
    close(`${name}.m`, m, await tensor(`${name}.m`), 2e-6)
    close(`${name}.v`, v, await tensor(`${name}.v`), 2e-6)
  }
  await file.close()
})

test.run()
