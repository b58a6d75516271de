import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  cutTo,
  duration,
  intervalText,
  measureMeaning,
  measureTitle,
  pText,
  scoreText,
  signed,
} from '../../../src/run/report/words.js'

const MEASURES = [
  'ndcg_at_10',
  'map',
  'mrr_at_100',
  'recall_at_5',
  'precision_at_1',
  'success_at_3',
  'r_precision',
  'bpref',
]

test('names of measures, and what they mean', () => {
  const titles = ['nDCG@10', 'MAP', 'MRR@100', 'Recall@5', 'Precision@1', 'Success@3', 'R-precision', 'bpref']
  assert.equal(MEASURES.map(measureTitle), titles)
  for (const name of MEASURES) assert.ok(measureMeaning(name), name)
  assert.match(measureMeaning('recall_at_100')!, /among the first 100 results/)
  assert.is(measureMeaning('toString'), undefined)
  assert.is(measureTitle('constructor'), 'Constructor')
})

test('numbers', () => {
  assert.is(scoreText(0.12345), '0.123')
  assert.is(scoreText(Number.NaN), '–')
  assert.is(scoreText(undefined), '–')
  assert.is(intervalText(0.1, 0.2), '0.100–0.200')
  assert.is(intervalText(0.1, 0.1), '')
  assert.is(intervalText(Number.NaN, 1), '')
  assert.equal(
    [0.1, -0.1, -0.0001].map(value => signed(value)),
    ['+0.100', '−0.100', '0.000'],
  )
  assert.equal([0.0004, 0.001, 0.5].map(pText), ['p < 0.001', 'p = 0.001', 'p = 0.500'])
  assert.equal([5, 412.3, 3600].map(duration), ['5.0\u00a0s', '6\u00a0min\u00a052\u00a0s', '1\u00a0h\u00a00\u00a0min'])
})

test('a text is cut by characters', () => {
  assert.is(cutTo('𝒳𝒴𝒵', 3), '𝒳𝒴𝒵')
  assert.is(cutTo('𝒳𝒴𝒵𝒲', 3), '𝒳𝒴…')
})

test.run()
