import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createSetBatches } from '../../src/data/batches.js'
import { createLengthBatches } from '../../src/data/batches-by-length.js'
import { createExampleBatches, type ExampleOrder } from '../../src/data/example-batches.js'
import { createSampler } from '../../src/data/sampler.js'
import { accept, evenness, refuse, tally } from '../support/statistics.js'

const range = (n: number) => Array.from({ length: n }, (_, i) => i)
const examples = 100
const lengths = range(examples).map(i => 5 + ((i * 37) % 60))
// 10, 30 and 60 examples, not side by side.
const members = range(3).map(set => range(examples).filter(i => (i % 10 === 0 ? 0 : i % 10 < 4 ? 1 : 2) === set))
const sets = members.map((own, i) => ({ name: `set ${i}`, weight: [2, 1, 1][i]!, examples: own }))
const batchesOf = (order: ExampleOrder, batchSize = 8, dropLast = true) =>
  createExampleBatches({ seed: 3, examples, batchSize, dropLast, order })

test('uniform batches are those of the sampler, so that runs of older recipes keep their bits', () => {
  for (const dropLast of [true, false]) {
    const batches = batchesOf({ kind: 'uniform' }, 8, dropLast)
    const sampler = createSampler({ seed: 3, examples, batchSize: 8, dropLast })
    for (let i = 0; i < 30; i++) {
      assert.equal(batches.next().indices, sampler.next().indices)
      assert.equal(batches.drawNegatives(3, 7), sampler.drawNegatives(3, 7))
    }
    assert.equal(batches.save(), sampler.save())
    assert.is(batches.batchesIn(3), dropLast ? 36 : 39)
  }
})

test('batches by length are those of the sampler by length', () => {
  const batches = batchesOf({ kind: 'by_length', tokens: 250, lengths, leastRows: 2 }, 20)
  const expected = createLengthBatches({ seed: 3, lengths, tokens: 250, batchSize: 20, leastRows: 2 })
  const first = batches.batchesIn(2)
  const drawn = range(first).map(() => batches.next())
  assert.equal(
    drawn.map(({ indices }) => [...indices]),
    range(first).map(() => [...expected.next().indices]),
  )
  assert.is(batches.next().epoch, 2, 'two epochs hold as many batches as were counted')
})

test('an example of a set is its row there, and of the set that it says', () => {
  for (const kind of ['mixed', 'homogeneous'] as const) {
    const batches = batchesOf({ kind, sets })
    const counted = sets.map(({ name, weight, examples: own }) => ({ name, weight, rows: own.length }))
    const expected = createSetBatches({ seed: 3, sets: counted, batchSize: 8, mode: kind, dropLast: true })
    const seen = new Set<number>()
    for (let i = 0; i < 100; i++) {
      const { indices, sets: chosen, epoch } = batches.next()
      const rows = expected.next()
      assert.equal(chosen, rows.sets)
      for (const [j, index] of indices.entries()) {
        assert.is(members[chosen![j]!]!.indexOf(index), rows.rows[j])
        seen.add(index)
      }
      assert.is(epoch, Math.floor((8 * i) / examples))
    }
    assert.is(seen.size, examples)
    assert.is(batches.batchesIn(3), 37)
  }
})

test('sets come by weight, not by size', () => {
  for (const kind of ['mixed', 'homogeneous'] as const) {
    const batches = batchesOf({ kind, sets }, 4)
    const drawn = range(4000).map(() => batches.next())
    // The sets of a homogeneous batch are one draw.
    const chosen = drawn.flatMap(each => (kind === 'mixed' ? [...each.sets!] : [each.sets![0]!]))
    accept(evenness(tally(chosen, 3), 2, [2, 1, 1]), kind)
    refuse(evenness(tally(chosen, 3), 2, [10, 30, 60]), `${kind}, by size`)
    // Within a set, every example as often: rows come in permutations, so that counts differ by one at most.
    const counts = tally(
      drawn.flatMap(each => [...each.indices]),
      examples,
    )
    for (const own of members) {
      const ofSet = own.map(example => counts[example]!)
      assert.ok(Math.max(...ofSet) - Math.min(...ofSet) <= (kind === 'mixed' ? 1 : 40), ofSet.join())
    }
  }
})

test('a state of another order is refused', () => {
  const uniform = batchesOf({ kind: 'uniform' }).save()
  const mixed = batchesOf({ kind: 'mixed', sets })
  const message = (action: () => void) => assert.throws(action, /resume with the data and settings of the saved run/)
  message(() => mixed.restore(uniform))
  message(() => batchesOf({ kind: 'uniform' }).restore(mixed.save()))
  message(() => batchesOf({ kind: 'homogeneous', sets }).restore(mixed.save()))
})

test.run()
