// Schedules against transformers' and PyTorch's factors at every step.
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { rateFactor, type ScheduleSettings } from '../../src/train/schedule.js'
import { needs } from '../support/shared.js'

const folder = needs('oracles/optim')
const settings: Record<string, Omit<ScheduleSettings, 'total' | 'warmup'>> = {
  linear: { schedule: 'linear' },
  constant: { schedule: 'constant' },
  cosine: { schedule: 'cosine' },
  cosine_min: { schedule: 'cosine', minFactor: 0.1 },
  one_cycle_linear: { schedule: 'one_cycle' },
}

;(folder ? test : test.skip)('every step of every schedule', () => {
  const file = JSON.parse(readFileSync(`${folder}/schedules.json`, 'utf8'))
  const factors: Record<string, number[]> = file.factors ?? file
  for (const [name, each] of Object.entries(settings)) {
    const expected = factors[name]!
    assert.is(expected.length, 200, name)
    expected.forEach((factor, step) => {
      const found = rateFactor(step, { ...each, total: 200, warmup: 20 })
      assert.ok(Math.abs(found - factor) <= 1e-12, `${name}, step ${step}: ${found}, expected ${factor}`)
    })
  }
})

test('one cycle of few steps has finite factors', () => {
  for (const total of [1, 5, 9, 10, 11])
    for (let step = 0; step < total; step++) {
      const factor = rateFactor(step, { schedule: 'one_cycle', total, warmup: 0 })
      assert.ok(factor >= 0 && factor <= 1, `${total} steps, step ${step}: ${factor}`)
    }
})

test('warm-up from the first step, by hand', () => {
  const linear = { schedule: 'linear', total: 180, warmup: 18, warmupOffset: 1 } as const
  assert.is(rateFactor(0, linear), 1 / 18)
  assert.is(rateFactor(17, linear), 1)
  assert.is(rateFactor(18, linear), 1)
  assert.is(rateFactor(99, linear), 0.5)
  assert.is(rateFactor(0, { schedule: 'linear', total: 10, warmup: 0 }), 1)
  assert.is(rateFactor(9, { schedule: 'constant', total: 10, warmup: 0 }), 1)
})
test.run()
