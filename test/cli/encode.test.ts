// encode over more lines than are held at a time: one file, in the order of the input; what is wrong in a late line leaves nothing.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readWindows } from '../../src/cli/encode-input.js'
import { openSafetensors } from '../../src/data/safetensors.js'
import { attempt, contents, refused, tinyModel } from '../support/cli.js'
import { folderWith } from '../support/temporary.js'

const words = ['red', 'blue', 'cat', 'dog', 'cats', 'a']
/** Texts of 1 to 5 words in no order of length. */
const textOf = (i: number) => Array.from({ length: 1 + ((i * 7) % 5) }, (_, j) => words[(i + j) % 6]).join(' ')
const COUNT = 9000
const lines = Array.from({ length: COUNT }, (_, i) => JSON.stringify({ _id: `t${i}`, text: textOf(i) }))

async function encoded(folder: string, input: string, output: string, ...more: string[]) {
  const words = ['encode', '--model', await tinyModel(), '--backend', 'wasm', '--threads', '2', '--quiet', '--json']
  const paths = ['--input', join(folder, input), '--output', join(folder, output)]
  const done = await attempt(...words, ...paths, ...more)
  assert.is(done.code, 0, done.stderr)
  const file = await openSafetensors(join(folder, output))
  const vectors = await file.readF32('embeddings')
  const offsets = more.includes('none') ? await file.readI32('offsets') : undefined
  await file.close()
  return { ...JSON.parse(done.stdout), vectors, offsets, shape: file.tensors.get('embeddings')!.shape }
}

const near = (actual: Float32Array, expected: Float32Array) =>
  actual.length === expected.length && actual.every((x, i) => Math.abs(x - expected[i]!) < 1e-5)

test('more texts than are held at a time: every vector in its place, all names in order', async () => {
  const folder = folderWith({
    'all.jsonl': `${lines.join('\n')}\n`,
    'some.jsonl': `${[0, 4095, 4096, 8191, 8192, COUNT - 1].map(i => lines[i]).join('\n')}\n`,
  })
  const all = await encoded(folder, 'all.jsonl', 'all.safetensors')
  assert.equal([all.texts, all.shape], [COUNT, [COUNT, 6]])
  const some = await encoded(folder, 'some.jsonl', 'some.safetensors')
  const row = (i: number) => all.vectors.subarray(6 * i, 6 * i + 6)
  for (const [n, i] of [0, 4095, 4096, 8191, 8192, COUNT - 1].entries())
    assert.ok(near(row(i), some.vectors.subarray(6 * n, 6 * n + 6)), `text ${i}`)
  const names = readFileSync(join(folder, 'all.ids.txt'), 'utf8').split('\n')
  assert.equal([names.length, names[4096], names[COUNT - 1]], [COUNT + 1, 't4096', `t${COUNT - 1}`])
  const few = await encoded(folder, 'some.jsonl', 'few.safetensors', '--batch-tokens', '1')
  assert.ok(near(few.vectors, some.vectors), 'a batch a text')
})

test("every token's state: the offsets go on from window to window", async () => {
  const folder = folderWith({ 'all.jsonl': `${lines.join('\n')}\n` })
  const { tokens, shape, offsets } = await encoded(folder, 'all.jsonl', 'v.safetensors', '--pooling', 'none')
  assert.is(offsets!.length, COUNT + 1)
  assert.is(offsets!.at(-1), tokens)
  assert.equal(shape, [tokens, 6])
  assert.ok(offsets!.every((end: number, i: number) => i === 0 || end > offsets![i - 1]!))
})

test('a wrong line behind many good ones is named, and nothing is written', async () => {
  const folder = folderWith({ 'in.jsonl': `${lines.join('\n')}\n{"ids":[2,5,3]}\n` })
  const words = ['encode', '--model', await tinyModel(), '--backend', 'wasm', '--input', join(folder, 'in.jsonl')]
  const done = await attempt(...words, '--output', join(folder, 'out/v.safetensors'))
  refused(done, 1, /in\.jsonl:9001: lines with "text" and lines with "ids" in one file/)
  assert.equal(contents(folder), ['in.jsonl'])
})

test('windows: no more lines than asked for are held, numbers go on, the share read is told', async () => {
  const folder = folderWith({ 'in.jsonl': '{"text":"red cat"}\n'.repeat(10_000) })
  const windows = []
  for await (const { names, share } of readWindows(join(folder, 'in.jsonl')))
    windows.push([names.length, names[0], share === undefined || share > 1])
  assert.equal(windows, [
    [4096, '0', false],
    [4096, '4096', false],
    [1808, '8192', false],
  ])
})

test.run()
