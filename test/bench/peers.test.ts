// Rivals in turns: what a script has to answer, what is made of a wrong result, and of a script that fails.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { compareProducts, product } from '../../src/bench/products.js'
import type { BenchRow } from '../../src/bench/row.js'
import { isChildError, startChild } from '../../src/runtime/child.js'
import { folderWith } from '../support/temporary.js'

/** A rival that multiplies (M, K) · (K, N) and then does what `spoil` says; it chatters in between. */
const rival = (threads: number, spoil = '') => `
import { readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
const floats = path => { const b = readFileSync(path); return new Float32Array(b.buffer.slice(b.byteOffset, b.byteOffset + b.length)) }
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line)
  console.log('thinking about', request.do)
  let answer = { name: 'abacus 1.0', threads: ${threads} }
  if (request.do === 'prepare') {
    const { M, N, K } = request
    const [a, b, c] = [floats(request.a), floats(request.b), new Float32Array(M * N)]
    for (let i = 0; i < M; i++) for (let j = 0; j < N; j++) for (let k = 0; k < K; k++) c[i * N + j] += a[i * K + k] * b[k * N + j]
    ${spoil}
    writeFileSync(request.out, new Uint8Array(c.buffer))
    answer = {}
  } else if (request.do === 'time') answer = { milliseconds: 1000, cores: 0.5 }
  console.log(JSON.stringify(answer))
}`

async function compare(script: string, threads = 1): Promise<{ rows: BenchRow[]; said: string }> {
  const folder = folderWith({ 'onnxruntime.mjs': script })
  const backend = await createWasmBackend({ threads })
  const rows: BenchRow[] = []
  const said: string[] = []
  const options = { folder, only: 'web', rounds: 2, seconds: 0.001 }
  try {
    const cases = [product('NN', 40, 30, 20)]
    await compareProducts(
      backend,
      cases,
      options,
      row => rows.push(row),
      line => said.push(line),
    )
  } finally {
    backend.close()
  }
  return { rows, said: said.join('\n') }
}

test('a rival that agrees: a row with its time and the ratio', async () => {
  const { rows, said } = await compare(rival(1))
  assert.is(rows.length, 1, said)
  const { peer, verified, ratio, milliseconds, peer_milliseconds, peer_cores, threads } = rows[0]!
  assert.equal([peer, verified, peer_milliseconds, peer_cores, threads], ['abacus 1.0', true, 1000, 0.5, 1])
  assert.is(ratio, 1000 / milliseconds)
  assert.is(said, '')
})

test('a rival whose result is another: the row is not verified', async () => {
  const { rows } = await compare(rival(1, 'c[7] += 0.01'))
  assert.is(rows[0]!.verified, false)
  assert.ok(rows[0]!.peer_error! > 1e-4)
})

test('a rival on fewer threads: ours has no more beside it, and that is said', async () => {
  const { rows, said } = await compare(rival(1), 2)
  assert.is(rows[0]!.threads, 1)
  assert.match(said, /abacus 1\.0 uses 1 thread here, and so do we beside it/)
})

test('a rival that fails is left out, and why is said', async () => {
  const cases: [string, RegExp][] = [
    [
      'console.error("no such library"); process.exit(3)',
      /onnxruntime\.mjs web is left out: .* ended with 3: no such library/,
    ],
    [rival(1, 'throw new Error("overflow")'), /left out: .*ended with 1: .*overflow/s],
    [rival(1).replace('answer = {}', 'answer = { error: "too hot" }'), /left out: .*: too hot$/],
    [
      rival(1).replace('milliseconds: 1000', 'milliseconds: null'),
      /left out: abacus 1\.0: expected milliseconds, found null/,
    ],
  ]
  for (const [script, message] of cases) {
    const { rows, said } = await compare(script)
    assert.equal(rows, [])
    assert.match(said, message)
  }
})

test('a command that is not there', async () => {
  const child = startChild('no-such-interpreter', [], {})
  try {
    await child.ask({ do: 'open' })
    assert.unreachable()
  } catch (error) {
    assert.ok(isChildError(error))
    assert.match((error as Error).message, /no-such-interpreter does not start/)
  }
})

test.run()
