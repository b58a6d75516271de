// --precision int8: the same forms as f32, vectors near, its name in the fingerprint, and where it is refused.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openSafetensors } from '../../src/data/safetensors.js'
import { attempt, refused, tinyCollection, tinyModel } from '../support/cli.js'
import { folderWith } from '../support/temporary.js'

const model = await tinyModel()
const data = tinyCollection()
const onData = ['--model', model, '--data', data, '--backend', 'wasm', '--json']
const int8 = ['--precision', 'int8']

async function json(...words: string[]) {
  const { code, stdout, stderr } = await attempt(...words)
  assert.is(code, 0, stderr)
  return JSON.parse(stdout)
}

test('eval names it in the fingerprint; f32 is not named', async () => {
  const [plain, f32, quantized] = [
    await json('eval', ...onData),
    await json('eval', ...onData, '--precision', 'f32'),
    await json('eval', ...onData, ...int8),
  ]
  assert.is(f32.fingerprint, plain.fingerprint)
  assert.not.match(plain.fingerprint, /precision/)
  assert.is(quantized.fingerprint.replace(' precision=int8', ''), plain.fingerprint)
  assert.match(quantized.fingerprint, / precision=int8 model=/)
  assert.equal(Object.keys(quantized), Object.keys(plain))
})

test('encode and search take it: vectors near those in f32, but not the same', async () => {
  const folder = folderWith({ 'in.jsonl': '{"text": "red cats"}\n{"text": "a dog"}\n' })
  const encoded = async (...options: string[]) => {
    const output = join(folder, `${options.length}.safetensors`)
    await json('encode', ...onData.slice(0, 2), '--input', join(folder, 'in.jsonl'), '--output', output, ...options)
    const file = await openSafetensors(output)
    const vectors = await file.readF32('embeddings')
    await file.close()
    return vectors
  }
  const [f32, near] = [
    await encoded('--backend', 'wasm', '--json'),
    await encoded('--json', '--backend', 'wasm', ...int8),
  ]
  assert.not.equal(f32, near)
  const [most, apart] = [f32, f32.map((x, i) => x - near[i]!)].map(list => Math.max(...list.map(Math.abs)))
  assert.ok(apart! < 0.05 * most!, `${apart} of ${most}`)
  const run = join(folder, 'run.trec')
  assert.is((await json('search', ...onData, ...int8, '--output', run)).queries, 2)
})

test('refused where there is no encoder, and where it is no precision', async () => {
  const bm25 = ['--model', 'bm25', '--data', data, ...int8]
  refused(await attempt('eval', ...bm25), 2, /--precision int8 is for an encoder, but --model is bm25; leave it out/)
  const scores = ['eval', '--qrels', join(data, 'qrels/test.tsv'), '--run', 'run.trec', ...int8]
  refused(
    await attempt(...scores),
    2,
    /--precision int8 is for an encoder, but --qrels and --run score a run; leave it out/,
  )
  refused(await attempt('eval', ...onData, '--precision', 'int4'), 2, /Allowed choices are f32, int8, mixed/)
  refused(
    await attempt('eval', ...onData, '--precision', 'mixed'),
    1,
    /mixed needs a GPU with shader-f16, but the backend asked for is wasm/,
  )
  refused(await attempt('train', 'recipe.toml', ...int8), 2, /unknown option '--precision'/)
})

test.run()
