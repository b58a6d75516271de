import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { numbersAt, startSampling } from '../../src/data/sampling.js'
import { createWeightedChoice, type WeightedChoiceState } from '../../src/data/sampling-weighted.js'
import { accept, evenness, refuse, tally } from '../support/statistics.js'
import { seededValues } from '../support/values.js'

const fails = (action: () => unknown, text: string) =>
  assert.throws(action, (error: Error) => error.message.includes(text), `an error with “${text}”`)
const drawn = (weights: ArrayLike<number>, count: number, seed = 1) =>
  createWeightedChoice({ seed, weights }).draw(count)

/** The table as it lies in memory: of each column, its own shares and its alias. */
function tableOf(weights: readonly number[]) {
  const sampling = startSampling(1)
  const count = weights.length
  const address = sampling.weightRoom(count)
  numbersAt(sampling, address, count).set(weights)
  sampling.setWeights()
  return {
    shares: [...new BigUint64Array(sampling.memory.buffer, address, count)],
    aliases: [...new Uint32Array(sampling.memory.buffer, address + 8 * count, count)],
  }
}

/** Shares of each outcome in all columns of a table of columns of `total` shares. */
function sharesOf({ shares, aliases }: ReturnType<typeof tableOf>, total: bigint): bigint[] {
  const sums = shares.map(() => 0n)
  for (const [i, own] of shares.entries()) {
    assert.ok(own <= total)
    sums[i]! += own
    sums[aliases[i]!]! += total - own
  }
  return sums
}

test('whole weights have exactly their part of the table', () => {
  const values = seededValues(5)
  const random = Array.from({ length: 40 }, (_, i) => [...values.integers(i + 2, 1000)].map((w, j) => (j ? w : w + 1)))
  for (const weights of [[1], [3, 1], [0, 5, 0], [1, 1, 1, 1], [2 ** 52, 1], [7, 1e6, 3, 3, 0, 12345], ...random]) {
    const total = BigInt(weights.reduce((a, b) => a + b))
    const expected = weights.map(weight => BigInt(weight) * BigInt(weights.length))
    assert.equal(sharesOf(tableOf(weights), total), expected, `weights ${weights}`)
  }
})

test('other weights to 2^−37 of their sum, however many', () => {
  for (const count of [2, 25, 1000, 70_000]) {
    const weights = [...seededValues(count).uniform(count, 0, 1)].map(weight => weight ** 8)
    const sum = weights.reduce((a, b) => a + b)
    const table = tableOf(weights)
    const total = table.shares.reduce((a, b) => (a > b ? a : b))
    for (const [i, shares] of sharesOf(table, total).entries()) {
      const part = Number(shares) / Number(total) / count
      assert.ok(Math.abs(part - weights[i]! / sum) < 2 ** -37, `${part} instead of ${weights[i]! / sum}`)
    }
  }
})

test('outcomes come as often as their weights say, and on their own', () => {
  const alpha = Array.from({ length: 25 }, (_, i) => Math.exp(-i / 9) / 7.3)
  for (const weights of [[1, 2, 3, 4], [0.2, 0.5, 0.3], alpha, Array(300).fill(1), [5, 4, 1000]]) {
    const outcomes = drawn(weights, 300_000, 8)
    const counts = tally(outcomes, weights.length)
    accept(evenness(counts, weights.length - 1, weights), `${weights.length} weights`)
    if (weights.length > 25) continue
    const pairs = weights.flatMap(a => weights.map(b => a * b))
    const pairCounts = new Float64Array(pairs.length)
    for (let i = 0; i < outcomes.length; i += 2) pairCounts[outcomes[i]! * weights.length + outcomes[i + 1]!]!++
    if (Math.min(...pairs) / pairs.reduce((a, b) => a + b) > 1e-4)
      accept(evenness(pairCounts, pairs.length - 1, pairs), `pairs of ${weights.length} weights`)
  }
  assert.is(
    drawn([0, 1, 0], 1000).reduce((a, b) => a + b),
    1000,
  )
  assert.is(drawn([3], 5).length, 5)
})

test('control: columns without their alias, and the running total of rounded parts, are refused', () => {
  const weights = [0.2, 0.5, 0.3]
  const columns = seededValues(2).integers(300_000, 3)
  refuse(evenness(tally(columns, 3), 2, weights), 'columns alone')
  const parts = seededValues(3).integers(300_000, 100)
  const inTenths = [...parts].map(part => (part < 21 ? 0 : part < 71 ? 1 : 2))
  refuse(evenness(tally(inTenths, 3), 2, weights), 'parts that are wrong by a hundredth')
})

test('resumed from JSON as undisturbed; other streams of the seed give other choices', () => {
  const settings = { seed: 77, weights: [1, 2.5, 0, 4] }
  const undisturbed = createWeightedChoice(settings)
  for (const count of [1, 3, 100]) {
    undisturbed.draw(count)
    const state = JSON.parse(JSON.stringify(undisturbed.save())) as WeightedChoiceState
    const resumed = createWeightedChoice(settings)
    resumed.draw(5)
    resumed.restore(state)
    assert.equal(resumed.draw(50), undisturbed.draw(50))
    assert.equal(resumed.save(), undisturbed.save())
  }
  const streams = [0, 1, 2].map(stream =>
    createWeightedChoice({ ...settings, stream })
      .draw(30)
      .join(),
  )
  assert.is(new Set(streams).size, 3)
})

test('the same choices on every runtime', () => {
  assert.equal([...drawn([0.1, 0.2, 0.3, 0.4], 16, 42)], [1, 2, 2, 2, 2, 3, 2, 2, 3, 2, 3, 0, 3, 0, 2, 1])
})

test('impossible weights and foreign states are refused', () => {
  fails(() => drawn([], 1), 'the number of weights must be an integer from 1')
  fails(() => drawn([1, -1], 1), 'weight 1 must be a finite number of 0 or more, found -1')
  fails(() => drawn([NaN], 1), 'weight 0 must be a finite number of 0 or more, found NaN')
  fails(() => drawn([0, 0], 1), 'all 2 weights are 0')
  fails(() => drawn([1e308, 1e308], 1), 'divide them all')
  fails(() => drawn([1], -1), 'the number of choices')
  const choice = createWeightedChoice({ seed: 1, weights: [1, 2] })
  fails(
    () => choice.restore({ ...choice.save(), outcomes: 3 }),
    'the saved choice by weight has outcomes = 3, this run has 2: resume with',
  )
  fails(() => choice.restore({ ...choice.save(), draws: -1 }), "the saved choice's number of draws")
})

test.run()
