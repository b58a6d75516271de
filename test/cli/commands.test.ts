// What each command prints and writes where all is well: help with an example, and the forms that other programs rely on.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openSafetensors } from '../../src/data/safetensors.js'
import { attempt, contents, smallRecipe, start, tinyCollection, tinyModel } from '../support/cli.js'
import { maxDifference } from '../support/oracles.js'
import { jsonLines, needs } from '../support/shared.js'
import { folderWith, temporaryFolder } from '../support/temporary.js'

const commands = ['run', 'train', 'tdro', 'encode', 'search', 'eval', 'tokenize', 'info']
const model = await tinyModel()
const data = tinyCollection()

async function done(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await attempt(...words)
  assert.is(code, 0, stderr)
  return stdout
}

const json = async (...words: string[]) => JSON.parse(await done(...words))

test('help: every command has an example, and fits a terminal', async () => {
  const main = await done('--help')
  for (const command of commands) {
    assert.match(main, new RegExp(`^ {2}${command} \\[options\\]`, 'm'))
    const help = await done(command, '--help')
    assert.match(help, new RegExp(`^Examples?:\n {2}\\$ (.*\\| )?wgpu-retrieve ${command}\\b`, 'm'))
    assert.ok(Math.max(...help.split('\n').map(line => line.length)) <= 100, command)
    assert.is(await done('help', command), help)
  }
  assert.match(await done('--version'), /^\d+\.\d+\.\d+ \(\w+\)\n$/)
})

test('info --json', async () => {
  const [asJson, asText] = await Promise.all([start(['info', '--json']), start(['info'])])
  assert.is(asJson.code, 0, asJson.stderr)
  const { version, commit, runtime, backends, default: preferred } = JSON.parse(asJson.stdout)
  assert.equal([typeof version, typeof commit, typeof runtime], ['string', 'string', 'string'])
  const { webgpu, wasm } = backends
  assert.equal([wasm.available, wasm.simd, typeof wasm.threads], [true, true, 'number'])
  assert.is(preferred, webgpu.available && !webgpu.software ? 'webgpu' : 'wasm')
  if (webgpu.available) {
    assert.equal([typeof webgpu.adapter, typeof webgpu.vendor, typeof webgpu.software], ['string', 'string', 'boolean'])
    assert.ok(Array.isArray(webgpu.features) && webgpu.limits.maxStorageBufferBindingSize >= 2 ** 27)
  } else assert.ok(webgpu.reason.length > 10)
  assert.is(asText.code, 0)
  assert.ok(Math.max(...asText.stdout.split('\n').map(line => line.length)) <= 160)
})

test('tokenize: a line of ids for each line', async () => {
  const lines = '"Red cats"\n"a \\u2028 dog"\n"blue cat dog red a a a a a a a a a"\n'
  const tokenized = await start(['tokenize', '--model', model], { input: lines })
  assert.equal([tokenized.code, tokenized.stderr], [0, ''])
  const long = [2, 6, 7, 8, 5, 10, 10, 10, 10, 10, 10, 10, 10, 10, 3]
  assert.is(tokenized.stdout, `[2,5,7,9,3]\n[2,10,8,3]\n[${long}]\n`, 'not padded, not cut')
  const input = join(folderWith({ 'in.jsonl': lines }), 'in.jsonl')
  const cut = await done('tokenize', '--model', model, '--input', input, '--max-length', '4')
  assert.is(cut, '[2,5,7,3]\n[2,10,8,3]\n[2,6,7,3]\n')
  const files = folderWith({ 'vocab.txt': readFileSync(join(model, 'vocab.txt')) })
  assert.is(
    (await done('tokenize', '--model', files, '--input', input)).split('\n')[0],
    '[2,5,7,9,3]',
    'its files alone',
  )
})

interface Vectors {
  readonly rows: number[][]
  readonly offsets: number[] | undefined
  readonly dtypes: Record<string, string>
  readonly names: string[]
}

/** Encodes these lines with the tiny model, or another one. */
async function encode(lines: object[], options: string[] = [], folder = model): Promise<Vectors> {
  const out = folderWith({ 'in.jsonl': lines.map(line => `${JSON.stringify(line)}\n`).join('') })
  const [input, output] = [join(out, 'in.jsonl'), join(out, 'made/v.safetensors')]
  const words = ['--model', folder, '--input', input, '--output', output, '--backend', 'wasm', '--json', ...options]
  const said = await json('encode', ...words)
  assert.equal([said.texts, said.output, said.backend], [lines.length, output, 'wasm'])
  assert.ok(said.tokens >= lines.length && said.tokens_per_second > 0 && said.seconds > 0)
  assert.equal(contents(join(out, 'made')), ['v.ids.txt', 'v.safetensors'])
  const file = await openSafetensors(output)
  const { shape } = file.tensors.get('embeddings')!
  const values = await file.readF32('embeddings')
  const rows = Array.from({ length: shape[0]! }, (_, i) => [...values.subarray(i * shape[1]!, (i + 1) * shape[1]!)])
  const offsets = file.tensors.has('offsets') ? [...(await file.readI32('offsets'))] : undefined
  const dtypes = Object.fromEntries([...file.tensors].map(([name, { dtype }]) => [name, dtype]))
  await file.close()
  const names = readFileSync(join(out, 'made/v.ids.txt'), 'utf8').trimEnd().split('\n')
  return { rows, offsets, dtypes, names }
}

test('encode: texts and ids, token types, every token', async () => {
  const ids = [
    [2, 5, 7, 3],
    [2, 3],
    [2, 6, 8, 9, 3],
  ]
  const texts = await encode([{ text: 'red cat' }, { _id: 'b', text: '' }, { _id: 7, title: 'blue', text: 'dogs' }])
  assert.equal(texts.names, ['0', 'b', '7'])
  assert.equal(texts.dtypes, { embeddings: 'F32' })
  assert.equal(
    texts.rows.map(row => row.length),
    [6, 6, 6],
  )
  const asIds = await encode(ids.map(each => ({ ids: each })))
  assert.equal(asIds.rows, texts.rows, 'ids are taken as they are')

  const every = await encode(
    ids.map(each => ({ ids: each })),
    ['--pooling', 'none'],
  )
  assert.equal(every.offsets, [0, 4, 6, 11])
  assert.equal(every.dtypes, { embeddings: 'F32', offsets: 'I32' })
  assert.is(every.rows.length, 11)
  const mean = (rows: number[][]) => rows[0]!.map((_, i) => rows.reduce((sum, row) => sum + row[i]!, 0) / rows.length)
  const means = ids.map((_, i) => mean(every.rows.slice(every.offsets![i], every.offsets![i + 1])))
  assert.ok(maxDifference(means.flat(), texts.rows.flat()) < 1e-6, 'the model pools the mean, without a norm')
  const cls = await encode(
    ids.map(each => ({ ids: each })),
    ['--pooling', 'cls'],
  )
  assert.equal(cls.rows, [every.rows[0], every.rows[4], every.rows[6]])

  const types = await encode(ids.map((each, i) => ({ ids: each, token_type_ids: each.map(() => (i === 1 ? 1 : 0)) })))
  assert.equal([types.rows[0], types.rows[2]], [texts.rows[0], texts.rows[2]])
  assert.ok(maxDifference(types.rows[1]!, texts.rows[1]!) > 1e-3, 'token types change a vector')

  const prompted = await encode([{ text: 'cat' }], ['--prompt', 'red '])
  assert.equal(prompted.rows[0], texts.rows[0])
  const cut = await encode([{ text: 'red cat a dog' }], ['--max-length', '4'])
  assert.equal(cut.rows[0], texts.rows[0])
})

test('encode: a folder with config and weights alone, the prompt of a folder, standard output', async () => {
  const bare = await tinyModel({ 'vocab.txt': '' })
  assert.is((await encode([{ ids: [2, 5, 3] }], [], bare)).rows.length, 1)
  const prompts = JSON.stringify({ prompts: { query: 'red ' }, default_prompt_name: 'query' })
  const modules = JSON.stringify([
    { idx: 0, name: '0', path: '', type: 'sentence_transformers.models.Transformer' },
    { idx: 1, name: '1', path: '1_Pooling', type: 'sentence_transformers.models.Pooling' },
  ])
  const prompting = await tinyModel({
    'modules.json': modules,
    '1_Pooling/config.json': JSON.stringify({ word_embedding_dimension: 6, pooling_mode_mean_tokens: true }),
    'config_sentence_transformers.json': prompts,
  })
  const plain = await encode([{ text: 'red cat' }])
  assert.equal((await encode([{ text: 'cat' }], [], prompting)).rows, plain.rows)
  assert.equal((await encode([{ text: 'red cat' }], ['--prompt', ''], prompting)).rows, plain.rows)

  const words = ['encode', '--model', model, '--input', '-', '--output', '-', '--backend', 'wasm', '--quiet']
  const folder = temporaryFolder()
  const piped = await start(words, { input: '{"text":"red cat"}\n', cwd: folder })
  assert.is(piped.code, 0, piped.stderr)
  assert.equal([piped.stderr, contents(folder)], ['', []])
  assert.match(piped.stdout, /"embeddings":\{"dtype":"F32","shape":\[1,6\]/)
})

const onData = ['--model', model, '--data', data, '--backend', 'wasm']

test('search: a TREC run, and eval of the model equals eval of that run', async () => {
  const out = temporaryFolder()
  const path = join(out, 'run.trec')
  const said = await json('search', ...onData, '-k', '2', '--output', path, '--json')
  assert.equal([said.queries, said.documents, said.backend, said.output], [2, 3, 'wasm', path])
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  assert.is(lines.length, 4)
  for (const [i, line] of lines.entries()) {
    assert.match(line, new RegExp(`^q${i < 2 ? 1 : 2} Q0 d[123] ${(i % 2) + 1} -?[\\d.e-]+ \\S+$`))
  }
  assert.is(await done('search', ...onData, '-k', '2', '--output', '-'), `${lines.join('\n')}\n`)

  const whole = join(out, 'whole.trec')
  const ofModel = await json('eval', ...onData, '--output', whole, '--json')
  const ofRun = await json('eval', '--qrels', join(data, 'qrels/test.tsv'), '--run', whole, '--json')
  for (const name of ['ndcg_at_10', 'ndcg_at_100', 'map_at_100', 'mrr_at_10', 'recall_at_10', 'recall_at_100'])
    assert.is(ofModel.scores[name], ofRun.scores[name], name)
  const { queries, documents, tokens, seconds, tokens_per_second: rate, backend, fingerprint } = ofModel
  assert.equal([queries, documents, backend], [2, 3, 'wasm'])
  assert.ok(tokens > 10 && rate > 0 && seconds.encode > 0 && seconds.search > 0)
  assert.match(
    fingerprint,
    /^beir k=100 max_length=8 prompts=none pooling=mean cosine model=[0-9a-f]{12} data=[0-9a-f]{12}$/,
  )
  const asText = await done('eval', ...onData)
  assert.match(asText, /^2 queries, 3 documents, \d+ tokens\/s on .*\nndcg_at_1 /)
  assert.ok(asText.includes(fingerprint))
})

const metrics = needs('oracles/metrics')
;(metrics ? test : test.skip)('eval --qrels --run --json equals pytrec_eval to 4 decimals', async () => {
  const names: Record<string, string> = {
    ndcg: 'ndcg_cut',
    map: 'map_cut',
    recall: 'recall',
    precision: 'P',
    success: 'success',
  }
  const whole: Record<string, string> = {
    map: 'map',
    mrr: 'recip_rank',
    r_precision: 'Rprec',
    bpref: 'bpref',
    ndcg: 'ndcg',
  }
  const trecName = (name: string) => {
    const [kind, cut] = name.split('_at_') as [string, string?]
    return cut === undefined ? whole[kind]! : `${names[kind]}_${cut}`
  }
  for (const name of ['graded', 'tied', 'deep']) {
    const files = ['--qrels', `${metrics}/${name}.qrels`, '--run', `${metrics}/${name}.run`]
    const oracle = JSON.parse(readFileSync(`${metrics}/${name}.json`, 'utf8'))
    const [both, complete] = [
      await json('eval', ...files, '--json'),
      await json('eval', ...files, '--complete', '--json'),
    ]
    const near = (actual: number, expected: number) =>
      assert.ok(Math.abs(actual - expected) < 5e-5, `${actual} ${expected}`)
    const measures = Object.keys(both.scores).filter(measure => trecName(measure) in oracle.mean_over_both)
    assert.ok(measures.length >= 15)
    assert.equal(Object.keys(both.per_query).sort(), Object.keys(oracle.per_query).sort())
    for (const measure of measures) {
      near(both.scores[measure], oracle.mean_over_both[trecName(measure)])
      near(complete.scores[measure], oracle.mean_over_judged[trecName(measure)])
      for (const [query, values] of Object.entries<Record<string, number>>(oracle.per_query))
        near(both.per_query[query][measure], values[trecName(measure)]!)
    }
  }
})

const minilm = needs('models/all-MiniLM-L6-v2')
const oracle = needs('oracles/minilm')
;(minilm && oracle ? test : test.skip)('encode of a real model, from ids and from texts', async () => {
  const lines = jsonLines<{ text: string; ids: number[] }>(`${oracle}/texts.jsonl`).slice(0, 8)
  const file = await openSafetensors(`${oracle}/embeddings.safetensors`)
  const expected = (await file.readF32('embeddings')).subarray(0, lines.length * 384)
  await file.close()
  for (const form of [({ ids }: { ids: number[] }) => ({ ids }), ({ text }: { text: string }) => ({ text })]) {
    const { rows } = await encode(
      lines.map(line => form(line)),
      [],
      minilm,
    )
    assert.ok(maxDifference(rows.flat(), expected) < 2e-5)
  }
})

test('train --json and run --json', async () => {
  const { recipe, runs } = smallRecipe()
  const trained = await json('train', recipe, '--json')
  assert.is(trained.steps, 6)
  assert.ok(trained.loss.length === 6 && trained.loss.every(Number.isFinite))
  assert.ok(trained.tokens > 0 && trained.tokens_per_second > 0 && trained.peak_bytes > 0)
  const ran = await json('run', recipe, '--name', 'other', '--json')
  assert.equal([ran.folder, ran.report], [join(runs, 'other'), join(runs, 'other/report.html')])
  assert.equal(ran.training.loss, trained.loss)
  assert.equal(Object.keys(ran.tests[0].after), Object.keys(ran.tests[0].before))
  assert.equal(contents(runs), ['other', 'small'])
  assert.equal(contents(join(runs, 'other')), [
    'log.jsonl',
    'metrics.json',
    'model',
    'recipe.toml',
    'report.html',
    'runs',
    'training.json',
  ])
  assert.equal(contents(join(runs, 'other/runs')), ['music.after.trec', 'music.before.trec'])
  assert.match(await done('train', recipe), /^6 steps, loss \d\.\d{4} → \d\.\d{4}, \d+ tokens\/s\nfolder: .*small-2\n$/)
})

test.run()
