// Seeded random starts: the distributions that they claim, and numbers that depend on seed, stream and place alone.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { lowRankStart, normalArray, randomWeight, uniformArray } from '../../src/model/initialize.js'
import { expectedTensors } from '../../src/model/tensors.js'
import { tinyConfig } from '../support/tiny-bert.js'

const mean = (values: Float32Array) => values.reduce((sum, x) => sum + x, 0) / values.length
const momentOf = (values: Float32Array, power: number) => mean(values.map(x => x ** power))

test('normal numbers have the moments of a normal distribution', () => {
  const count = 100_000
  const values = normalArray(count, 0.02, 42, 3).map(x => x / 0.02)
  // Four standard deviations of each estimate
  assert.ok(Math.abs(mean(values)) < 4 / Math.sqrt(count))
  assert.ok(Math.abs(momentOf(values, 2) - 1) < 4 * Math.sqrt(2 / count))
  assert.ok(Math.abs(momentOf(values, 4) - 3) < 4 * Math.sqrt(96 / count))
  const beyond = values.filter(x => Math.abs(x) > 1.959964).length / count
  assert.ok(Math.abs(beyond - 0.05) < 4 * Math.sqrt((0.05 * 0.95) / count), `${beyond} beyond 1.96`)
})

test('uniform numbers fill (−bound, bound) evenly', () => {
  const count = 100_000
  const values = uniformArray(count, 0.25, 42, 3)
  assert.ok(values.every(x => Math.abs(x) <= 0.25))
  const bins = new Array(10).fill(0)
  for (const x of values) bins[Math.min(9, Math.floor((x + 0.25) * 20))]++
  for (const share of bins) assert.ok(Math.abs(share - count / 10) < 4 * Math.sqrt(count * 0.09), bins.join(' '))
})

test('numbers depend on seed and stream, not on how many are asked for; seeds count in full', () => {
  for (const make of [normalArray, uniformArray]) {
    assert.equal(make(7, 1, 5, 2), make(100, 1, 5, 2).slice(0, 7))
    const starts = [
      [5, 2],
      [5, 3],
      [6, 2],
      [2 ** 32 + 5, 2],
      [2 ** 52 + 5, 2],
    ] as const
    const firsts = starts.map(([seed, stream]) => make(2, 1, seed, stream).join())
    assert.is(new Set(firsts).size, starts.length, firsts.join(' | '))
  }
})

test('a random BERT: normal weights, no bias, unit norms, a padding row of zeros', () => {
  const config = { ...tinyConfig, padId: 3, vocabulary: 50, hidden: 60, intermediate: 200 }
  const expected = expectedTensors(config)
  const weights = expected.map(({ name, shape }) => ({ name, shape, data: randomWeight(config, expected, name, 1) }))
  for (const { name, data } of weights) {
    if (name.endsWith('.bias'))
      assert.ok(
        data.every(x => x === 0),
        name,
      )
    else if (name.endsWith('LayerNorm.weight'))
      assert.ok(
        data.every(x => x === 1),
        name,
      )
    else {
      const error = Math.abs(Math.sqrt(momentOf(data, 2)) / config.initializerRange - 1)
      // Five standard deviations of an estimated deviation; the padding row is left out of none but one table.
      assert.ok(error < 5 / Math.sqrt(2 * data.length) + 1 / 50, `${name} is ${error} off`)
    }
  }
  const table = weights.find(({ name }) => name === 'embeddings.word_embeddings.weight')!.data
  const zeroRows = Array.from({ length: 50 }, (_, row) => row).filter(row =>
    table.subarray(row * 60, (row + 1) * 60).every(x => x === 0),
  )
  assert.equal(zeroRows, [3])
  const names = new Set(weights.map(({ data }) => data.slice(0, 3).join()))
  const drawn = weights.filter(({ name, shape }) => shape.length === 2 && !name.endsWith('.bias')).length
  assert.is(names.size, drawn + 2, 'each matrix has numbers of its own')
})

test("LoRA's start: A within ±1/√in, B zero", () => {
  const { A, B } = lowRankStart(12, 400, 8, 1, 0)
  assert.is(A.length, 3200)
  assert.is(B.length, 96)
  assert.ok(B.every(x => x === 0))
  const largest = A.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  assert.ok(largest <= 1 / 20 && largest > 0.99 / 20, `${largest}`)
})
test.run()
