import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createSetBatches, type SetBatch, type SetBatches, type SetBatchesState } from '../../src/data/batches.js'
import { createPermutation } from '../../src/data/sampling-permutation.js'
import { accept, evenness, refuse, tally } from '../support/statistics.js'

const fails = (action: () => unknown, text: string) =>
  assert.throws(action, (error: Error) => error.message.includes(text), `an error with “${text}”`)
const range = (n: number) => Array.from({ length: n }, (_, i) => i)
const sets = [
  { name: 'large', rows: 5_000_000_000 },
  { name: 'small', rows: 10, weight: 2 },
  { name: 'middle', rows: 333, weight: 0.5 },
]
const batches = (mode: 'mixed' | 'homogeneous', batchSize = 32, dropLast = false, seed = 5) =>
  createSetBatches({ seed, sets, batchSize, mode, dropLast })
const drawn = (source: SetBatches, count: number): SetBatch[] => range(count).map(() => source.next())
/** The rows of one set, in the order in which they came. */
const rowsOf = (all: readonly SetBatch[], set: number): number[] =>
  all.flatMap(batch => [...batch.rows].filter((_, i) => batch.sets[i] === set))

test('the rows of each set are its permutations, one behind another, whichever batches they come in', () => {
  for (const mode of ['mixed', 'homogeneous'] as const) {
    const all = drawn(batches(mode), 200)
    for (const [set, { rows }] of sets.entries()) {
      const found = rowsOf(all, set)
      const permutation = createPermutation({ seed: 5, rows, set })
      const expected = range(Math.ceil(found.length / rows)).flatMap(epoch => [
        ...permutation.rowsAt(epoch, 0, Math.min(rows, found.length - epoch * rows)),
      ])
      assert.equal(found, expected)
    }
    assert.ok(rowsOf(all, 1).length > 1000, 'the small set comes around many times')
  }
})

test('a set that comes around has a new order each time', () => {
  const rows = rowsOf(drawn(batches('mixed'), 300), 1)
  const orders = range(Math.floor(rows.length / 10)).map(turn => rows.slice(10 * turn, 10 * turn + 10))
  for (const order of orders) assert.equal(order.toSorted(), range(10))
  assert.is(new Set(orders.map(order => order.join())).size, orders.length)
})

test('mixed batches: each example’s set is drawn on its own, by weight', () => {
  const chosen = drawn(batches('mixed', 64), 1500).flatMap(batch => [...batch.sets])
  const weights = [1, 2, 0.5]
  accept(evenness(tally(chosen, 3), 2, weights), 'sets')
  const pairs = range(chosen.length >> 1).map(i => chosen[2 * i]! * 3 + chosen[2 * i + 1]!)
  const products = weights.flatMap(a => weights.map(b => a * b))
  accept(evenness(tally(pairs, 9), 8, products), 'sets of neighbours')
  const inTurn = range(96_000).map(i => [0, 1, 1, 0, 1, 1, 2][i % 7]!)
  refuse(evenness(tally(chosen, 3), 2, [1, 1, 1]), 'other weights')
  const turns = range(48_000).map(i => inTurn[2 * i]! * 3 + inTurn[2 * i + 1]!)
  refuse(evenness(tally(turns, 9), 8, products), 'neighbours of sets in turn')
})

test('homogeneous batches: one set each, drawn by weight', () => {
  const all = drawn(batches('homogeneous', 4), 7000)
  for (const { sets } of all) assert.is(new Set(sets).size, 1)
  const chosen = all.map(batch => batch.sets[0]!)
  accept(evenness(tally(chosen, 3), 2, [1, 2, 0.5]), 'sets')
  const pairs = range(3500).map(i => chosen[2 * i]! * 3 + chosen[2 * i + 1]!)
  accept(
    evenness(
      tally(pairs, 9),
      8,
      [1, 2, 0.5].flatMap(a => [1, 2, 0.5].map(b => a * b)),
    ),
    'neighbours',
  )
  refuse(evenness(tally(chosen, 3), 2, [1, 1, 1]), 'other weights')
})

test('dropLast: no batch of a set of its size has a row twice, and others are left out each time', () => {
  const all = drawn(batches('homogeneous', 32, true), 600)
  for (const { rows } of all.filter(batch => batch.sets[0] === 2)) assert.is(new Set(rows).size, 32)
  const middle = rowsOf(all, 2)
  const left = range(Math.floor(middle.length / 320)).map(turn => {
    const seen = new Set(middle.slice(320 * turn, 320 * turn + 320))
    assert.is(seen.size, 320)
    return range(333).filter(row => !seen.has(row))
  })
  assert.ok(new Set(left.flat()).size > 13)
  assert.equal(rowsOf(all, 1).slice(0, 10).toSorted(), range(10), 'a set smaller than a batch is used whole')
  const doubled = drawn(batches('homogeneous', 32, false), 600).filter(
    batch => batch.sets[0] === 2 && new Set(batch.rows).size < 32,
  )
  assert.ok(doubled.length > 0, 'without it, some have')
})

test('the stream of batches does not depend on what else is drawn', () => {
  const [alone, used] = [batches('mixed'), batches('mixed')]
  for (let i = 0; i < 20; i++) {
    assert.equal(used.next(), alone.next())
    assert.is(new Set(used.drawNegatives(7, 20).indices).size, 7)
    used.drawInteger(3)
  }
})

test('resumed from JSON as undisturbed, from every point', () => {
  for (const mode of ['mixed', 'homogeneous'] as const) {
    const step = (source: SetBatches) => [source.next(), source.drawNegatives(7, 9), source.drawNegatives(3, 2)]
    const undisturbed = batches(mode)
    const states: string[] = []
    const steps = range(25).map(() => {
      states.push(JSON.stringify(undisturbed.save()))
      return step(undisturbed)
    })
    assert.ok(states.at(-1)!.length < 400, 'a small state')
    for (const [i, state] of states.entries()) {
      const resumed = batches(mode)
      step(resumed)
      resumed.restore(JSON.parse(state) as SetBatchesState)
      assert.equal(
        range(25 - i).map(() => step(resumed)),
        steps.slice(i),
      )
      assert.equal(resumed.save(), undisturbed.save())
    }
  }
})

test('the same batches on every runtime', () => {
  const first = batches('mixed', 6, false, 42).next()
  assert.equal([...first.sets], [1, 0, 1, 1, 1, 1])
  assert.equal([...first.rows], [1, 3954999690, 8, 6, 0, 2])
  const homogeneous = drawn(batches('homogeneous', 3, false, 42), 4).map(batch => [batch.sets[0], ...batch.rows])
  assert.equal(homogeneous, [
    [1, 1, 8, 6],
    [0, 3954999690, 1180886522, 2585393072],
    [1, 0, 2, 4],
    [1, 3, 5, 7],
  ])
})

test('impossible settings and foreign states are refused', () => {
  const with_ = (changes: object) => () =>
    createSetBatches({ seed: 1, sets, batchSize: 2, mode: 'mixed', ...changes }).next()
  fails(with_({ sets: [] }), 'the number of training sets must be an integer from 1')
  fails(with_({ sets: [{ name: 'nli', rows: 0 }] }), 'the training set nli has no examples: leave it out')
  fails(with_({ sets: [{ name: 'nli', rows: 1, weight: -1 }] }), 'the weight of nli must be a finite number')
  fails(with_({ sets: [{ name: 'nli', rows: 1, weight: 0 }] }), 'all 1 weights are 0')
  fails(with_({ batchSize: 0 }), 'the batch size')
  fails(with_({ mode: 'both' }), 'must be mixed or homogeneous, found both')
  const source = batches('mixed')
  const state = source.save()
  fails(() => source.restore({ ...state, batchSize: 3 }), 'the saved batches has batchSize = 3, this run has 32')
  fails(() => source.restore({ ...state, sets: state.sets.slice(1) }), 'has sets = [')
  fails(() => source.restore({ ...state, taken: [0, 0] }), 'counts of taken rows must be an integer from 3 to 3')
  fails(() => source.restore({ ...state, taken: [0, 0, -1] }), 'rows taken from middle')
  fails(() => source.restore({ ...state, step: 0.5 }), "the saved batches' step")
})

test.run()
