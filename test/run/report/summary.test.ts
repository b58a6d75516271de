import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ComparisonRecord, System } from '../../../src/run/report/record.js'
import { answer } from '../../../src/run/report/summary.js'
import { comparison } from '../../support/comparison.js'

const kinds: Record<string, System['kind']> = { BM25: 'baseline', start: 'untrained' }

/** `means`: of each system on each group; `p`: against the start. */
function record(means: Record<string, readonly number[]>, titles = ['seen areas', 'unseen areas'], p = 0.001) {
  const names = Object.keys(means)
  const made: ComparisonRecord = {
    ...comparison,
    systems: names.map(name => ({ name, kind: kinds[name] ?? 'trained', description: '' })),
    groups: titles.map((title, i) => ({ name: `g${i}`, title, tests: [`t${i}`], queries: 10 })),
    measures: ['ndcg_at_10'],
    scores: names.flatMap(system =>
      titles.map((_, i) => {
        const mean = means[system]![i]!
        const against = means.start ? [{ system: 'start', difference: mean - means.start[i]!, p }] : []
        return { system, group: `g${i}`, measure: 'ndcg_at_10', mean, low: mean, high: mean, against }
      }),
    ),
  }
  return made
}

test('the best trained system against the start, then the others', () => {
  assert.is(
    answer(record({ BM25: [0.71, 0.7], start: [0.21, 0.2], weak: [0.4, 0.3], Full: [0.64, 0.31] })),
    'Full lifts nDCG@10 from 0.21 to 0.64 on seen areas and from 0.20 to 0.31 on unseen areas; BM25 reaches 0.71 and 0.70; weak reaches 0.40 and 0.30.',
  )
})

test('up here, down or the same there', () => {
  assert.is(
    answer(record({ start: [0.2, 0.5], full: [0.6, 0.4] })),
    'Full lifts nDCG@10 from 0.20 to 0.60 on seen areas but lowers it from 0.50 to 0.40 on unseen areas.',
  )
  assert.is(
    answer(record({ start: [0.2, 0.5], 'e5-small': [0.6, 0.5] }, ['in domain', 'out of domain'])),
    'e5-small lifts nDCG@10 from 0.20 to 0.60 in domain but leaves it at 0.50 out of domain.',
  )
})

test('what chance may explain is said', () => {
  assert.is(
    answer(record({ start: [0.2, 0.3], full: [0.3, 0.4] }, undefined, 0.2)),
    'Full lifts nDCG@10 from 0.20 to 0.30 on seen areas, a difference that chance may explain, and from 0.30 to 0.40 on unseen areas, a difference that chance may explain.',
  )
})

test('one group, nothing trained, no scores', () => {
  assert.is(answer(record({ start: [0.2], after: [0.3] }, ['all'])), 'Training lifts nDCG@10 from 0.20 to 0.30 on t0.')
  assert.is(
    answer(record({ BM25: [0.7, 0.6], start: [0.2, 0.3] })),
    'BM25 reaches nDCG@10 0.70 on seen areas and 0.60 on unseen areas; start reaches 0.20 and 0.30.',
  )
  assert.is(answer({ ...comparison, scores: [] }), undefined)
  assert.is(answer({ ...comparison, measures: [] }), undefined)
  assert.is(answer(record({ start: [Number.NaN], full: [Number.NaN] }, ['all'])), undefined)
})

test('of many trained systems only the best is told', () => {
  const many = { start: [0.1], a: [0.2], b: [0.3], c: [0.4], d: [0.25], BM25: [0.5] }
  assert.is(
    answer(record(many, ['all'])),
    'c lifts nDCG@10 from 0.10 to 0.40 on t0; BM25 reaches 0.50.'.replace('c', 'C'),
  )
})

test.run()
