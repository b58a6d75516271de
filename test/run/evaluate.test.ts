// Scoring on a collection with a model whose vectors are known: BEIR's and TREC's rules, ties, similarity, the fingerprint.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { type Collection, textWith } from '../../src/data/collection.js'
import { loadEncoder, randomSource } from '../../src/model/load.js'
import { plainSettings } from '../../src/model/sentence-transformers.js'
import { encodeSequences } from '../../src/retrieve/encode.js'
import {
  evaluateCollection,
  fingerprint,
  normalizeRows,
  tokenizeCollection,
  truncatedLine,
} from '../../src/run/evaluate.js'
import { createWordPieceTokenizer } from '../../src/text/tokenizer.js'
import { failure } from '../support/temporary.js'
import { tinyConfig } from '../support/tiny-bert.js'

const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'red', 'blue', 'green', 'cat', 'dog', 'find']
const tokenizer = await createWordPieceTokenizer({ vocabulary })
const backend = await createWasmBackend()
const source = randomSource({ ...tinyConfig, initializerRange: 0.5 }, 2)
const load = (normalize: boolean) => loadEncoder(backend, source, { pooling: ['mean'], normalize }, { kind: 'frozen' })

function collectionOf(
  documents: Record<string, string>,
  queries: Record<string, string>,
  qrels: Record<string, Record<string, number>>,
): Collection {
  const texts = (record: Record<string, string>) => ({ ids: Object.keys(record), texts: Object.values(record) })
  const judged = Object.entries(qrels).map(([id, grades]) => [id, new Map(Object.entries(grades))] as const)
  const counts = { emptyDocuments: 0, judgements: 0, relevant: 0, unknownDocuments: 0, unknownQueries: 0 }
  return {
    ...{ name: 'made', split: 'test', documents: texts(documents), queries: texts(queries) },
    ...{ qrels: new Map(judged), warnings: [], counts },
  }
}

// Equal texts tie: the query's own document, its twin, and two more that are equal.
const collection = collectionOf(
  { a: 'red cat', b: 'blue dog', c: 'red cat', d: 'green', e: 'blue dog' },
  { c: 'red cat', q: 'blue dog' },
  { c: { a: 1 }, q: { b: 2, e: 1, d: 0 } },
)
const tokenized = tokenizeCollection(tokenizer, plainSettings(8), collection, 8)
const settings = { k: 2, protocol: 'beir', maxLength: 8, measures: ['mrr_at_10', 'ndcg_at_2'] } as const

test('beir drops the document of the query and still gives k; ties are by id, descending', async () => {
  const { encoder } = await load(true)
  const result = await evaluateCollection(backend, encoder, 'cosine', tokenized, settings)
  const ids = (query: string) => result.run.get(query)!.map(({ id }) => id)
  assert.equal([ids('c')[0], ids('c').length], ['a', 2])
  assert.equal(ids('q'), ['e', 'b'])
  assert.is(result.perQuery.c!.mrr_at_10, 1)
  const ideal = 2 + 1 / Math.log2(3)
  assert.ok(Math.abs(result.perQuery.q!.ndcg_at_2! - (1 + 2 / Math.log2(3)) / ideal) < 1e-9)
  assert.equal([result.queries, result.documents, result.truncated], [2, 5, 0])
  assert.is(result.tokens, tokenized.documents.ids.length + tokenized.queries.ids.length)

  const trec = await evaluateCollection(backend, encoder, 'cosine', tokenized, { ...settings, protocol: 'trec' })
  assert.equal(
    trec.run.get('c')!.map(({ id }) => id),
    ['c', 'a'],
  )
  assert.is(trec.perQuery.c!.mrr_at_10, 0.5)
})

test('cosine scales vectors that the model does not; dot takes them as they are', async () => {
  const { encoder } = await load(false)
  const asked = await encodeSequences(backend, encoder, tokenized.queries)
  const norm = (row: number) => Math.hypot(...asked.subarray(6 * row, 6 * (row + 1)))
  const best = async (similarity: 'cosine' | 'dot') => {
    const { run } = await evaluateCollection(backend, encoder, similarity, tokenized, { ...settings, protocol: 'trec' })
    return run.get('q')!.find(({ id }) => id === 'e')!.score
  }
  assert.ok(Math.abs((await best('cosine')) - 1) < 1e-5)
  assert.ok(Math.abs((await best('dot')) - norm(1) ** 2) < 1e-4 * norm(1) ** 2)
  assert.ok(Math.abs(norm(1) - 1) > 0.1)
})

test('fewer documents than k, empty texts, and prompts', async () => {
  const { encoder } = await load(true)
  const small = collectionOf({ a: '', b: 'dog' }, { q: '' }, { q: { a: 1 } })
  const result = await evaluateCollection(
    backend,
    encoder,
    'cosine',
    tokenizeCollection(tokenizer, plainSettings(8), small, 8),
    { ...settings, k: 100 },
  )
  assert.equal(
    result.run.get('q')!.map(({ id }) => id),
    ['a', 'b'],
  )
  const prompts = { ...plainSettings(8), prompts: { query: 'find ' } }
  const { queries, documents, truncated } = tokenizeCollection(tokenizer, prompts, collection, 4)
  const spelled = Array.from(queries.ids, id => vocabulary[id]).join(' ')
  assert.is(spelled, '[CLS] find red [SEP] [CLS] find blue [SEP]')
  assert.equal([truncated, documents.offsets.length - 1], [2, 5])
})

test('texts that are cut are counted, queries apart; a separator in a text makes a pair', () => {
  const long = collectionOf(
    { a: 'red cat blue', b: 'dog' },
    { q: 'find red cat', r: 'red' },
    { q: { a: 1 }, r: { b: 1 } },
  )
  const cut = tokenizeCollection(tokenizer, plainSettings(4), long, 4)
  assert.equal([cut.truncated, cut.truncatedQueries], [2, 1])
  const plain = plainSettings(4)
  assert.is(
    truncatedLine(cut, plain, 4),
    '1 query is longer than 4 tokens, 1 document is longer than 4 tokens and cut to that',
  )
  assert.is(
    truncatedLine({ truncated: 5, truncatedQueries: 5 }, plain, 4),
    '5 queries are longer than 4 tokens and cut to that',
  )
  assert.is(truncatedLine({ truncated: 0, truncatedQueries: 0 }, plain, 4), undefined)

  const textOf = textWith('[SEP]')
  const titled = collectionOf({ a: textOf({ title: 'red cat', text: 'blue' }) }, { q: 'dog' }, { q: { a: 1 } })
  const { documents } = tokenizeCollection(tokenizer, plainSettings(8), titled, 8)
  assert.is(Array.from(documents.ids, id => vocabulary[id]).join(' '), '[CLS] red cat [SEP] blue [SEP]')
})

test('more results than search keeps are refused before anything is encoded', async () => {
  const { encoder } = await load(true)
  const score = (k: number, protocol: 'beir' | 'trec') => {
    const hooks = { onProgress: () => assert.unreachable('encoded') }
    return failure(evaluateCollection(backend, encoder, 'cosine', tokenized, { ...settings, k, protocol }, hooks))
  }
  assert.match(await score(1024, 'beir'), /k is 1024, expected at most 1023/)
  assert.match(await score(1025, 'trec'), /k is 1025, expected at most 1024/)
})

test('rows are scaled to length 1, zeros stay', () => {
  assert.equal(normalizeRows(Float32Array.of(3, 4, 0, 0, -2, 0), 2), Float32Array.of(0.6, 0.8, 0, 0, -1, 0))
})

test('the fingerprint names what a score depends on', () => {
  const parts = {
    ...{ protocol: 'beir', k: 100, maxLength: 256, queryPrompt: '', documentPrompt: '', pooling: 'mean' },
    ...{ similarity: 'cosine', modelHash: '0123456789abcdef', dataHash: 'fedcba9876543210' },
  }
  const plain = 'beir k=100 max_length=256 prompts=none pooling=mean cosine model=0123456789ab data=fedcba987654'
  assert.is(fingerprint(parts), plain)
  assert.match(fingerprint({ ...parts, queryPrompt: 'find ' }), /prompts=\["find ",""\]/)
})
test.run()
