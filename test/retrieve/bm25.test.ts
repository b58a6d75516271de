// BM25 against its formula written out in f64 over lists of words; ties, repeated words, settings, bad input; and nDCG@10 of real collections.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadCollection } from '../../src/data/collection.js'
import { type Bm25Settings, bm25Defaults, createBm25Index, searchBm25 } from '../../src/retrieve/bm25.js'
import { evaluateBm25 } from '../../src/run/bm25.js'
import { createWordSplitter } from '../../src/text/words.js'
import { needs } from '../support/shared.js'
import { seededValues } from '../support/values.js'

/** The score of every document for one query. */
function naiveScores(texts: readonly string[], settings: Partial<Bm25Settings>): (query: string) => number[] {
  const { k1, b, ...words } = { ...bm25Defaults, ...settings }
  const split = createWordSplitter(words)
  const documents = texts.map(split)
  const mean = documents.reduce((sum, each) => sum + each.length, 0) / documents.length
  return query => {
    const scores = documents.map(() => 0)
    for (const word of split(query)) {
      const df = documents.filter(each => each.includes(word)).length
      const idf = Math.log(1 + (documents.length - df + 0.5) / (df + 0.5))
      for (const [row, each] of documents.entries()) {
        const tf = each.filter(other => other === word).length
        if (tf > 0) scores[row]! += (idf * tf) / (tf + k1 * (1 - b + (b * each.length) / mean))
      }
    }
    return scores
  }
}

/** Rows and scores of one query's results. */
function results(texts: readonly string[], query: string, k: number, settings: Partial<Bm25Settings> = {}) {
  const found = searchBm25(createBm25Index(texts, settings), [query], { k })
  const count = found.counts[0]!
  return { rows: [...found.rows.subarray(0, count)], scores: [...found.scores.subarray(0, count)] }
}

test('scores are those of the formula', () => {
  // Two documents of 2 and 4 words: idf(cat) = ln(1 + 0.5 / 2.5), idf(red) = ln(1 + 1.5 / 1.5) = ln 2.
  const texts = ['red cat', 'cat cat blue dog']
  const idf = Math.log(1.2)
  const long = 0.9 * (0.6 + (0.4 * 4) / 3)
  const short = 0.9 * (0.6 + (0.4 * 2) / 3)
  const { rows, scores } = results(texts, 'CAT red', 5)
  assert.equal(rows, [0, 1])
  assert.equal(scores, [(idf + Math.LN2) / (1 + short), (2 * idf) / (2 + long)].map(Math.fround))
})

test('random texts under all kinds of settings', () => {
  const values = seededValues(3)
  const words = ['the', 'running', 'runs', 'cat', 'cats', 'of', 'x1', 'élan', ...Array.from('abcdefghijkl')]
  const random = (length: number) => Array.from(values.integers(length, words.length), i => words[i]!).join(' ')
  const texts = Array.from(values.integers(300, 40), random)
  const queries = Array.from(values.integers(20, 9), random)
  const several: Partial<Bm25Settings>[] = [
    ...[{}, { k1: 0 }, { b: 0 }, { k1: 1.2, b: 0.75 }, { k1: 50, b: 1 }],
    ...([{ stemmer: 'english' }, { stopWords: 'english' }, { stemmer: 'english', stopWords: 'english' }] as const),
  ]
  const near = (actual: number, expected: number) => Math.abs(actual - expected) <= 1.2e-7 * expected
  for (const settings of several) {
    const index = createBm25Index(texts, settings)
    const naive = naiveScores(texts, settings)
    const expected = queries.map(naive)
    for (const k of [1, 17, 1000]) {
      const found = searchBm25(index, queries, { k })
      assert.is(found.k, Math.min(k, 300))
      for (const [q, all] of expected.entries()) {
        const best = all.filter(score => score > 0).sort((a, b) => b - a)
        const at = `${JSON.stringify(settings)} k ${k}: ${queries[q]}`
        const count = Math.min(k, best.length)
        assert.is(found.counts[q], count, at)
        const rows = [...found.rows.subarray(q * found.k, (q + 1) * found.k)]
        const scores = [...found.scores.subarray(q * found.k, q * found.k + count)]
        assert.ok(
          scores.every((score, i) => near(score, best[i]!) && near(score, all[rows[i]!]!)),
          at,
        )
        assert.is(new Set(rows.slice(0, count)).size, count, 'each row once')
        assert.ok(rows.slice(count).every(row => row === -1))
      }
    }
  }
})

test('equal scores go to the lower row, on every place and at the cut', () => {
  const texts = Array.from({ length: 200 }, (_, i) => ['dog', 'cat', 'cat dog', 'cow'][i % 4]!)
  const of = (kind: number, count: number) => Array.from({ length: count }, (_, i) => 4 * i + kind)
  assert.equal(
    results(texts, 'cat', 60, { b: 0 }).rows,
    Array.from({ length: 60 }, (_, i) => [1, 2][i % 2]! + 4 * (i >> 1)),
  )
  assert.equal(results(texts, 'cat', 1000).rows, [...of(1, 50), ...of(2, 50)])
  assert.equal(results(texts, 'cat dog', 55).rows.slice(0, 50), of(2, 50))
  // Scores that differ in f64 alone are equal in a run: the lower row comes first.
  const close = ['cat x', 'cat y', 'cat']
  const { rows, scores } = results(close, 'cat', 3, { b: 1e-9 })
  assert.is(scores[0], scores[2])
  assert.equal(rows, [0, 1, 2])
})

test('a repeated word of the query counts as often as it occurs', () => {
  const texts = ['cat dog', 'dog cow cow', 'cow']
  const [once, twice] = [results(texts, 'cat', 1), results(texts, 'cat Cat', 1)]
  assert.is(twice.scores[0], Math.fround(2 * naiveScores(texts, {})('cat')[0]!))
  assert.ok(once.scores[0]! < twice.scores[0]!)
})

test('no known word, no word, empty documents: no results, and no error', () => {
  const none = { rows: [], scores: [] }
  assert.equal(results(['cat', ''], 'dog __proto__ constructor', 3), none)
  assert.equal(results(['cat', ''], ' … ', 3), none)
  assert.equal(results(['', '…'], 'cat', 3), none)
  assert.equal(results(['the', 'a cat'], 'the', 3, { stopWords: 'english' }), none)
  assert.equal(results(['constructor', 'cat'], 'constructor', 3).rows, [0])
  const found = searchBm25(createBm25Index(['cat', 'dog']), ['cow', 'dog'], { k: 3 })
  assert.equal([found.k, [...found.counts], [...found.rows]], [2, [0, 1], [-1, -1, 1, -1]])
  assert.equal(searchBm25(createBm25Index(['cat']), [], { k: 3 }).rows.length, 0)
})

test('an index: words counted, postings by word; more words and postings than it begins with', () => {
  const index = createBm25Index(['b a b', 'a'])
  assert.equal(
    [index.documents, index.words, [...index.terms]],
    [
      2,
      4,
      [
        ['b', 0],
        ['a', 1],
      ],
    ],
  )
  assert.equal(
    [[...index.offsets], [...index.rows]],
    [
      [0, 1, 3],
      [0, 0, 1],
    ],
  )
  function* many() {
    for (let i = 0; i < 1000; i++)
      yield Array.from({ length: 200 }, (_, j) => `w${(i * 131 + j * 7) % 20011}`).join(' ')
  }
  const large = createBm25Index(many())
  assert.equal([large.words, large.rows.length], [200_000, 200_000])
  const found = searchBm25(large, ['w131'], { k: 1000 })
  const holding = [...many()].flatMap((text, i) => (text.split(' ').includes('w131') ? [i] : []))
  assert.equal(
    [...found.rows.subarray(0, found.counts[0])].sort((a, b) => a - b),
    holding,
  )
})

test('bad input is refused', () => {
  const index =
    (settings: Partial<Bm25Settings>, texts = ['cat']) =>
    () =>
      createBm25Index(texts, settings)
  assert.throws(index({ k1: -0.1 }), /bm25: k1 is -0\.1, expected a number from 0/)
  assert.throws(index({ k1: Number.NaN }), /k1 is NaN/)
  assert.throws(index({ k1: Number.POSITIVE_INFINITY }), /k1 is Infinity/)
  for (const b of [-0.01, 1.01, Number.NaN]) assert.throws(index({ b }), /b is .*, expected a number from 0 to 1/)
  assert.throws(index({}, []), /bm25: there is no document to index, expected one or more/)
  for (const k of [0, 1.5, 1025])
    assert.throws(() => searchBm25(createBm25Index(['cat']), ['cat'], { k }), /bm25: k is .*, expected 1 to 1024/)
})

// What a plain Python program with the same words and formula gives.
const anchors = { scifact: 0.662, cranfield: 0.333, conala: 0.072, nl2bash: 0.315 }
for (const [name, expected] of Object.entries(anchors)) {
  const folder = needs(`data/${name}`)
  ;(folder ? test : test.skip)(`nDCG@10 of ${name}`, async () => {
    const { scores } = evaluateBm25(await loadCollection(folder!), {}, { k: 100, protocol: 'beir' })
    assert.ok(Math.abs(scores.ndcg_at_10! - expected) < 0.001, `${scores.ndcg_at_10}`)
  })
}
test.run()
