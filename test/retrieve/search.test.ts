// Exact search against a ranking in f64, in blocks of every kind; ties, small corpora, nothing to search.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { createIndex, type SearchOptions, searchExact } from '../../src/retrieve/search.js'
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

  test(`${backend.kind}: a thousand results, from a corpus larger than one binding`, async () => {
    const width = 4
    const values = seededValues(13)
    const whole = (rows: number) => Float32Array.from(values.integers(rows * width, 41), x => x - 20)
    const [queries, corpus] = [whole(2), whole(2500)]
    // A device that binds no more than 900 rows
    const small = { ...backend, limits: { ...backend.limits, binding: 900 * width * 4 } }
    for (const index of [createIndex(small, corpus, width), createIndex(small, corpus, width, { maximumBytes: 0 })]) {
      const { k, rows, scores } = await index.search(queries, { k: 1000 })
      assert.is(k, 1000)
      for (let q = 0; q < 2; q++) {
        const expected = ranking(queries.subarray(q * width, (q + 1) * width), corpus).slice(0, k)
        const own = (all: Float32Array | Int32Array) => Array.from(all.subarray(q * k, (q + 1) * k))
        assert.equal(
          own(rows),
          expected.map(each => each.row),
        )
        assert.equal(
          own(scores),
          expected.map(each => each.score),
        )
      }
      index.release()
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

  test(`${backend.kind}: an index, in memory as a whole, in part, or not at all, searched more than once`, async () => {
    const width = 6
    const values = seededValues(13)
    const whole = (rows: number) => Float32Array.from(values.integers(rows * width, 7), x => x - 3)
    // More blocks than one run takes, the last one shorter
    const [corpus, corpusBlock, rowBytes] = [whole(613), 32, width * 4]
    for (const [maximumBytes, resident] of [
      [undefined, 613],
      [613 * rowBytes, 613],
      [613 * rowBytes - 1, 608],
      [300 * rowBytes, 288],
      [0, 0],
    ]) {
      const index = createIndex(backend, corpus, width, {
        corpusBlock,
        ...(maximumBytes !== undefined && { maximumBytes }),
      })
      assert.equal([index.documents, index.resident, index.bytes], [613, resident, resident! * rowBytes])
      for (const [count, k, queryBlock] of [
        [1, 40, 1],
        [9, 5, 4],
        [70, 613, 64],
      ] as const) {
        const queries = whole(count)
        const found = await index.search(queries, { k, queryBlock })
        for (let q = 0; q < count; q++) {
          const expected = ranking(queries.subarray(q * width, (q + 1) * width), corpus).slice(0, k)
          const at = JSON.stringify({ q, count, k, maximumBytes })
          const rows = Array.from(found.rows.subarray(q * k, (q + 1) * k))
          assert.equal(
            rows,
            expected.map(each => each.row),
            at,
          )
          const scores = Array.from(found.scores.subarray(q * k, (q + 1) * k))
          assert.equal(
            scores,
            expected.map(each => each.score),
            at,
          )
        }
      }
      index.release()
      index.release()
      assert.match(await failure(index.search(whole(1), { k: 1 })), /the index was released; create another/)
    }
  })

  test(`${backend.kind}: an index with vectors of its own stays as it was made; wrong sizes are refused`, async () => {
    const vectors = Float32Array.of(1, 0, 0, 1)
    const index = createIndex(backend, vectors, 2)
    vectors.fill(9)
    assert.equal(await index.search(Float32Array.of(0, 5), { k: 2 }), {
      k: 2,
      scores: Float32Array.of(5, 0),
      rows: Int32Array.of(1, 0),
    })
    assert.match(await failure(index.search(Float32Array.of(1, 2, 3), { k: 1 })), /3 values are not queries of 2/)
    index.release()
    assert.throws(() => createIndex(backend, vectors, 3), /index: 4 values are not rows of 3/)
    assert.throws(() => createIndex(backend, vectors, 2, { corpusBlock: 0 }), /corpusBlock is 0/)
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

test('an index whose vectors do not fit leaves no memory behind', async () => {
  const small = await createWasmBackend({ threads: 1, maximumBytes: 64 * 2 ** 20 })
  const vectors = new Float32Array(16 * 2 ** 20)
  assert.throws(() => createIndex(small, vectors, 256, { maximumBytes: 2 ** 30 }), /cannot allocate .* for corpus/)
  const index = createIndex(small, vectors, 256)
  assert.ok(index.resident > 0 && index.bytes <= 48 * 2 ** 20, `${index.bytes} bytes`)
  vectors[60_000 * 256] = 1
  const query = Float32Array.from({ length: 256 }, (_, i) => (i === 0 ? 3 : 0))
  const { rows, scores } = await index.search(query, { k: 1 })
  assert.equal([rows[0], scores[0]], [60_000, 3])
  index.release()
  small.free(small.allocate(60 * 2 ** 20, 'all'))
  small.close()
})

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
