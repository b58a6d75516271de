// Training files as other tools write them: each form read to the same pairs, and bad lines named.
import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadCollection, textWith } from '../../src/data/collection.js'
import { loadPairs } from '../../src/data/pairs.js'
import { failure, folderWith } from '../support/temporary.js'

const jsonl = (...rows: unknown[]) => rows.map(row => `${JSON.stringify(row)}\n`).join('')
const read = async (files: Record<string, string | Uint8Array>) => (await loadPairs(folderWith(files))).pairs
const passages = (...texts: string[]) =>
  texts.map((text, i) => ({ docid: `d${i}`, title: i === 0 ? 'Title' : '', text }))

const expected = [
  { query: 'first', positives: ['Title good'], negatives: ['bad', 'worse'] },
  { query: 'second', positives: ['fine', 'better'], negatives: [] },
]

test('Tevatron, with passages', async () => {
  const rows = [
    {
      query_id: '1',
      query: 'first',
      positive_passages: passages('good'),
      negative_passages: passages('', 'bad', 'worse').slice(1),
    },
    {
      query_id: '2',
      query: 'second',
      positive_passages: passages('', 'fine', 'better').slice(1),
      negative_passages: [],
    },
  ]
  assert.equal(await read({ 'train.jsonl': jsonl(...rows) }), expected)
})

test('Tevatron, with ids and a corpus', async () => {
  const rows = [
    { query_id: 1, query_text: 'first', positive_document_ids: ['a'], negative_document_ids: ['b', 'c'] },
    { query_id: '2', query_text: 'second', positive_document_ids: ['d', 'e'], negative_document_ids: [] },
  ]
  const corpus = [
    ...[
      { docid: 'a', title: 'Title', text: 'good' },
      { docid: 'b', text: 'bad' },
      { docid: 'c', text: 'worse' },
    ],
    ...[
      { docid: 'd', text: 'fine' },
      { docid: 'e', text: 'better' },
      { docid: 'x', text: 'unused' },
    ],
  ]
  assert.equal(await read({ 'train.jsonl': jsonl(...rows), 'corpus.jsonl': jsonl(...corpus) }), expected)
  assert.match(
    await failure(read({ 'train.jsonl': jsonl(...rows), 'corpus.jsonl': jsonl(...corpus.slice(0, 4)) })),
    /train\.jsonl:2: there is no passage e in .*corpus\.jsonl/,
  )
  assert.match(await failure(read({ 'train.jsonl': jsonl(...rows) })), /no corpus\.jsonl lies beside it/)
})

const dpr = [
  {
    ...{ dataset: 'nq', question: 'first', answers: ['[a] "quoted" }'] },
    ...{ positive_ctxs: passages('good'), negative_ctxs: passages('', 'other').slice(1) },
    hard_negative_ctxs: passages('', 'bad', 'worse').slice(1),
  },
  { question: 'nothing', answers: [], positive_ctxs: [], negative_ctxs: [], hard_negative_ctxs: [] },
  {
    question: 'second',
    positive_ctxs: passages('', 'fine', 'better').slice(1),
    negative_ctxs: [],
    hard_negative_ctxs: [],
  },
  {
    question: 'third',
    positive_ctxs: [{ title: null, text: 'so' }],
    negative_ctxs: passages('', 'fallback').slice(1),
    hard_negative_ctxs: [],
  },
]

test('what stands between title and text can be said; a text without a title has none of it', async () => {
  const textOf = textWith('[SEP]')
  const { pairs } = await loadPairs(folderWith({ 'train.json': JSON.stringify(dpr) }), { textOf })
  assert.equal(pairs[0], { query: 'first', positives: ['Title[SEP]good'], negatives: ['bad', 'worse'] })
  const folder = folderWith({
    'corpus.jsonl': jsonl({ _id: 'a', title: 'Title', text: 'good' }, { _id: 'b', title: '', text: 'bad' }),
    'queries.jsonl': jsonl({ _id: 'q', text: 'first' }),
    'qrels/train.tsv': 'query-id\tcorpus-id\tscore\nq\ta\t1\nq\tb\t0\n',
  })
  assert.equal((await loadPairs(folder, { textOf })).pairs, [
    { query: 'first', positives: ['Title[SEP]good'], negatives: ['bad'] },
  ])
  assert.equal((await loadCollection(folder, { split: 'train', textOf })).documents.texts, ['Title[SEP]good', 'bad'])
})

test('DPR: one array over many lines, on one line, or a line each', async () => {
  const all = [...expected, { query: 'third', positives: ['so'], negatives: ['fallback'] }]
  for (const text of [
    JSON.stringify(dpr, null, 4),
    JSON.stringify(dpr),
    `[\n${dpr.map(row => JSON.stringify(row)).join(',\n')}]`,
  ]) {
    const { pairs, warnings } = await loadPairs(folderWith({ 'train.json': text }))
    assert.equal(pairs, all)
    assert.match(warnings[0]!, /train\.json: 1 line without positives left out/)
  }
  assert.equal(await read({ 'train.jsonl': jsonl(...dpr) }), all)
  assert.equal(await read({ 'train.json.gz': gzipSync(JSON.stringify(dpr, null, 1)) }), all)
  const cut = JSON.stringify(dpr, null, 1).slice(0, -30)
  assert.match(await failure(read({ 'train.json': cut })), /the array is not closed/)
})

const collection = '0\tgood\tTitle\n1\tbad\n2\tworse\n3\tfine\n4\tbetter\n'
const queries = '7\tfirst\n8\tsecond\n9\tnever asked\n'

test("ColBERT's triples: ids with the texts beside, those of one query put together", async () => {
  const beside = { 'collection.tsv': collection, 'queries.train.tsv': queries }
  const triples = [
    [7, 0, 1],
    [8, 3],
    [7, 0, 2],
    [8, 4],
  ]
  assert.equal(await read({ 'triples.train.jsonl': jsonl(...triples), ...beside }), expected)
  const tabbed = triples.map(row => row.join('\t')).join('\n')
  assert.equal(await read({ 'triples.tsv': tabbed, ...beside }), expected)
  assert.match(
    await failure(read({ 'triples.jsonl': jsonl(triples[0], [9, 77, 1]), ...beside })),
    /triples\.jsonl:2: there is no passage 77/,
  )
  assert.match(await failure(read({ 'triples.jsonl': jsonl(...triples) })), /no collection\.tsv lies beside it/)
})

test("ColBERT's scored examples keep their scores", async () => {
  const files = {
    'train.jsonl': jsonl([7, [0, 9.5], [1, 2], [2, -1.5]]),
    'collection.tsv': collection,
    'queries.tsv': queries,
  }
  assert.equal(await read(files), [{ ...expected[0], positiveScores: [9.5], negativeScores: [2, -1.5] }])
})

test('triples of texts with tabs between', async () => {
  assert.equal(await read({ 'train.tsv': 'first\tTitle good\tbad\tworse\nsecond\tfine\n' }), [
    expected[0],
    { query: 'second', positives: ['fine'], negatives: [] },
  ])
})

test("sentence-transformers' pairs, triplets and sets, gzipped", async () => {
  const gz = (...rows: unknown[]) => ({ 'train.jsonl.gz': gzipSync(jsonl(...rows)) })
  assert.equal(await read(gz(['first', 'Title good'], ['second', 'fine'])), [
    { query: 'first', positives: ['Title good'], negatives: [] },
    { query: 'second', positives: ['fine'], negatives: [] },
  ])
  assert.equal(await read(gz(['first', 'Title good', 'bad', 'worse'])), [expected[0]])
  assert.equal(await read(gz({ set: ['second', 'fine', 'better'] })), [expected[1]])
  assert.equal(await read(gz({ query: 'second', pos: ['fine', 'better'], neg: [] })), [expected[1]])
})

test('bad lines are named', async () => {
  const message = (...rows: unknown[]) => failure(read({ 'train.jsonl': jsonl(...rows) }))
  assert.match(await message({ a: 1 }), /train\.jsonl:1: expected the keys of a training pair.*the line has the keys a/)
  assert.match(await message(['a', 'b'], ['a', 5]), /train\.jsonl:2: expected a list of texts/)
  assert.match(await message(['a']), /:1: expected a list of texts \[anchor/)
  assert.match(await message({ set: ['a'] }), /:1: "set" has 1 texts, expected two or more/)
  assert.match(await message({ query: 'a', positive_passages: [] }), /:1: "positive_passages" is empty/)
  assert.match(
    await message({ query: 'a', positive_passages: [{ docid: 1 }] }),
    /:1: expected passages .* found nothing as the text of item 0/,
  )
  assert.match(
    await message({ question: 'a', positive_ctxs: 'b' }),
    /:1: expected a list of passages as "positive_ctxs"/,
  )
  assert.match(
    await message({ set: ['a', 'b'] }, { query: 'a', pos: ['b'] }),
    /:2: a line of the form "flag_embedding", but those before are "set"/,
  )
})

test.run()
