// BM25 on a collection: BEIR's and TREC's rules, ties, queries that find nothing, what is counted, the fingerprint.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Collection } from '../../src/data/collection.js'
import { type Bm25Progress, bm25Fingerprint, evaluateBm25 } from '../../src/run/bm25.js'

function collectionOf(
  documents: Record<string, string>,
  queries: Record<string, string>,
  qrels: Record<string, Record<string, number>>,
): Collection {
  const texts = (record: Record<string, string>) => ({ ids: Object.keys(record), texts: Object.values(record) })
  const judged = Object.entries(qrels).map(([id, grades]) => [id, new Map(Object.entries(grades))] as const)
  const counts = { emptyDocuments: 0, judgements: 0, relevant: 0, unknownDocuments: 0, unknownQueries: 0 }
  return {
    ...{ name: 'made', split: 'test', documents: texts(documents), queries: texts(queries) },
    ...{ qrels: new Map(judged), warnings: [], counts },
  }
}

// a, c and e tie for "cat"; c is the query's own document. The judged query x is not in the collection.
const collection = collectionOf(
  { a: 'Red cat', b: 'blue dog', c: 'red cat', d: '', e: 'cat red' },
  { c: 'cat', q: 'a cow?', r: 'dog' },
  { c: { a: 1 }, q: { b: 1 }, r: { b: 1 }, x: { a: 1 } },
)
const settings = { k: 2, protocol: 'beir', measures: ['mrr_at_2'] } as const
const idsOf = (run: ReadonlyMap<string, readonly { readonly id: string }[]>) =>
  Object.fromEntries([...run].map(([query, results]) => [query, results.map(({ id }) => id)]))

test("beir drops the query's own document and still gives k; ties are by id, descending", () => {
  const beir = evaluateBm25(collection, {}, settings)
  assert.equal(idsOf(beir.run), { c: ['e', 'a'], q: [], r: ['b'] })
  const trec = evaluateBm25(collection, {}, { ...settings, protocol: 'trec' })
  assert.equal(idsOf(trec.run), { c: ['e', 'c'], q: [], r: ['b'] })
})

test('a query that finds nothing counts 0; one that is not in the collection does not count', () => {
  const { scores, perQuery, counts } = evaluateBm25(collection, {}, settings)
  assert.equal(perQuery, { c: { mrr_at_2: 0.5 }, q: { mrr_at_2: 0 }, r: { mrr_at_2: 1 } })
  assert.equal([scores.mrr_at_2, counts], [0.5, { queries: 3, missing: 1, unjudged: 0 }])
  const lost = collectionOf({ a: 'cat' }, { q: 'dog' }, { q: { a: 1 }, x: { a: 1 } })
  const nothing = evaluateBm25(lost, {}, { k: 1, protocol: 'trec' })
  assert.equal(idsOf(nothing.run), { q: [] })
  assert.ok(Object.values(nothing.scores).length > 5 && Object.values(nothing.scores).every(score => score === 0))
  assert.equal([Object.keys(nothing.perQuery), nothing.counts.queries], [['q'], 1])
})

test('what is counted, and progress', () => {
  const seen: Bm25Progress[] = []
  const scored = evaluateBm25(collection, { stopWords: 'english' }, settings, { onProgress: each => seen.push(each) })
  const { queries, documents, tokens, truncated, seconds } = scored
  assert.equal([queries, documents, tokens, truncated], [3, 5, 8, 0])
  assert.ok(seconds.encode > 0 && seconds.search > 0)
  const done = (unit: string) => seen.filter(each => each.unit === unit).map(each => `${each.done}/${each.total}`)
  assert.equal(done('documents'), ['0/5', '1/5', '2/5', '3/5', '4/5', '5/5'])
  assert.equal(done('queries'), ['0/3', '1/3', '2/3', '3/3'])
})

test('bad input is refused', () => {
  const evaluate = (k: number, protocol: 'beir' | 'trec') => () => evaluateBm25(collection, {}, { k, protocol })
  assert.throws(evaluate(1024, 'beir'), /k is 1024, expected at most 1023/)
  assert.throws(evaluate(1025, 'trec'), /k is 1025, expected at most 1024/)
  assert.throws(() => evaluateBm25(collection, { k1: -1 }, settings), /k1 is -1, expected a number from 0/)
  assert.throws(() => evaluateBm25(collectionOf({}, { q: 'x' }, {}), {}, settings), /there is no document to index/)
})

test('the fingerprint names what a score depends on', () => {
  const parts = { protocol: 'beir', k: 100, bm25: {}, dataHash: 'fedcba9876543210' }
  const words = 'words=lowercase:[\\p{L}\\p{N}_]+'
  assert.is(
    bm25Fingerprint(parts),
    `beir k=100 bm25 k1=0.9 b=0.4 ${words} stemmer=none stop_words=none data=fedcba987654`,
  )
  assert.is(
    bm25Fingerprint({ ...parts, bm25: { k1: 1.2, b: 0, stemmer: 'english', stopWords: 'english' } }),
    `beir k=100 bm25 k1=1.2 b=0 ${words} stemmer=english stop_words=english data=fedcba987654`,
  )
})
test.run()
