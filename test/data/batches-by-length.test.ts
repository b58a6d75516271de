import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  createLengthBatches,
  type LengthBatch,
  type LengthBatches,
  type LengthBatchesSettings,
  type LengthBatchesState,
} from '../../src/data/batches-by-length.js'
import { accept, evenness, refuse, tally } from '../support/statistics.js'
import { seededValues } from '../support/values.js'

const fails = (action: () => unknown, text: string) =>
  assert.throws(action, (error: Error) => error.message.includes(text), `an error with “${text}”`)
const range = (n: number) => Array.from({ length: n }, (_, i) => i)
// As texts have them: many short ones, few long.
const lengths = seededValues(1)
  .uniform(5000, 0, 1)
  .map(u => 4 + Math.floor(250 * u ** 3))
const batches = (settings: Partial<LengthBatchesSettings> = {}) =>
  createLengthBatches({ seed: 5, lengths, tokens: 2000, window: 1000, ...settings })

function epochOf(source: LengthBatches): LengthBatch[] {
  const all = [source.next()]
  while (!all.at(-1)!.lastOfEpoch) all.push(source.next())
  return all
}
const rowsOf = (all: readonly LengthBatch[]) => all.flatMap(batch => [...batch.indices])
const lengthsOf = (batch: LengthBatch) => Array.from(batch.indices, row => lengths[row]!)

test('every row once an epoch, under the budget, for windows of all sizes', () => {
  for (const window of [1, 7, 1000, 4999, 5000, 5001, 16384])
    for (const padded of [false, true]) {
      const source = batches({ window, padded })
      for (const epoch of [0, 1]) {
        const all = epochOf(source)
        assert.ok(all.every(batch => batch.epoch === epoch))
        assert.equal(
          rowsOf(all).toSorted((a, b) => a - b),
          range(5000),
        )
        for (const batch of all) {
          const own = lengthsOf(batch)
          assert.is(
            batch.tokens,
            own.reduce((a, b) => a + b),
          )
          assert.ok((padded ? own.length * Math.max(...own) : batch.tokens) <= 2000)
          assert.equal(
            own,
            own.toSorted((a, b) => b - a),
          )
        }
      }
    }
})

test('as full as can be: one row more would not fit, but for one batch a window', () => {
  for (const padded of [false, true]) {
    const all = epochOf(batches({ padded }))
    const roomy = all.filter(batch => {
      const own = lengthsOf(batch)
      // The next row of the window is at most as long as the last one here.
      return (padded ? (own.length + 1) * own[0]! : batch.tokens + own.at(-1)!) <= 2000
    })
    const waste = 1 - all.reduce((sum, batch) => sum + batch.tokens, 0) / (2000 * all.length)
    assert.ok(waste < (padded ? 0.2 : 0.1), `${waste} of the budget is not used`)
    assert.ok(roomy.length <= 5, `${roomy.length} of ${all.length}`)
  }
})

test('rows at most', () => {
  const all = epochOf(batches({ batchSize: 10 }))
  assert.is(Math.max(...all.map(batch => batch.indices.length)), 10)
  assert.is(rowsOf(all).length, 5000)
})

test('batches of two rows at least: the last takes one of those before it, and nothing is lost', () => {
  let singles = 0
  for (const rows of [2, 4, 7, 10, 100, 101, 102, 103]) {
    // Three of the longest fill a batch, so that the rest is a single row for every third number of rows.
    const same = { lengths: Array<number>(rows).fill(5), tokens: 15, window: 1000 }
    const sizes = (leastRows: 1 | 2) => {
      const all = epochOf(batches({ ...same, leastRows }))
      assert.equal(
        rowsOf(all).toSorted((a, b) => a - b),
        range(rows),
      )
      assert.ok(all.every(({ tokens }) => tokens <= 15))
      return Math.min(...all.map(({ indices }) => indices.length))
    }
    assert.ok(sizes(2) >= 2, `${rows} rows`)
    singles += sizes(1) === 1 ? 1 : 0
  }
  assert.ok(singles > 2, 'control: without it, some batches have one row')
  for (const padded of [false, true])
    for (const window of [1001, 5000])
      for (const batch of epochOf(batches({ leastRows: 2, padded, window, lengths: lengths.slice(0, 4004) })))
        assert.ok(batch.indices.length >= 2)
})

test('batches of some epochs are counted without drawing them', () => {
  for (const window of [700, 16384]) {
    const source = batches({ window })
    const counts = range(3).map(() => epochOf(source).length)
    assert.equal(
      [1, 2, 3].map(epochs => source.batchesIn(epochs)),
      [1, 2, 3].map(epochs => counts.slice(0, epochs).reduce((a, b) => a + b)),
    )
  }
})

test('rows of a batch are of about the same length', () => {
  const spread = (all: readonly LengthBatch[]) =>
    all.reduce((sum, batch) => sum + lengthsOf(batch)[0]! - lengthsOf(batch).at(-1)!, 0) / all.length
  assert.ok(spread(epochOf(batches())) < 20)
  assert.ok(spread(epochOf(batches({ window: 20 }))) > 100, 'control: with a small window they are not')
})

test('batches of a window come in random order', () => {
  // Of 20 rows of lengths 1 … 20, two a batch: any of the ten is as likely to come first, and before any other.
  const source = (seed: number) =>
    createLengthBatches({ seed, lengths: range(20).map(i => i + 1), tokens: 40, batchSize: 2, window: 20 })
  const orders = range(3000).map(seed => epochOf(source(seed)).map(batch => Math.floor(batch.indices[0]! / 2)))
  accept(
    evenness(
      tally(
        orders.map(order => order[0]!),
        10,
      ),
    ),
    'first',
  )
  accept(
    evenness(
      tally(
        orders.map(order => order[9]!),
        10,
      ),
    ),
    'last',
  )
  accept(
    evenness(
      tally(
        orders.map(([a, b]) => (b! - a! + 9) % 10),
        10,
      ).filter((_, i) => i !== 9),
    ),
    'steps',
  )
  const sorted = orders.map(order => order.toSorted((a, b) => a - b))
  refuse(
    evenness(
      tally(
        sorted.map(order => order[0]!),
        10,
      ),
    ),
    'longest last',
  )
})

test('rows of one length are put together anew each epoch', () => {
  const source = createLengthBatches({ seed: 1, lengths: Array(64).fill(5), tokens: 20 })
  const [first, second] = [epochOf(source), epochOf(source)]
  const together = (all: readonly LengthBatch[]) => new Set(all.map(batch => [...batch.indices].sort().join()))
  assert.is(together(first).size, 16)
  assert.is(new Set([...together(first), ...together(second)]).size, 32)
})

test('resumed from JSON as undisturbed, from every point', () => {
  const small = { lengths: lengths.slice(0, 200), window: 60, tokens: 1000 }
  const step = (source: LengthBatches) => ({ ...source.next(), negatives: source.drawNegatives(7, 9) })
  const undisturbed = batches(small)
  const states: string[] = []
  const steps = range(45).map(() => {
    states.push(JSON.stringify(undisturbed.save()))
    return step(undisturbed)
  })
  assert.ok(steps.at(-1)!.epoch > 1)
  for (const [i, state] of states.entries()) {
    const resumed = batches(small)
    step(resumed)
    resumed.restore(JSON.parse(state) as LengthBatchesState)
    assert.equal(
      range(45 - i).map(() => step(resumed)),
      steps.slice(i),
    )
    assert.equal(resumed.save(), undisturbed.save())
  }
})

test('the same batches on every runtime', () => {
  const source = createLengthBatches({ seed: 42, lengths: [3, 1, 4, 1, 5, 9, 2, 6], tokens: 10 })
  assert.equal(
    range(6).map(() => [...source.next().indices]),
    [[7], [4, 2], [0, 6, 3, 1], [5], [0, 6, 1, 3], [7]],
  )
})

test('impossible settings and foreign states are refused', () => {
  fails(() => batches({ lengths: [] }), 'there are no texts to make batches of')
  fails(() => batches({ lengths: [3, 0] }), 'the length of row 1 must be an integer from 1 to 2000')
  fails(() => batches({ lengths: [2001] }), 'found 2001; raise the budget or cut the text')
  fails(() => batches({ tokens: 0 }), 'the token budget of a batch')
  fails(() => batches({ window: 0 }), 'the window')
  fails(() => batches({ batchSize: 0.5 }), 'the batch size')
  fails(() => batches({ leastRows: 2, tokens: 500 }), 'a token budget for any three rows, found 5000 rows')
  fails(() => batches({ leastRows: 2, batchSize: 2 }), 'a batch size of 2')
  const source = batches()
  const state = source.save()
  fails(() => source.restore({ ...state, totalTokens: 1 }), 'the saved batches by length has totalTokens = 1')
  fails(() => source.restore({ ...state, windowIndex: 5 }), "the saved batches' window must be an integer from 0 to 4")
  fails(() => source.restore({ ...state, batch: 1e6 }), "the saved batches' batch")
})

test.run()
