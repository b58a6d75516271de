import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { startSampling } from '../../src/data/sampling.js'
import { drawsOf } from '../../src/data/sampling-draws.js'
import { type MiningRules, mineQuery, passageKey } from '../../src/retrieve/mining.js'

// Rows 0 … 7 in the order they were found; 2 and 5 are positives.
const rows = [4, 2, 7, 0, 5, 1, 6, 3, -1]
const scores = [9, 8, 7, 6, 5, 4.7, 4, 1, 0]
const found = { rows, scores, positiveScores: [8, 5] }
const mined = (rules: Partial<MiningRules>, seed = 1) => {
  const all: MiningRules = { count: 99, choose: 'top', ...rules }
  const result = mineQuery(found, row => row === 2 || row === 5, all, drawsOf(startSampling(seed)))
  return { ...result, chosen: result.chosen.map(place => rows[place]!) }
}

test('positives are left out and counted, places that are empty too; the highest come first', () => {
  assert.equal(mined({}), { chosen: [4, 7, 0, 1, 6, 3], positives: 2, filtered: 0 })
  assert.equal(mined({ count: 2 }).chosen, [4, 7])
})

test('ranks are counted without positives; from behind the lowest positive on request', () => {
  assert.equal(mined({ ranks: { first: 2, last: 4 } }), { chosen: [7, 0, 1], positives: 2, filtered: 3 })
  assert.equal(mined({ behindPositive: true }), { chosen: [1, 6, 3], positives: 2, filtered: 3 })
  assert.equal(mined({ behindPositive: true, ranks: { first: 2, last: 9 } }).chosen, [6, 3])
  const none = mineQuery({ ...found, positiveScores: [0.5] }, row => row === 99, {
    ...{ count: 9, choose: 'top', behindPositive: true },
  })
  assert.equal(none, { chosen: [], positives: 0, filtered: 8 })
})

test('margin and share are against the positive that scores lowest', () => {
  assert.equal(mined({ margin: 0.5 }), { chosen: [6, 3], positives: 2, filtered: 4 })
  assert.equal(mined({ share: 0.95 }).chosen, [1, 6, 3])
  assert.equal(mined({ share: 0.95, margin: 1 }).chosen, [6, 3])
})

test('drawn ones are of those that are left, the same for a seed, others for another', () => {
  const chosen = mined({ count: 3, choose: 'random', ranks: { first: 2, last: 6 } }).chosen
  assert.is(new Set(chosen).size, 3)
  assert.ok(chosen.every(row => [7, 0, 1, 6, 3].includes(row)))
  assert.equal(mined({ count: 3, choose: 'random', ranks: { first: 2, last: 6 } }).chosen, chosen)
  const all = Array.from({ length: 20 }, (_, seed) => mined({ count: 3, choose: 'random' }, seed).chosen.join())
  assert.ok(new Set(all).size > 5)
})

test('passages are the same with other spaces and capitals', () => {
  assert.is(passageKey(' A\tb\n c '), passageKey('a b C'))
  assert.is.not(passageKey('ab'), passageKey('a b'))
})

test.run()
