import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { bootstrapInterval, pairedRandomisation, pairedTTest, pairedValues } from '../../src/evaluate/significance.js'

const near = (actual: number, expected: number, tolerance: number, what = '') =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what} ${actual} instead of ${expected}`)

// Student's own example (1908), extra hours of sleep of ten patients with two drugs: t = −4.0621, p = 0.002833.
const first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0, 2]
const second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]

test("paired t-test: Student's sleep data", () => {
  const { difference, t, degrees, p } = pairedTTest(first, second)
  near(difference, -1.58, 1e-12)
  near(t, -4.0621, 5e-5)
  assert.is(degrees, 9)
  near(p, 0.002833, 5e-7)
  near(pairedTTest(second, first).p, p, 1e-15)
})

test('paired t-test: closed forms for 1 and 2 degrees of freedom, tabled values for others', () => {
  const zeros = (n: number) => new Array<number>(n).fill(0)
  for (const t of [0.01, 0.3, 1, 2, 12.706, 500]) {
    near(pairedTTest([t + 1, t - 1], zeros(2)).p, 1 - (2 / Math.PI) * Math.atan(t), 1e-12, `t ${t}`)
    const third = t / Math.sqrt(3)
    near(pairedTTest([third - 1, third, third + 1], zeros(3)).p, 1 - t / Math.sqrt(2 + t * t), 1e-12, `t ${t}`)
  }
  // ±1 around m, n values: t = m √(n − 1).
  const spread = (n: number, t: number) => Array.from({ length: n }, (_, i) => t / Math.sqrt(n - 1) + (i % 2 ? 1 : -1))
  for (const [degrees, critical] of [
    [5, 2.570582],
    [9, 2.262157],
    [29, 2.04523],
    [99, 1.984217],
    [999, 1.962341],
  ] as const)
    near(pairedTTest(spread(degrees + 1, critical), zeros(degrees + 1)).p, 0.05, 1e-6, `${degrees} degrees`)
})

test('paired t-test: nothing differs, or everything differs by the same', () => {
  assert.is(pairedTTest([1, 2, 3], [1, 2, 3]).p, 1)
  assert.is(pairedTTest([2, 3, 4], [1, 2, 3]).p, 0)
})

test('randomisation test: all assignments of signs where there are few', () => {
  // Only +++ and −−− reach the observed mean.
  assert.is(pairedRandomisation([1, 2, 3], [0, 0, 0]).p, 2 / 8)
  // |±1 ±1 ±2| ≥ 2 in all but the two with the signs ++− and −−+, which give 0.
  assert.is(pairedRandomisation([1, 1, 0], [0, 0, 2]).p, 1)
  assert.is(pairedRandomisation([0.5, 0.5], [0.5, 0.5]).p, 1)
  const { difference, p } = pairedRandomisation(first, second)
  near(difference, -1.58, 1e-12)
  // Nine differences point one way and one is 0: only the two unanimous assignments, each with either sign of the 0.
  assert.is(p, 4 / 1024)
  const sums = [0.1, 0.2, -0.3, 0.1, 0.2]
  assert.is(pairedRandomisation(sums, [0, 0, 0, 0, 0]).p, pairedRandomisation(sums.toReversed(), [0, 0, 0, 0, 0]).p)
})

test('randomisation test: random assignments come near the exact share, and rerun with their seed', () => {
  const a = Array.from({ length: 12 }, (_, i) => Math.sin(i * 1.7) + 0.3)
  const b = new Array<number>(12).fill(0)
  const exact = pairedRandomisation(a, b).p
  const sampled = (seed: number) => pairedRandomisation(a, b, { rounds: 4000, seed }).p
  assert.is(sampled(1), sampled(1))
  assert.is.not(sampled(1), sampled(2))
  for (const seed of [1, 2, 3]) near(sampled(seed), exact, 4 * Math.sqrt((exact * (1 - exact)) / 4000))
  // More queries than bits of a word: each must get signs of its own.
  const many = Array.from({ length: 100 }, (_, i) => (i % 32 === 0 ? 1 : 0))
  near(pairedRandomisation(many, new Array<number>(100).fill(0), { rounds: 4000 }).p, 2 / 16, 0.03)
  // The observed assignment counts, so that p is never 0.
  const all = new Array<number>(50).fill(1)
  assert.is(pairedRandomisation(all, new Array<number>(50).fill(0), { rounds: 999 }).p, 1 / 1000)
})

test('bootstrap interval: near the normal one, and reruns with its seed', () => {
  const values = Array.from({ length: 400 }, (_, i) => (i % 4 === 0 ? 1 : 0))
  const { mean, low, high } = bootstrapInterval(values, { rounds: 4000 })
  assert.is(mean, 0.25)
  const error = Math.sqrt((0.25 * 0.75) / 400)
  near(low, 0.25 - 1.96 * error, 0.005)
  near(high, 0.25 + 1.96 * error, 0.005)
  assert.equal(bootstrapInterval(values, { seed: 5 }), bootstrapInterval(values, { seed: 5 }))
  assert.not.equal(bootstrapInterval(values, { seed: 5 }), bootstrapInterval(values, { seed: 6 }))
  const wide = bootstrapInterval(values, { confidence: 0.99 })
  assert.ok(wide.low < low && wide.high > high)
  assert.equal(bootstrapInterval([0.5]), { mean: 0.5, low: 0.5, high: 0.5 })
})

test('values side by side', () => {
  const a = { q1: { map: 1 }, q2: { map: 2 } }
  const b = { q2: { map: 3 }, q1: { map: 4 } }
  assert.equal(pairedValues(a, b, 'map'), { a: [1, 2], b: [4, 3] })
  assert.throws(() => pairedValues(a, b, 'mrr'), /the measure mrr was not computed for query "q1"/)
  assert.throws(() => pairedValues(a, { q1: { map: 1 } }, 'map'), /"q2" is in one only; evaluate both with complete/)
  assert.throws(() => pairedValues({}, {}, 'map'), /there are none/)
})

test('what cannot be tested', () => {
  assert.throws(() => pairedTTest([1, 2], [1]), /as many values on both sides, found 2 and 1/)
  assert.throws(() => pairedRandomisation([1], [1]), /at least two queries, found 1/)
  assert.throws(() => bootstrapInterval([]), /at least one query/)
  assert.throws(() => bootstrapInterval([1], { confidence: 95 }), /between 0 and 1, found 95/)
})

test.run()
