// Exact search against a ranking in f64, in blocks of every kind; ties, small corpora, nothing to search.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type SearchOptions, searchExact } from '../../src/retrieve/search.js'
import { backendsPresent } from '../support/present.js'
import { failure } from '../support/temporary.js'
import { seededValues } from '../support/values.js'

interface Ranked {
  readonly row: number
  readonly score: number
}

/** Every row of the corpus, best first, for one query: scores in f64, ties by the lower row. */
function ranking(query: Float32Array, corpus: Float32Array): Ranked[] {
  const width = query.length
  return Array.from({ length: corpus.length / width }, (_, row) => ({
    row,
    score: query.reduce((sum, x, i) => sum + x * corpus[row * width + i]!, 0),
  })).sort((a, b) => b.score - a.score || a.row - b.row)
}

const backends = await backendsPresent()
for (const backend of backends) {
  test(`${backend.kind}: the naive ranking, ties by the lower row, whatever the blocks`, async () => {
    const width = 7
    const values = seededValues(11)
    // Small whole numbers: scores are exact, and most of them are shared by several rows.
    const whole = (rows: number) => Float32Array.from(values.integers(rows * width, 5), x => x - 2)
    const [queries, corpus] = [whole(13), whole(301)]
    const blocks: Partial<SearchOptions>[] = [
      {},
      { queryBlock: 4, corpusBlock: 32 },
      { queryBlock: 13, corpusBlock: 301 },
      { queryBlock: 5, corpusBlock: 7 },
      { queryBlock: 1, corpusBlock: 300 },
    ]
    for (const block of blocks) {
      const k = 17
      const found = await searchExact(backend, queries, corpus, width, { k, ...block })
      assert.is(found.k, k)
      for (let q = 0; q < 13; q++) {
        const expected = ranking(queries.subarray(q * width, (q + 1) * width), corpus).slice(0, k)
        const at = JSON.stringify({ q, ...block })
        assert.equal(
          Array.from(found.rows.subarray(q * k, (q + 1) * k)),
          expected.map(each => each.row),
          at,
        )
        assert.equal(
          Array.from(found.scores.subarray(q * k, (q + 1) * k)),
          expected.map(each => each.score),
          at,
        )
      }
    }
  })

  test(`${backend.kind}: real scores to f32 precision`, async () => {
    const width = 50
    const values = seededValues(12)
    const [queries, corpus] = [values.normal(6 * width), values.normal(500 * width)]
    const found = await searchExact(backend, queries, corpus, width, { k: 10, corpusBlock: 64 })
    for (let q = 0; q < 6; q++) {
      const expected = ranking(queries.subarray(q * width, (q + 1) * width), corpus)
      for (let i = 0; i < 10; i++) {
        const [row, score] = [found.rows[q * 10 + i]!, found.scores[q * 10 + i]!]
        assert.ok(Math.abs(score - expected[i]!.score) < 1e-4, `rank ${i} of query ${q}: ${score}`)
        assert.ok(Math.abs(score - expected.find(each => each.row === row)!.score) < 1e-4, `row ${row} of query ${q}`)
      }
    }
  })

  test(`${backend.kind}: fewer documents than asked for, one of each, none`, async () => {
    const corpus = Float32Array.of(1, 0, 0, 1, 1, 1)
    const few = await searchExact(backend, Float32Array.of(2, 1), corpus, 2, { k: 1000 })
    assert.equal(few, { k: 3, scores: Float32Array.of(3, 2, 1), rows: Int32Array.of(2, 0, 1) })
    const single = await searchExact(backend, Float32Array.of(-1), Float32Array.of(4), 1, { k: 1 })
    assert.equal(single, { k: 1, scores: Float32Array.of(-4), rows: Int32Array.of(0) })
    const nothing = { scores: new Float32Array(), rows: new Int32Array() }
    assert.equal(await searchExact(backend, new Float32Array(), corpus, 2, { k: 2 }), { k: 2, ...nothing })
    assert.equal(await searchExact(backend, corpus, new Float32Array(), 2, { k: 2 }), { k: 0, ...nothing })
  })

  test(`${backend.kind}: k of 1024 is the most; sizes that make no sense are refused`, async () => {
    const corpus = Float32Array.from({ length: 2000 }, (_, i) => (i * 7) % 2000)
    const most = await searchExact(backend, Float32Array.of(1), corpus, 1, { k: 1024, corpusBlock: 300 })
    assert.equal(
      Array.from(most.scores),
      Array.from({ length: 1024 }, (_, i) => 1999 - i),
    )
    const search = (width: number, options: SearchOptions) =>
      failure(searchExact(backend, Float32Array.of(1, 2), corpus, width, options))
    assert.match(await search(1, { k: 1025 }), /k is 1025, expected 1 to 1024/)
    assert.match(await search(1, { k: 0 }), /k is 0/)
    assert.match(await search(3, { k: 1 }), /2 and 2000 values are not rows of 3/)
    assert.match(await search(1, { k: 1, queryBlock: 0 }), /queryBlock is 0, expected a whole number from 1/)
    assert.match(await search(1, { k: 1, corpusBlock: 0 }), /corpusBlock is 0, expected a whole number from 1/)
  })
}

test('progress counts queries, and an aborted search ends', async () => {
  const [backend] = backends
  const corpus = new Float32Array(40).fill(1)
  const seen: number[] = []
  const onProgress = ({ queries }: { queries: number }) => void seen.push(queries)
  await searchExact(backend!, new Float32Array(10), corpus, 2, { k: 1, queryBlock: 2, onProgress })
  assert.equal(seen, [2, 4, 5])
  const signal = AbortSignal.abort(new Error('stopped by hand'))
  const search = searchExact(backend!, new Float32Array(10), corpus, 2, { k: 1, signal })
  assert.match(await failure(search), /stopped by hand/)
})
test.run()
