// Hard negatives by BM25 for the pairs of a set: none is a positive of the query on any of its lines, however it is spelled; positives found are counted.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { withMinedNegatives } from '../../src/run/negatives.js'

test('the highest that are no positive, then others of the set; what a pair has stays in front', () => {
  const pairs = [
    { query: 'red fox', positives: ['a red fox sleeps'], negatives: [] },
    { query: 'red fox', positives: ['the fox is red'], negatives: ['a blue whale'] },
    { query: 'old ship', positives: ['A red  FOX sleeps'], negatives: ['an old ship'] },
    { query: 'moon', positives: ['red dust'], negatives: [] },
  ]
  const mined = withMinedNegatives(pairs, 2)
  assert.equal(
    mined.pairs.map(({ negatives }) => negatives),
    [
      // Its other line's positive, and its own in another spelling, share the most words with it.
      ['red dust', 'a blue whale'],
      ['a blue whale', 'red dust'],
      ['an old ship', 'a blue whale'],
      // No word is shared: what follows the pair.
      ['A red  FOX sleeps', 'an old ship'],
    ],
  )
  assert.is(mined.positives, 6)
})

test.run()
