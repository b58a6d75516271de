// eval and search with --model bm25: the forms of a model's, the options that BM25 alone has, and the folder of that name.
import { cpSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { attempt, refused, start, tinyCollection, tinyModel } from '../support/cli.js'
import { temporaryFolder } from '../support/temporary.js'

const model = await tinyModel()
const data = tinyCollection()
const onData = ['--model', 'bm25', '--data', data]

async function done(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await attempt(...words)
  assert.is(code, 0, stderr)
  return stdout
}

const json = async (...words: string[]) => JSON.parse(await done(...words))

test('eval --json has the fields of a model', async () => {
  const [words, vectors] = [
    await json('eval', ...onData, '--json'),
    await json('eval', '--model', model, '--data', data, '--backend', 'wasm', '--json'),
  ]
  assert.equal(Object.keys(words), Object.keys(vectors))
  assert.equal(Object.keys(words.scores), Object.keys(vectors.scores))
  const { queries, documents, tokens, seconds, tokens_per_second: rate, backend, fingerprint } = words
  assert.equal([queries, documents, tokens, backend], [2, 3, 4, 'bm25'])
  assert.is(rate, tokens / seconds.encode)
  assert.ok(seconds.search > 0)
  assert.match(fingerprint, /^beir k=100 bm25 k1=0\.9 b=0\.4 words=\S+ stemmer=none stop_words=none data=[0-9a-f]{12}$/)
  // "a cat" finds d1; "a dog" finds nothing, because no document has a word of it: its 0 counts.
  assert.is(words.scores.mrr_at_10, 0.5)
})

test('eval as text, and the settings', async () => {
  const { code, stdout, stderr } = await attempt('eval', ...onData)
  assert.is(code, 0)
  assert.match(stdout, /^2 queries, 3 documents, \d+ tokens\/s on one CPU thread\nndcg_at_1 +0\.5000\n/)
  assert.match(stderr, /warning: .*judges 1 document that the corpus does not hold/)
  assert.match(stderr, /backend: one CPU thread \(bm25 needs no GPU\)/)
  assert.match(stderr, /warning: 1 query found nothing: no document shares a word with it\n/)
  const settings = ['--stemmer', 'english', '--stop-words', 'english', '--bm25-k1', '1.2', '--bm25-b', '0']
  const stemmed = await json('eval', ...onData, '--json', '--quiet', '--protocol', 'trec', ...settings)
  assert.match(stemmed.fingerprint, /^trec k=100 bm25 k1=1\.2 b=0 words=\S+ stemmer=english stop_words=english data=/)
  // "a dog" now finds "dogs".
  assert.is(stemmed.scores.mrr_at_10, 1)
})

test('search: a TREC run, which eval scores alike', async () => {
  const path = join(temporaryFolder(), 'run.trec')
  const stemmed = [...onData, '--stemmer', 'english']
  const said = await json('search', ...stemmed, '--output', path, '--json')
  assert.equal([said.queries, said.documents, said.tokens, said.backend, said.output], [2, 3, 4, 'bm25', path])
  const run = readFileSync(path, 'utf8')
  assert.match(run, /^q1 Q0 d1 1 0\.\d+ wgpu-retrieve\nq2 Q0 d2 1 0\.\d+ wgpu-retrieve\n$/)
  assert.is(await done('search', ...stemmed, '--output', '-'), run)
  assert.match(await done('search', ...stemmed, '--output', path), /^2 queries × 3 documents, indexed in /)
  const ofRun = await json('eval', '--qrels', join(data, 'qrels/test.tsv'), '--run', path, '--json')
  const ofWords = await json('eval', ...stemmed, '--json')
  assert.is(ofWords.scores.map_at_100, ofRun.scores.map_at_100)
})

test('queries that find nothing at all: an empty run, scores of 0', async () => {
  const strange = tinyCollection({ 'queries.jsonl': '{"_id":"q1","text":"… ?"}\n' })
  const path = join(temporaryFolder(), 'run.trec')
  const words = ['--model', 'bm25', '--data', strange]
  assert.is((await json('search', ...words, '--output', path, '--json')).queries, 1)
  assert.is(readFileSync(path, 'utf8'), '')
  const { scores } = await json('eval', ...words, '--json')
  assert.ok(Object.values(scores).every(score => score === 0))
})

test('options that do not belong together, or have impossible values', async () => {
  const output = join(temporaryFolder(), 'out')
  const onModel = ['--model', model, '--data', data, '--backend', 'wasm']
  const cases: [string[], RegExp][] = [
    [
      ['eval', ...onModel, '--stemmer', 'english'],
      /--stemmer is an option of --model bm25, but --model is .*; leave it out/,
    ],
    [['eval', ...onModel, '--stop-words', 'none'], /--stop-words is an option of --model bm25/],
    [['search', ...onModel, '--output', output, '--bm25-k1', '0'], /--bm25-k1 is an option of --model bm25/],
    [['search', ...onModel, '--output', output, '--bm25-b', '0'], /--bm25-b is an option of --model bm25/],
    [['eval', '--qrels', 'x', '--run', 'y', '--bm25-b', '0'], /--bm25-b .*, but --qrels and --run score a run/],
    [['eval', ...onData, '--max-length', '8'], /--max-length cuts texts to tokens of a model, but --model bm25 takes/],
    [['search', ...onData, '--output', output, '--max-length', '8'], /--max-length cuts texts/],
    [['eval', ...onData, '--bm25-k1', '-1'], /argument '-1' is invalid\. Expected a number of 0 or more\./],
    [['eval', ...onData, '--bm25-k1', '1e999'], /argument '1e999' is invalid/],
    [['eval', ...onData, '--bm25-b', '1.1'], /argument '1\.1' is invalid\. Expected a number from 0 to 1\./],
    [['eval', ...onData, '--bm25-b', ''], /argument '' is invalid/],
    [['eval', ...onData, '--stemmer', 'porter'], /argument 'porter' is invalid\. Allowed choices are english, none\./],
    [['eval', ...onData, '--stop-words', 'x'], /argument 'x' is invalid\. Allowed choices are english, none\./],
  ]
  for (const [words, message] of cases) refused(await attempt(...words), 2, message)
  refused(await attempt('eval', '--model', 'bm25', '--data', model), 1, /has no corpus\.jsonl/)
  refused(await attempt('eval', '--model', 'bm25x', '--data', data), 1, /the model folder bm25x does not exist/)
  assert.not.ok(existsSync(output))
})

test('a folder called bm25 is a model', async () => {
  const cwd = temporaryFolder()
  cpSync(model, join(cwd, 'bm25'), { recursive: true })
  const words = ['eval', '--data', data, '--backend', 'wasm', '--json', '--model']
  const [named, path, option] = await Promise.all([
    start([...words, 'bm25'], { cwd }),
    start([...words, './bm25'], { cwd }),
    start([...words, 'bm25', '--stemmer', 'english'], { cwd }),
  ])
  for (const { code, stdout, stderr } of [named, path]) {
    assert.is(code, 0, stderr)
    assert.is(JSON.parse(stdout).backend, 'wasm')
  }
  assert.match(named.stderr, /--model bm25 is the folder of that name here, not the ranking function\n/)
  assert.not.match(path.stderr, /ranking function/)
  refused(option, 2, /--stemmer is an option of --model bm25, but the folder bm25 here is taken as the model/)
})
test.run()
