import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type BenchRow, formatRow } from '../../src/bench/row.js'
import { benchSampling } from '../../src/bench/sampling.js'

test('every kind of draw is checked, and has a rate of rows', async () => {
  const rows: BenchRow[] = []
  await benchSampling(0.01, row => rows.push(row))
  assert.equal(
    rows.map(({ name, verified, max_error }) => [name, verified, max_error]),
    ['permutation', 'weighted choice', 'negatives', 'batches by length'].map(name => [name, true, 0]),
  )
  for (const row of rows) {
    assert.ok(row.rows_per_second! > 1e4, row.name)
    assert.match(formatRow(row), /^\D+.* ms +[\d.]+ M rows\/s {2}wasm, 1 thread +error 0/)
  }
})

test.run()
