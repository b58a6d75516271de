import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { expandPairs, loadPairs, sentencePairs } from '../../src/data/pairs.js'
import { needs } from '../support/shared.js'
import { failure, folderWith } from '../support/temporary.js'

const jsonl = (...rows: unknown[]) => rows.map(row => `${JSON.stringify(row)}\n`).join('')
const rows = [
  { query: 'q1', pos: ['a', 'b'], neg: ['c'], pos_scores: [0.9, 0.8], neg_scores: [0.1], prompt: 'Find it' },
  { query: '', pos: [''], neg: [] },
  { query: 'q3', pos: ['d'], id: 7, pos_scores: null, prompt: null },
]

test('pairs of a folder or a file, gzipped or not', async () => {
  const plain = folderWith({ 'train.jsonl': jsonl(...rows) })
  const gzipped = folderWith({ 'train.jsonl.gz': gzipSync(jsonl(...rows)) })
  for (const path of [plain, `${plain}/train.jsonl`, gzipped, `${gzipped}/train.jsonl.gz`]) {
    const { pairs, warnings, source } = await loadPairs(path)
    assert.equal(pairs, [
      {
        query: 'q1',
        positives: ['a', 'b'],
        negatives: ['c'],
        positiveScores: [0.9, 0.8],
        negativeScores: [0.1],
        prompt: 'Find it',
      },
      { query: '', positives: [''], negatives: [] },
      { query: 'q3', positives: ['d'], negatives: [] },
    ])
    assert.equal(warnings, [])
    assert.match(source, /\/train\.jsonl(\.gz)?$/)
  }
})

test('one example for every positive', async () => {
  const { pairs } = await loadPairs(folderWith({ 'train.jsonl': jsonl(...rows) }))
  assert.equal(expandPairs(pairs), [
    { query: 'q1', positive: 'a', negatives: ['c'], scores: { positive: 0.9, negatives: [0.1] }, prompt: 'Find it' },
    { query: 'q1', positive: 'b', negatives: ['c'], scores: { positive: 0.8, negatives: [0.1] }, prompt: 'Find it' },
    { query: '', positive: '', negatives: [] },
    { query: 'q3', positive: 'd', negatives: [] },
  ])
})

test('another split', async () => {
  const folder = folderWith({ 'train.jsonl': jsonl(rows[0]), 'dev.jsonl': jsonl(rows[2]) })
  assert.is((await loadPairs(folder, { split: 'dev' })).pairs[0]!.query, 'q3')
})

test('a text that is positive and negative at once is warned of', async () => {
  const contradiction = { query: 'q', pos: ['a', 'b'], neg: ['c', 'b'] }
  const { pairs, warnings } = await loadPairs(
    folderWith({ 'train.jsonl': jsonl(rows[0], contradiction, contradiction) }),
  )
  assert.is(pairs.length, 3)
  assert.match(warnings[0]!, /train\.jsonl: 2 lines give a text as positive and as negative \(the first is line 2\)/)
})

test('bad lines are named by file and line', async () => {
  const message = async (row: unknown) => {
    const content = `${jsonl(rows[0])}\n${typeof row === 'string' ? row : JSON.stringify(row)}\n`
    return (await failure(loadPairs(folderWith({ 'train.jsonl': content })))).replace(/^.*\/train/, 'train')
  }
  const query = 'q'
  const pos = ['a']
  assert.match(await message('{"query": '), /^train\.jsonl:3: expected a JSON object, found/)
  assert.match(
    await message({ pos }),
    /^train\.jsonl:3: expected a string as "query", found nothing; the line has the keys pos/,
  )
  assert.match(await message({ query: 1, pos }), /as "query", found the number 1/)
  assert.match(
    await message({ query, passages: [] }),
    /:3: expected a list of strings as "pos", found nothing; the line has the keys query, passages/,
  )
  const passages = [{ text: 'a' }]
  assert.match(await message({ query, positive_passages: passages }), /:3: a line of the form "tevatron", but those/)
  assert.match(await message({ query, pos: 'a' }), /as "pos", found the string "a"/)
  assert.match(await message({ query, pos: [] }), /:3: "pos" is empty, expected at least one positive text/)
  assert.match(
    await message({ query, pos: ['a', 5] }),
    /:3: expected strings in "pos", found the number 5 as its item 1/,
  )
  assert.match(await message({ query, pos, neg: 'b' }), /as "neg", found the string "b"/)
  assert.match(await message({ query, pos, neg: [null] }), /expected strings in "neg", found null as its item 0/)
  assert.match(
    await message({ query, pos, pos_scores: [1, 2] }),
    /:3: expected a list of 1 numbers as "pos_scores", one a text, found a list of 2/,
  )
  assert.match(await message({ query, pos, neg: ['b'], neg_scores: ['1'] }), /as "neg_scores"/)
  assert.match(await message({ query, pos, prompt: ['a'] }), /:3: expected a string as "prompt", found a list of 1/)
})

test('missing and empty files', async () => {
  assert.match(
    await failure(loadPairs('/nowhere/train.jsonl')),
    /cannot read \/nowhere\/train\.jsonl: no such file or folder/,
  )
  assert.match(await failure(loadPairs(folderWith({ 'train.jsonl': '\n' }))), /train\.jsonl holds no training pairs/)
  assert.match(
    await failure(loadPairs(folderWith({ 'pairs.jsonl': '' }))),
    /has no training pairs: expected train\.jsonl \(or \.gz\), or qrels\/train\.tsv with corpus\.jsonl and queries\.jsonl; it holds pairs\.jsonl/,
  )
})

const collection = {
  'corpus.jsonl': jsonl(
    { _id: 'd1', title: 'T', text: 'one' },
    { _id: 'd2', text: 'two' },
    { _id: 'd3', text: 'three' },
  ),
  'queries.jsonl': jsonl({ _id: 'q1', text: 'first' }, { _id: 'q2', text: 'second' }, { _id: 'q3', text: 'third' }),
  'qrels/train.tsv': 'query-id\tcorpus-id\tscore\nq2\td3\t1\nq1\td2\t2\nq1\td1\t1\nq1\td3\t0\nq2\td1\t-1\n',
}

test('without train.jsonl the judgements of the split make the pairs', async () => {
  const { pairs, warnings, source } = await loadPairs(folderWith(collection))
  assert.equal(pairs, [
    { query: 'first', positives: ['two', 'T one'], negatives: ['three'] },
    { query: 'second', positives: ['three'], negatives: [] },
  ])
  assert.equal(warnings, [])
  assert.match(source, /\/qrels\/train\.tsv$/)
})

test('judgements that make no pair are left out, with a warning, or refused where none is left', async () => {
  const more = `${collection['qrels/train.tsv']}q1\tgone\t1\nq3\td1\t0\nnobody\td1\t1\n`
  const { pairs, warnings } = await loadPairs(folderWith({ ...collection, 'qrels/train.tsv': more }))
  assert.is(pairs.length, 2)
  assert.match(warnings[0]!, '1 queries that queries.jsonl does not hold')
  assert.match(warnings[1]!, '1 judgements of documents that the corpus does not hold')
  assert.match(warnings[2]!, '1 queries have no relevant document')
  const none = { ...collection, 'qrels/train.tsv': 'query-id\tcorpus-id\tscore\nq1\td1\t0\n' }
  assert.match(
    await failure(loadPairs(folderWith(none))),
    /gives no training pairs: no query of it has a relevant document/,
  )
  assert.match(
    await failure(loadPairs(folderWith(collection), { split: 'dev' })),
    /has no split "dev" .*; it has train/,
  )
  const twice = { ...collection, 'corpus.jsonl': jsonl({ _id: 'd1', text: '' }, { _id: 'd1', text: '' }) }
  assert.match(
    await failure(loadPairs(folderWith(twice))),
    /the document id "d1" is given twice, the second time on line 2/,
  )
})

const conala = needs('data/conala')
;(conala ? test : test.skip)('conala: 1,723 lines, 1,718 of them with hard negatives, 2,339 examples', async () => {
  const { pairs, warnings } = await loadPairs(conala!)
  assert.is(pairs.length, 1723)
  assert.is(pairs.filter(({ negatives }) => negatives.length > 0).length, 1718)
  assert.is(expandPairs(pairs).length, 2339)
  assert.equal(warnings, [])
})

const scifact = needs('data/scifact')
;(scifact ? test : test.skip)('scifact: 809 lines, gzipped', async () => {
  const { pairs } = await loadPairs(scifact!)
  assert.is(pairs.length, 809)
  assert.ok(pairs.every(({ negatives }) => negatives.length > 0))
})

test('sentences of the positives as queries for them', () => {
  const [a, b] = [
    'Tides turn. The Moon pulls at the sea, and the Sun a little. So it rises twice a day.',
    'One sentence of it all.',
  ]
  const pairs = [
    { query: 'why tides', positives: [a, b], negatives: ['x'] },
    { query: 'sea rising', positives: [a], negatives: [] },
  ]
  assert.equal(sentencePairs(pairs), [
    { query: 'The Moon pulls at the sea, and the Sun a little.', positives: [a], negatives: [] },
    { query: 'So it rises twice a day.', positives: [a], negatives: [] },
  ])
})

test.run()
