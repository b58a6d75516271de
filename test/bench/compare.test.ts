// Results of benchmarks beside each other, and as a page.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compareResults, formatComparison, parseResults } from '../../src/bench/compare.js'
import { withLimit } from '../../src/bench/limits.js'
import { renderBench } from '../../src/bench/page.js'
import type { BenchRow } from '../../src/bench/row.js'

const row = (name: string, milliseconds: number, more: Partial<BenchRow> = {}): BenchRow => ({
  ...{ name, shape: '4×4', backend: 'wasm', variant: 'simd', verified: true, max_error: 1e-7, milliseconds },
  ...{ adapter: 'a <processor>', commit: 'abc' },
  ...more,
})

test('rows of the same name, shape and rival meet; the others are named', () => {
  const first = [row('a', 4), row('b', 1), row('c', 3, { peer: 'tfjs 4.22', ratio: 1.2 })]
  const second = [row('c', 1, { peer: 'tfjs 4.23', ratio: 2 }), row('a', 2), row('c', 9), row('a', 2, { shape: '8×8' })]
  const { rows, unmatched } = compareResults(first, second)
  assert.equal(
    rows.map(({ name, ratio }) => [name, ratio]),
    [
      ['a', 2],
      ['c', 3],
    ],
  )
  assert.equal(unmatched, ['b 4×4', 'c 4×4', 'a 8×8'])
  assert.match(formatComparison(rows[0]!), /^a 4×4 .*4\.000 ms .*2\.000 ms +× 2\.00$/)
  assert.match(formatComparison({ ...rows[0]!, second: row('a', 2, { verified: false }) }), /NOT VERIFIED/)
})

test('what is no result is refused with what was expected', () => {
  for (const text of ['{', '{}', '[{"name": "a"}]', '[{"name": "a", "shape": "1", "milliseconds": 0}]', '[null]'])
    assert.throws(() => parseResults(text, 'x.json'), /^x\.json.*expected the output of wgpu-retrieve bench --json$/)
  assert.is(parseResults(JSON.stringify([row('a', 1)]), 'x.json').length, 1)
})

test('a rate is a part of the limit of its own kind', () => {
  const limits = { gbps: 20, gflops: 100 }
  assert.is(withLimit(row('a', 1, { gflops: 50 }), limits).of_limit, 0.5)
  assert.is(withLimit(row('a', 1, { gbps: 50 }), limits).of_limit, 2.5)
  assert.is(withLimit(row('a', 1, { gflops: 10, gbps: 50 }), limits).of_limit, 2.5)
  assert.is(withLimit(row('a', 1, { gflops: 500, gbps: 5 }), limits).of_limit, 5)
  assert.is(withLimit(row('a', 1), limits).of_limit, undefined)
  assert.is(withLimit(row('a', 1, { gflops: 10, gbps: 50 }), limits).limit, 'copy')
  assert.is(withLimit(row('a', 1, { gflops: 500, gbps: 5 }), limits).limit, 'multiply-add')
})

test('the page: escaped, every row, bars with their parts, ratios', async () => {
  const rows = [
    row('limit: copy', 1, { gbps: 20 }),
    row('norm', 1, { gbps: 5, gflops: 1, of_limit: 0.25, limit: 'copy' }),
    row('matmul', 1, { peer: 'rival 1', ratio: 1.5 }),
    row('wrong', 1, { verified: false }),
  ]
  const page = await renderBench({ rows, version: '1', date: '2026-01-02T03:04:05Z', command: 'bench "x" <y>' })
  for (const text of [
    'a &#60;processor&#62;',
    '25 % of copy, 5.0 GB/s',
    '20.0 GB/s',
    '× 1.50',
    'not verified',
    '&#60;y&#62;',
    '<svg',
  ])
    assert.ok(page.includes(text), text)
  assert.not.match(page, /<processor>|<y>|src=|https?:\/\/(?!www\.w3\.org)/)
})

test.run()
