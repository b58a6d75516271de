// Compared with trec_eval's own test vectors and pytrec_eval's values, and with the formulas written again here, the
// slow and plain way.
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Qrels, readQrels } from '../../src/data/qrels.js'
import { type Run, readRun } from '../../src/data/trec.js'
import { allMeasures, defaultMeasures, parseMeasure } from '../../src/evaluate/measures.js'
import { evaluateRun } from '../../src/evaluate/metrics.js'
import { needs } from '../support/shared.js'

/** trec_eval's name of one of our measures. */
function trecName(name: string): string {
  const { kind, cut } = parseMeasure(name)
  const whole = { ndcg: 'ndcg', map: 'map', mrr: 'recip_rank', r_precision: 'Rprec', bpref: 'bpref' }
  const parts = { ndcg: 'ndcg_cut', map: 'map_cut', mrr: '-', recall: 'recall', precision: 'P', success: 'success' }
  return Number.isFinite(cut) ? `${parts[kind as keyof typeof parts]}_${cut}` : whole[kind as keyof typeof whole]
}

const qrelsOf = (rows: Record<string, Record<string, number>>): Qrels =>
  new Map(Object.entries(rows).map(([query, grades]) => [query, new Map(Object.entries(grades))]))
const runOf = (rows: Record<string, Record<string, number>>): Run =>
  new Map(
    Object.entries(rows).map(([query, row]) => [query, Object.entries(row).map(([id, score]) => ({ id, score }))]),
  )

const metricsFolder = needs('oracles/metrics')
for (const name of ['graded', 'tied', 'deep'])
  (metricsFolder ? test : test.skip)(
    `every measure of the ${name} oracle, per query and both means, to 1e-9`,
    async () => {
      type Oracle = Record<'mean_over_both' | 'mean_over_judged', Record<string, number>> & {
        per_query: Record<string, Record<string, number>>
        queries: { in_qrels: number; in_run: number; in_both: number }
      }
      const oracle = JSON.parse(readFileSync(`${metricsFolder}/${name}.json`, 'utf8')) as Oracle
      const { qrels } = await readQrels(`${metricsFolder}/${name}.qrels`)
      const run = await readRun(`${metricsFolder}/${name}.run`)
      const ours = allMeasures.filter(measure => trecName(measure) in oracle.mean_over_both)
      const counted = Object.keys(oracle.mean_over_both).filter(key => !key.startsWith('num_'))
      assert.is(ours.length, counted.length, 'every measure of the oracle has a name here')

      const both = evaluateRun(qrels, run, allMeasures)
      const complete = evaluateRun(qrels, run, allMeasures, { complete: true })
      assert.equal(Object.keys(both.perQuery).sort(), Object.keys(oracle.per_query).sort())
      assert.equal(both.counts, {
        queries: oracle.queries.in_both,
        missing: oracle.queries.in_qrels - oracle.queries.in_both,
        unjudged: oracle.queries.in_run - oracle.queries.in_both,
      })
      assert.is(complete.counts.queries, oracle.queries.in_qrels)
      const close = (actual: number, expected: number, what: string) =>
        assert.ok(Math.abs(actual - expected) <= 1e-9, `${what}: ${actual} instead of ${expected}`)
      for (const measure of ours) {
        close(both.scores[measure]!, oracle.mean_over_both[trecName(measure)]!, measure)
        close(complete.scores[measure]!, oracle.mean_over_judged[trecName(measure)]!, `${measure} over all judged`)
        for (const [query, values] of Object.entries(oracle.per_query))
          close(both.perQuery[query]![measure]!, values[trecName(measure)]!, `${measure} of ${query}`)
      }
    },
  )

const trecFolder = needs('oracles/trec_eval')
;(trecFolder ? test : test.skip)("trec_eval's own test: per query and over all, to 4 decimals", async () => {
  const { qrels } = await readQrels(`${trecFolder}/qrels.test`)
  const { scores, perQuery } = evaluateRun(qrels, await readRun(`${trecFolder}/results.test`), allMeasures)
  const lines = readFileSync(`${trecFolder}/out.test.aq`, 'utf8').trim().split('\n')
  const expected = new Map(
    lines.map(line => line.split(/\s+/)).map(([name, query, value]) => [`${query} ${name}`, value!]),
  )
  let compared = 0
  for (const measure of allMeasures)
    for (const [query, values] of [...Object.entries(perQuery), ['all', scores] as const]) {
      const value = expected.get(`${query} ${trecName(measure)}`)
      if (value === undefined) continue
      assert.is(values[measure]!.toFixed(4), value, `${measure} of ${query}`)
      compared++
    }
  assert.is(compared, 4 * (9 * 4 + 3 + 5), 'ndcg, map, P and recall at 9 cuts, success at 3, and five without a cut')
})

// The formulas again, on lists, without sharing anything: ids compared by their UTF-8 bytes.
function naive(judged: Record<string, number>, results: Record<string, number>, measure: string): number {
  const { kind, cut } = parseMeasure(measure)
  const bytes = (id: string) =>
    [...new TextEncoder().encode(id)].map(byte => byte.toString(16).padStart(2, '0')).join('')
  const order = Object.entries(results)
    .map(([id, score]) => ({ id, score: Math.fround(score), key: bytes(id) }))
    .sort((a, b) => b.score - a.score || (a.key < b.key ? 1 : -1))
  const gains = order.map(({ id }) => Math.max(judged[id] ?? 0, 0))
  const top = gains.slice(0, Math.min(cut, gains.length))
  const relevant = Object.values(judged).filter(grade => grade > 0)
  if (relevant.length === 0) return 0
  const hits = (list: number[]) => list.filter(gain => gain > 0).length
  const dcg = (list: number[]) => list.reduce((sum, gain, i) => sum + gain / Math.log2(i + 2), 0)
  const first = top.findIndex(gain => gain > 0)
  const best = relevant.sort((a, b) => b - a).slice(0, Math.min(cut, relevant.length))
  const others = Object.values(judged).filter(grade => grade === 0).length
  const above = (i: number) => order.slice(0, i).filter(({ id }) => judged[id] === 0).length
  const bounded = (n: number) => (n ? 1 - Math.min(n, relevant.length) / Math.min(relevant.length, others) : 1)
  const answers: Record<typeof kind, () => number> = {
    ndcg: () => dcg(top) / dcg(best),
    map: () =>
      top.reduce((sum, gain, i) => sum + (gain > 0 ? hits(top.slice(0, i + 1)) / (i + 1) : 0), 0) / relevant.length,
    mrr: () => (first < 0 ? 0 : 1 / (first + 1)),
    recall: () => hits(top) / relevant.length,
    precision: () => hits(top) / cut,
    success: () => (hits(top) ? 1 : 0),
    r_precision: () => hits(gains.slice(0, relevant.length)) / relevant.length,
    bpref: () => gains.reduce((sum, gain, i) => sum + (gain > 0 ? bounded(above(i)) : 0), 0) / relevant.length,
  }
  return answers[kind]()
}

test('200 small random rankings against the formulas written again', () => {
  let state = 7
  const below = (n: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * n)
  }
  const pool = [
    'a',
    'b',
    'é',
    'z',
    '文',
    '～1',
    '～',
    '😀',
    '😀1',
    '𐀀',
    '\ue000',
    'B',
    '10',
    '9',
    'aa',
    'ｱ',
    '\ud7ff',
    'á',
  ]
  const measures = [...allMeasures, 'ndcg_at_2', 'map_at_4', 'mrr_at_2', 'recall_at_7', 'precision_at_4']
  for (let round = 0; round < 200; round++) {
    const judged: Record<string, number> = {}
    for (const id of pool) if (below(3)) judged[id] = below(5) - 1
    if (Object.keys(judged).length === 0) continue
    // Few distinct scores, some of which differ by less than a float32 can hold.
    const results: Record<string, number> = {}
    for (const id of pool) if (below(4)) results[id] = below(4) / 3 + below(2) * 1e-10
    if (Object.keys(results).length === 0) continue
    const { scores } = evaluateRun(qrelsOf({ q: judged }), runOf({ q: results }), measures)
    for (const measure of measures) {
      const expected = naive(judged, results, measure)
      assert.ok(
        Math.abs(scores[measure]! - expected) < 1e-12,
        `round ${round}, ${measure}: ${scores[measure]} instead of ${expected}`,
      )
    }
  }
})

test('values known by hand', () => {
  const qrels = qrelsOf({ q: { a: 2, b: 1, c: 0, d: -1, e: 1 } })
  const { scores } = evaluateRun(qrels, runOf({ q: { c: 9, a: 8, x: 7, d: 6, b: 5 } }), allMeasures)
  const log3 = Math.log2(3)
  assert.is(scores.ndcg_at_3, 2 / log3 / (2 + 1 / log3 + 1 / 2))
  assert.is(scores.map, (1 / 2 + 2 / 5) / 3)
  assert.is(scores.map_at_3, 1 / 2 / 3)
  assert.is(scores.mrr, 1 / 2)
  assert.is(scores.mrr_at_1, 0)
  assert.is(scores.recall_at_5, 2 / 3)
  assert.is(scores.precision_at_10, 2 / 10)
  assert.is(scores.success_at_1, 0)
  assert.is(scores.success_at_3, 1)
  assert.is(scores.r_precision, 1 / 3)
  // One non-relevant document is judged, it is above both relevant ones: 1 − min(1, 3) / min(3, 1) = 0.
  assert.is(scores.bpref, 0)
})

test('ties fall to the greater id, by bytes of UTF-8', () => {
  const rr = (relevant: string, other: string) =>
    evaluateRun(qrelsOf({ q: { [relevant]: 1 } }), runOf({ q: { [relevant]: 1, [other]: 1 } }), ['mrr']).scores.mrr
  assert.is(rr('b', 'a'), 1)
  assert.is(rr('a', 'b'), 1 / 2)
  assert.is(rr('a', 'B'), 1)
  assert.is(rr('aa', 'a'), 1)
  assert.is(rr('9', '10'), 1)
  assert.is(rr('😀', '～'), 1, 'U+1F600 comes after U+FF5E in UTF-8, before it in UTF-16')
  assert.is(rr('～', '😀'), 1 / 2)
})

test('scores are compared as float32', () => {
  const at = (a: number, b: number) => evaluateRun(qrelsOf({ q: { a: 1 } }), runOf({ q: { a, b } }), ['mrr']).scores.mrr
  assert.is(at(0.5 + 1e-10, 0.5), 1 / 2, 'a tie in float32, and b is the greater id')
  assert.is(at(0.5 + 1e-7, 0.5), 1)
})

test('which queries the means run over', () => {
  const qrels = qrelsOf({ found: { a: 1 }, lost: { a: 1 }, 'without results': { a: 1 }, 'without relevant': { a: 0 } })
  const run = runOf({ found: { a: 1 }, 'without results': {}, 'without relevant': { a: 1 }, 'nobody judged': { a: 1 } })
  const both = evaluateRun(qrels, run, ['mrr'])
  assert.is(both.scores.mrr, 1 / 2)
  assert.equal(both.counts, { queries: 2, missing: 2, unjudged: 1 })
  assert.equal(Object.keys(both.perQuery), ['found', 'without relevant'])
  const complete = evaluateRun(qrels, run, ['mrr'], { complete: true })
  assert.is(complete.scores.mrr, 1 / 4)
  assert.is(complete.perQuery.lost!.mrr, 0)
})

test("BEIR's rule drops the document whose id is the query's", () => {
  const qrels = qrelsOf({ q: { a: 1 } })
  const run = runOf({ q: { q: 2, a: 1 } })
  assert.is(evaluateRun(qrels, run, ['mrr']).scores.mrr, 1 / 2)
  assert.is(evaluateRun(qrels, run, ['mrr'], { dropSameId: true }).scores.mrr, 1)
  assert.is(run.get('q')!.length, 2, "the caller's run stays whole")
})

test('names of measures', () => {
  assert.equal(parseMeasure('ndcg_at_10'), { name: 'ndcg_at_10', kind: 'ndcg', cut: 10 })
  assert.is(parseMeasure('r_precision').cut, Number.POSITIVE_INFINITY)
  for (const name of [...defaultMeasures, ...allMeasures]) parseMeasure(name)
  for (const name of defaultMeasures) assert.ok(allMeasures.includes(name), name)
  const suggestions = {
    'NDCG@10': 'ndcg_at_10',
    ndgc_at_10: 'ndcg_at_10',
    ndcg_cut_5: 'ndcg_at_5',
    ndcg10: 'ndcg_at_10',
    ndcg_at_010: 'ndcg_at_10',
    P_5: 'precision_at_5',
    precision: 'precision_at_10',
    recal_at_100: 'recall_at_100',
    recip_rank: 'mrr',
    Rprec: 'r_precision',
    MAP: 'map',
    hit_rate_at_3: 'success_at_3',
    bperf: 'bpref',
  }
  for (const [wrong, right] of Object.entries(suggestions))
    assert.throws(() => parseMeasure(wrong), new RegExp(`unknown measure "${wrong}": did you mean ${right}\\?`))
  for (const name of [
    '',
    'accuracy_of_reading',
    'bpref_at_0',
    'ndcg_at_0',
    'ndcg_at_-1',
    'ndcg_at_1.5',
    'r_precision_at_5',
  ])
    assert.throws(() => parseMeasure(name), /unknown measure .*ndcg, map, mrr, r_precision, bpref/)
})

test('what cannot be evaluated', () => {
  const qrels = qrelsOf({ q1: { a: 1 } })
  const twice = [1, 2].map(score => ({ id: 'a', score }))
  assert.throws(
    () => evaluateRun(qrels, runOf({ q2: { a: 1 } })),
    /no query is both judged and in the run: .*"q1".*"q2"/,
  )
  assert.throws(() => evaluateRun(qrels, new Map(), ['map'], { complete: true }), /the run has none/)
  assert.throws(() => evaluateRun(qrels, new Map([['q1', twice]])), /query "q1": document "a" is twice/)
  assert.throws(
    () => evaluateRun(qrels, runOf({ q1: { b: Number.NaN } })),
    /query "q1": the score of document "b" is not a number/,
  )
  assert.throws(() => evaluateRun(qrels, runOf({ q1: { a: 1 } }), ['ndgc_at_10']), /did you mean ndcg_at_10/)
})

test('ids that are names of every object', () => {
  const qrels: Qrels = new Map([['__proto__', new Map([['constructor', 1]])]])
  const { perQuery, scores } = evaluateRun(qrels, new Map([['__proto__', [{ id: 'constructor', score: 1 }]]]), ['mrr'])
  assert.is(scores.mrr, 1)
  assert.equal(Object.keys(perQuery), ['__proto__'])
})

test.run()
