// bench: the form of its rows, and its exit codes.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { webgpuBackend } from '../support/adapter.js'
import { attempt, refused, start, tinyCollection, tinyModel } from '../support/cli.js'
import { folderWith } from '../support/temporary.js'

const present = await webgpuBackend()

const quick = ['--backend', 'wasm', '--threads', '1', '--rounds', '1', '--json', '--quiet']
const fields = ['name', 'shape', 'backend', 'variant', 'verified', 'max_error', 'milliseconds', 'adapter', 'commit']

test('kernels --json: verified rows with a rate', async () => {
  const { code, stdout, stderr } = await attempt('bench', 'kernels', '--match', 'layer_norm', '--no-peers', ...quick)
  assert.is(code, 0, stderr)
  const rows = JSON.parse(stdout)
  assert.is(rows.length, 6)
  for (const row of rows) {
    for (const field of fields) assert.ok(field in row, `${row.name}: ${field}`)
    assert.ok(row.verified && row.max_error < 1e-5 && row.milliseconds > 0, row.name)
    assert.ok((row.gflops ?? row.gbps) > 0, row.name)
    assert.match(row.name, /^(layer_norm|limit: )/)
    if (!row.name.startsWith('limit')) assert.is(row.of_limit, row.gbps / rows[0].gbps, row.name)
  }
})

test('encode and train, on a model and a collection, and as a table', async () => {
  const [model, data] = [await tinyModel(), tinyCollection()]
  const { code, stdout, stderr } = await attempt(
    'bench',
    'encode',
    '--model',
    model,
    '--data',
    data,
    '--no-peers',
    ...quick,
  )
  assert.is(code, 0, stderr)
  const [row] = JSON.parse(stdout)
  assert.equal([row.name, row.shape, row.verified], ['encode', '3 texts, 11 tokens', true])
  assert.ok(row.tokens_per_second > 0)
  const words = quick.filter(word => word !== '--json')
  const table = await attempt('bench', 'tokenize', '--model', model, '--data', data, '--no-peers', ...words)
  assert.is(table.code, 0, table.stderr)
  assert.match(table.stdout, /^tokenize \d+ texts, \d+ tokens +[\d.]+ ms +\d+ tokens\/s +wasm, 1 thread +error 0/)
  const train = await attempt('bench', 'train', '--model', model, '--data', data, '--no-peers', ...quick)
  assert.is(train.code, 1)
  assert.match(train.stderr, /has no training pairs|has no split|training pairs, expected 64 for 2 steps/)
})

const gpu = present ? test : test.skip
gpu('gpu: products in f32 and with f16 factors, where the adapter has them', async () => {
  const words = ['--adapter', present!.adapterInfo.name, '--match', 'matmul', '--rounds', '1', '--no-peers', '--json']
  const { code, stdout, stderr } = await attempt('bench', 'gpu', ...words)
  assert.is(code, 0, stderr)
  const rows = JSON.parse(stdout) as { name: string; verified: boolean; gflops?: number; of_limit?: number }[]
  const names = new Set(rows.map(({ name }) => name))
  assert.ok(names.has('limit: multiply-add') && names.has('matmul NT'), [...names].join())
  assert.ok(names.has('matmul NT 4 bits'), [...names].join())
  for (const name of ['matmul NT f16', 'matmul NT 4 bits f16'])
    assert.is(names.has(name), !/f16 is left out/.test(stderr), name)
  for (const { name, verified, gflops = 0, of_limit } of rows) {
    assert.ok(verified, name)
    if (name.startsWith('matmul')) assert.ok(gflops > 0 && of_limit! > 0, name)
  }
})

test('gpu is refused on wasm', async () => {
  refused(await attempt('bench', 'gpu', '--backend', 'wasm'), 2, /bench gpu measures a GPU, but --backend is wasm/)
})

// Answers as it should, but its vectors are all the same.
const wrongRival = `
import { readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line)
  if (request.do === 'prepare')
    writeFileSync(request.out, new Uint8Array(new Float32Array(6 * JSON.parse(readFileSync(request.ids)).length).fill(1).buffer))
  console.log(JSON.stringify({ name: 'parrot 1.0', threads: 1, milliseconds: 5 }))
}`

test('a row that is not verified: exit code 1, the rows all the same', async () => {
  const peers = folderWith({ 'onnxruntime.mjs': wrongRival })
  const onData = ['--model', await tinyModel(), '--data', tinyCollection()]
  const { code, stdout, stderr } = await start([
    'bench',
    'encode',
    ...onData,
    '--peers',
    peers,
    '--peer',
    'web',
    ...quick,
  ])
  assert.is(code, 1, stderr)
  assert.match(stderr, /^error: 1 of 2 rows are not verified: encode beside parrot 1\.0$/m)
  const rows = JSON.parse(stdout) as { verified: boolean; peer?: string; peer_milliseconds?: number }[]
  assert.equal(
    rows.map(row => [row.verified, row.peer, row.peer_milliseconds]),
    [
      [true, undefined, undefined],
      [false, 'parrot 1.0', 5],
    ],
  )
})

test('what cannot be: exit code 2 for the command line, 1 for what is not there', async () => {
  refused(await attempt('bench', 'everything'), 2, /Allowed choices are kernels, tokenize, encode, train, search/)
  refused(await attempt('bench', 'encode', '--rounds', '0'), 2, /integer of 1 or more/)
  const none = ['bench', 'encode', '--model', '/nonexistent', ...quick]
  refused(await attempt(...none), 1, /the model folder \/nonexistent does not exist/)
  refused(await attempt('bench', 'kernels', '--match', 'nothing', ...quick), 2, /no kernel has "nothing" in its name/)
  refused(await attempt('bench', 'kernels', '--peers', '/nonexistent', ...quick), 2, /no such folder: \/nonexistent/)
})

test.run()
