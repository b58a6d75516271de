import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  areAlike,
  compareDistributions,
  connectedGroups,
  nearestSets,
  splitByLikeness,
} from '../../src/evaluate/distributions.js'

/** `count` points near a direction of (width). */
function near(direction: readonly number[], count: number, seed: number): Float32Array {
  let state = seed
  const noise = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state / 2 ** 32 - 0.5) * 0.2
  }
  return Float32Array.from({ length: count * direction.length }, (_, i) => direction[i % direction.length]! + noise())
}

test("each row votes for another set's nearest row; ties go to the first", () => {
  const samples = [
    Float32Array.of(1, 0, 1, 0, 0, 1), // two rows beside set 1, one beside set 2
    Float32Array.of(1, 0),
    Float32Array.of(0, 1),
    Float32Array.of(0, 1),
  ]
  assert.equal(nearestSets(samples, 2), [1, 0, 0, 0])
  // Set 2 has its equal in sets 0 and 3: the first is taken; without set 0 they have one another.
  assert.equal(nearestSets(samples.slice(1), 2), [1, 2, 1])
})

test('groups are what links connect, in either direction', () => {
  assert.equal(connectedGroups([1, 0, 3, 2, 3]), [0, 0, 2, 2, 2])
  assert.equal(connectedGroups([2, 2, 1, 4, 3]), [0, 0, 0, 3, 3])
  assert.equal(connectedGroups([4, 0, 1, 2, 3]), [0, 0, 0, 0, 0])
})

const sets = [
  { name: 'trained', vectors: near([1, 0, 0], 80, 1) },
  { name: 'kin', vectors: near([0.9, 0.1, 0], 60, 2) },
  { name: 'far', vectors: near([0, 0, 1], 70, 3) },
  { name: 'farther', vectors: near([0, 0.1, 0.9], 20, 4) },
]

test('alike where they share a group more than 3 of 5 times; the same seed gives the same', () => {
  const found = compareDistributions(sets, 3)
  assert.is(found.repetitions, 5)
  assert.is(found.neighbours.length, 5)
  assert.equal(found.together[0], [5, 5, 0, 0])
  assert.ok(areAlike(found, 'trained', 'kin'))
  assert.not.ok(areAlike(found, 'trained', 'far'))
  assert.equal(splitByLikeness(found, ['trained']), { alike: ['kin'], different: ['far', 'farther'] })
  assert.equal(compareDistributions(sets, 3), found)
  assert.not.ok(areAlike(compareDistributions(sets, 3, { moreThan: 5 }), 'trained', 'kin'))
})

test('one set, an empty one and an unknown name are errors', () => {
  assert.throws(() => compareDistributions(sets.slice(0, 1), 3), /two sets or more, found 1/)
  assert.throws(
    () => compareDistributions([sets[0]!, { name: 'none', vectors: new Float32Array() }], 3),
    /none has no documents/,
  )
  assert.throws(() => areAlike(compareDistributions(sets, 3), 'trained', 'x'), /no set x among/)
})

test.run()
