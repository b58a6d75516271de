// InfoNCE by tiles as it is timed: verified, within the memory of a tile.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { benchInfoNce } from '../../src/bench/infonce.js'
import type { BenchRow } from '../../src/bench/row.js'

test('a row that is verified, and tells its memory', async () => {
  const backend = await createWasmBackend({ threads: 1 })
  const rows: BenchRow[] = []
  await benchInfoNce(backend, { queries: 9, passages: 1100, width: 12 }, 1, row => rows.push(row))
  const [row] = rows
  assert.ok(row!.verified && row!.max_error > 0, `${row!.max_error}`)
  assert.is(row!.shape, '9×1100×12')
  assert.match(row!.note!, /^forward and backward, 0\.\d MiB beside vectors/)
  backend.close()
})

test.run()
