// What JavaScript lets through and no compiler has seen: each wrong use gives an error that names the thing, what was expected and what was found;
// none is left out in silence, hangs or destroys what is there.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runInNewContext } from 'node:vm'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  createBm25Index,
  createTextIndex,
  createVectorIndex,
  type Encoder,
  evaluateEncoder,
  evaluateRun,
  loadEncoder,
  openBackend,
  saveEncoder,
  trainEncoder,
  trainTokenizer,
} from '../../src/index.js'
import { documents, pairs, qrels, queries, smallModel } from '../support/library.js'
import { failure, temporaryFolder } from '../support/temporary.js'

const files = await smallModel()
const encoder = await loadEncoder(files, { backend: 'wasm', threads: 1 })
const texts = Object.values(documents)

/** As JavaScript calls it. */
type Loose = (...given: unknown[]) => Promise<unknown>
const refused = async (call: unknown, given: readonly unknown[], message: string | RegExp) =>
  assert.match(await failure((call as Loose)(...given)), message)

test('encode: texts and options', async () => {
  for (const [given, message] of [
    [[], 'encode: expected a list of strings, found nothing'],
    [['hello'], 'encode: expected a list of strings, found the string "hello"; put it into brackets'],
    [[new Set(['a'])], 'encode: expected a list of strings, found an object of Set'],
    [[['a', null]], 'encode[1]: expected a string, found null'],
    [[[5]], 'encode[0]: expected a string, found the number 5'],
    [[[{ text: 'a' }]], 'encode[0]: expected a string, found an object'],
    [[['a'], null], 'encode options: expected an object with kind, prompt, onProgress, signal, found null'],
    [
      [['a'], { knid: 'query' }],
      'encode options: unknown key "knid"; expected some of kind, prompt, onProgress, signal',
    ],
    [
      [['a'], { kind: 'passage' }],
      'encode options, kind: expected one of "query", "document", found the string "passage"',
    ],
    [[['a'], { prompt: 5 }], 'encode options, prompt: expected a string, found the number 5'],
    [[['a'], { signal: new AbortController() }], 'signal: expected an AbortSignal, found an object of AbortController'],
    [[['a'], { onProgress: 5 }], 'onProgress: expected a function'],
    [[[], { signal: AbortSignal.abort(new Error('too late')) }], 'too late'],
  ] as const)
    await refused(encoder.encode, given, message)
  assert.is((await encoder.encode(['a'], { kind: undefined, signal: undefined })).length, encoder.dimensions)
})

test('encode: nothing, emoji, a lone surrogate, a very long text; a list that is changed while it waits', async () => {
  const { dimensions } = encoder
  const odd = ['', '😀👨‍👩‍👧‍👦', '\ud800', 'tides '.repeat(200_000)]
  const vectors = await encoder.encode(odd)
  assert.is(vectors.length, odd.length * dimensions)
  assert.ok(vectors.every(Number.isFinite))
  const changed = [texts[0]!, texts[1]!]
  const waiting = [encoder.encode(texts), encoder.encode(changed)]
  changed.length = 0
  assert.is((await waiting[1])!.length, 2 * dimensions)
})

test('loadEncoder: what is loaded, and how', async () => {
  for (const [given, message] of [
    [[], 'loadEncoder: expected a path, a URL, or an object of files'],
    [[5], 'found the number 5'],
    [[''], 'found the string ""'],
    [[new Map([['config.json', '{}']])], 'found an object of Map'],
    [[{ 'config.json': { model_type: 'bert' } }], 'found an object'],
    [[files, { precison: 'int8' }], 'loadEncoder options: unknown key "precison"; expected some of backend, gpu,'],
    [
      [files, { backend: 'webgl' }],
      /backend: expected one of "auto", "webgpu", "wasm" or what openBackend\(\) gives, found the string "webgl"/,
    ],
    [[files, { precision: 'fp16' }], 'precision: expected one of "f32", "int8", "mixed", found the string "fp16"'],
    [[files, { threads: '2' }], 'threads: expected a whole number of 1 or more, found the string "2"'],
    [[files, { dimensions: 0 }], 'dimensions: expected a whole number of 1 or more, found the number 0'],
    [[files, { maxLength: '64' }], 'maxLength: expected a whole number'],
    [[files, { maxLength: 65, backend: 'wasm' }], 'maxLength: the model has 64 positions, found 65; give 64 or less'],
    [[files, { adapter: 7 }], 'adapter: expected a path, a URL, or an object of files'],
  ] as const)
    await refused(loadEncoder, given, message)
})

test('what another realm made is as good', async () => {
  const length = texts.length * encoder.dimensions
  const made = runInNewContext(
    '({ files: {}, floats: new Float32Array(length), copy: b => new Uint8Array(b).buffer })',
    { length },
  )
  for (const [name, bytes] of Object.entries(files)) made.files[name] = made.copy(bytes)
  const loaded = await loadEncoder(made.files, { backend: encoder.parts.backend })
  assert.equal(await loaded.encode(texts), await encoder.encode(texts))
  const index = await createTextIndex(loaded, texts, { vectors: made.floats })
  assert.is((await index.search('tides', { k: 1 })).length, 1)
  index.close()
  await loaded.close()
})

test('createTextIndex and search', async () => {
  for (const [given, message] of [
    [
      [undefined, texts],
      'createTextIndex: expected an encoder as its first argument, found nothing; loadEncoder() gives one',
    ],
    [[texts, encoder], 'expected an encoder as its first argument, found a list of 6'],
    [[loadEncoder(files, { backend: 'wasm', threads: 1 }).then(each => each.close())], 'found an object of Promise'],
    [[encoder, 'abc'], 'createTextIndex: expected a list of texts, found the string "abc"'],
    [[encoder, ['a', 5]], 'createTextIndex, text 1: expected an object with id, title, text, found the number 5'],
    [[encoder, [{ txt: 'a' }]], 'createTextIndex, text 0: unknown key "txt"; expected some of id, title, text'],
    [[encoder, [{ id: 'a' }]], 'createTextIndex, text 0, text: expected a string, found nothing'],
    [[encoder, [{ id: 5, text: 'a' }]], 'createTextIndex, text 0, id: expected a string, found the number 5'],
    [[encoder, ['a'], { vectors: [1] }], 'vectors: expected a Float32Array, found a list of 1'],
    [[encoder, ['a'], { vectors: new Float32Array(encoder.dimensions).fill(Number.NaN) }], 'expected finite numbers'],
  ] as const)
    await refused(createTextIndex, given, message)
  const index = await createTextIndex(encoder, texts)
  await refused(index.search, [], 'search: expected a string, found nothing')
  await refused(index.search, [['a']], 'search: expected a string, found a list of 1; searchAll() takes a list of them')
  await refused(index.search, ['a', { topK: 1 }], 'search settings: unknown key "topK"')
  await refused(index.search, ['a', 3], 'search settings: expected an object with k, signal, found the number 3')
  await refused(index.searchAll, ['abc'], 'search: expected a list of strings')
  assert.is((await index.search('a', { k: 100 })).length, texts.length)
  const empty = await createTextIndex(encoder, [])
  assert.equal(await empty.search('a'), [])
  empty.close()
  // What is under way when an index is closed still ends.
  const searching = index.searchAll(texts)
  index.close()
  assert.is((await searching).length, texts.length)
})

test('trainEncoder: pairs, settings and hooks; an error of the callback is the error', async () => {
  const settings = { steps: 2, batch_size: 3 }
  for (const [given, message] of [
    [[encoder, 'pairs', settings], 'trainEncoder pairs: expected a list of {query, positives, negatives?}'],
    [
      [encoder, [null], settings],
      'trainEncoder, pair 0: expected an object with query, positives, negatives, found null',
    ],
    [
      [encoder, [{ query: 'a', pos: ['b'] }], settings],
      'pair 0: unknown key "pos"; expected some of query, positives, negatives',
    ],
    [[encoder, [{ query: 'a' }], settings], 'pair 0, positives: expected a list of strings, found nothing'],
    [
      [encoder, [{ query: 'a', positives: 'b' }], settings],
      'pair 0, positives: expected a list of strings, found the string "b"',
    ],
    [[encoder, [{ query: 'a', positives: [] }], settings], 'pair 0, positives: expected one text or more, found none'],
    [
      [encoder, [...pairs, { query: 'a', positives: ['b'], negatives: [1] }], settings],
      'pair 6, negatives[0]: expected a string',
    ],
    [[encoder, pairs], 'trainEncoder settings: expected an object'],
    [
      [encoder, pairs, settings, { onstep() {} }],
      'trainEncoder hooks: unknown key "onstep"; expected some of onStep, signal',
    ],
  ] as const)
    await refused(trainEncoder, given, message)
  const before = await encoder.encode(texts)
  for (const onStep of [
    () => {
      throw new Error('mine')
    },
    async () => {
      throw new Error('mine')
    },
  ])
    await refused(trainEncoder, [encoder, pairs, settings, { onStep }], /^mine$/)
  assert.equal(await encoder.encode(texts), before)
})

test('evaluateEncoder: judgements, measures, protocol', async () => {
  const judged = { documents, queries, qrels }
  for (const [given, message] of [
    [[encoder], 'evaluateEncoder collection: expected a path, a URL, or an object of files'],
    [
      [encoder, { documents, queries }],
      'qrels: expected an object {id: an object {id: a whole number}}, found nothing',
    ],
    [[encoder, { ...judged, documents: texts }], 'documents: expected an object {id: a string}, found a list of 6'],
    [
      [encoder, { ...judged, queries: new Map() }],
      'queries: expected an object {id: a string}, found an object of Map',
    ],
    [[encoder, { ...judged, qrels: { q1: ['magnets-0'] } }], 'qrels: expected an object'],
    [[encoder, { ...judged, qrels: { q1: { 'magnets-0': 1.5 } } }], 'qrels: expected an object'],
    [[encoder, { ...judged, qrels: {} }], 'none of the queries is judged: queries have "q1", qrels nothing'],
    [
      [encoder, { ...judged, qrels: { other: { 'tides-0': 1 } } }],
      'none of the queries is judged: queries have "q1", qrels "other"',
    ],
    [
      [encoder, { ...judged, qrels: { q1: { x: 1 } } }],
      'none of the documents that qrels grades is there: it has "x", documents have "magnets-0"',
    ],
    [[encoder, judged, { protocol: 'mteb' }], 'protocol: expected one of "beir", "trec"'],
    [
      [encoder, judged, { measures: 'ndcg_at_10' }],
      'measures: expected a list of names, found the string "ndcg_at_10"',
    ],
    [[encoder, judged, { k: 0 }], 'k: expected a whole number of 1 or more, found the number 0'],
  ] as const)
    await refused(evaluateEncoder, given, message)
})

test('openBackend and createVectorIndex', async () => {
  await refused(openBackend, [{ backend: 'cuda' }], 'openBackend, backend: expected one of "auto", "webgpu", "wasm"')
  await refused(openBackend, ['wasm'], 'openBackend: expected an object with backend, adapter')
  const { backend } = encoder.parts
  const made =
    (...given: unknown[]) =>
    async () =>
      (createVectorIndex as unknown as Loose)(...given)
  await refused(made(encoder, new Float32Array(2), 2), [], 'expected a backend as its first argument')
  await refused(made(backend, [1, 2], 2), [], 'createVectorIndex vectors: expected a Float32Array')
})

test('tokenizers, BM25 and runs', async () => {
  const { tokenizer } = encoder.parts.source
  const called =
    (call: unknown) =>
    async (...given: unknown[]) =>
      (call as Loose)(...given)
  await refused(called(tokenizer.encode), ['a'], 'encode: expected a list of strings, found the string "a"')
  await refused(called(tokenizer.encode), [['a', 5]], 'encode[1]: expected a string, found the number 5')
  await refused(called(createBm25Index), ['a b'], 'createBm25Index: expected a list of strings, found the string "a b"')
  await refused(trainTokenizer, ['a b', { kind: 'bpe', size: 300 }], 'trainTokenizer: expected a list of strings')
  await refused(
    called(evaluateRun),
    [{}, new Map()],
    'evaluateRun, qrels: expected a Map, found an object; readQrels()',
  )
  await refused(
    called(evaluateRun),
    [new Map(), []],
    'evaluateRun, run: expected a Map, found an empty list; readRun()',
  )
})

test('saveEncoder replaces a model, and nothing else', async () => {
  await refused(saveEncoder, [encoder], 'saveEncoder folder: expected a path, found nothing')
  const folder = temporaryFolder()
  const project = join(folder, 'project')
  mkdirSync(join(project, '.git'), { recursive: true })
  for (const name of ['package.json', 'a', 'b', 'config.json']) writeFileSync(join(project, name), 'mine')
  await refused(
    saveEncoder,
    [encoder, join(project, 'package.json')],
    'package.json: a file is there; give a new folder',
  )
  await refused(saveEncoder, [encoder, project], 'all of that folder would be replaced, and it holds .git, a, b, …')
  assert.is(readFileSync(join(project, 'package.json'), 'utf8'), 'mine')
  const model = join(folder, 'model')
  mkdirSync(model)
  for (let i = 0; i < 2; i++) assert.is(await saveEncoder(encoder, model), 'sentence-transformers')
})

test('closing waits for what is under way; what is closed is refused by every function', async () => {
  const { backend } = encoder.parts
  const closed: Encoder = await loadEncoder(files, { backend })
  const index = await createTextIndex(closed, texts)
  const judged = { documents, queries, qrels }
  const settings = { steps: 2, batch_size: 3 }
  const expected = await evaluateEncoder(closed, judged)
  const working = [
    closed.encode(texts),
    evaluateEncoder(closed, judged),
    trainEncoder(closed, pairs, settings),
  ] as const
  await closed.close()
  const [vectors, evaluated, trained] = await Promise.all(working)
  assert.equal(vectors, index.vectors)
  assert.equal(evaluated.scores, expected.scores)
  await trained.close()
  const message = 'the encoder is closed: load it again with loadEncoder()'
  await refused(createTextIndex, [closed, texts, { vectors }], message)
  await refused(evaluateEncoder, [closed, judged], message)
  await refused(trainEncoder, [closed, pairs, settings], message)
  await refused(saveEncoder, [closed, join(temporaryFolder(), 'none')], message)
  await refused(index.search, ['tides'], message)
  index.close()
})

test('of a model with two encoders, documents pass through theirs', async () => {
  const { backend } = encoder.parts
  const other = await trainEncoder(encoder, pairs, { method: 'full', steps: 3, batch_size: 3, learning_rate: 1e-2 })
  const folder = temporaryFolder()
  await saveEncoder(encoder, join(folder, 'query'))
  await saveEncoder(other, join(folder, 'document'))
  const two = await loadEncoder(folder, { backend })
  assert.equal(await two.encode(texts, { kind: 'query' }), await encoder.encode(texts, { kind: 'query' }))
  assert.equal(await two.encode(texts), await other.encode(texts))
  assert.not.equal(await two.encode(texts), await encoder.encode(texts))
  const index = await createTextIndex(two, texts)
  assert.equal(index.vectors, await other.encode(texts))
  const trained = await trainEncoder(two, pairs, { steps: 1, batch_size: 3 })
  assert.is((await trained.encode(texts)).length, texts.length * two.dimensions)
  const { scores } = await evaluateEncoder(two, { documents, queries, qrels }, { measures: ['mrr'] })
  const ranks = await index.searchAll(Object.values(queries), { k: texts.length })
  const best = Object.keys(queries).map((query, q) => {
    const rank = ranks[q]!.findIndex(({ row }) => Object.keys(documents)[row]! in qrels[query]!)
    return 1 / (rank + 1)
  })
  assert.ok(Math.abs(scores.mrr! - best.reduce((sum, each) => sum + each, 0) / best.length) < 1e-9)
  for (const each of [index, trained, two, other]) await each.close()
})

test.after(() => encoder.close())

test.run()
