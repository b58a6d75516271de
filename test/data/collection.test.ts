import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  documentText,
  listSplits,
  loadCollection,
  loadDocuments,
  loadQueries,
  readDocuments,
  readQueries,
} from '../../src/data/collection.js'
import { hashCollection, hashLines } from '../../src/data/fingerprint.js'
import { needs } from '../support/shared.js'
import { failure, folderWith } from '../support/temporary.js'

const jsonl = (...rows: unknown[]) => rows.map(row => `${JSON.stringify(row)}\n`).join('')
const header = 'query-id\tcorpus-id\tscore\n'
const small = {
  'corpus.jsonl': jsonl(
    { _id: 'd1', title: 'Title', text: 'text' },
    { _id: 'd2', title: '', text: 'no title' },
    { _id: 3, text: 'a\u2028b' },
    { _id: 'd4', title: null, text: '' },
  ),
  'queries.jsonl': jsonl({ _id: 'q1', text: 'one' }, { _id: 2, text: 'two' }, { _id: 'q3', text: 'not judged' }),
  'qrels/test.tsv': `${header}q1\td1\t1\nq1\td2\t0\n2\t3\t2\n`,
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list = []
  for await (const item of items) list.push(item)
  return list
}

test('a small collection: titles, ids that are numbers, judged queries only', async () => {
  const folder = folderWith(small)
  const collection = await loadCollection(folder)
  assert.equal(collection.documents, {
    ids: ['d1', 'd2', '3', 'd4'],
    texts: ['Title text', 'no title', 'a\u2028b', ''],
  })
  assert.equal(collection.queries, { ids: ['q1', '2'], texts: ['one', 'two'] })
  assert.equal([...collection.qrels.keys()], ['q1', '2'])
  assert.is(collection.qrels.get('2')!.get('3'), 2)
  assert.equal(collection.warnings, [])
  assert.equal(collection.counts, {
    emptyDocuments: 1,
    judgements: 3,
    relevant: 2,
    unknownDocuments: 0,
    unknownQueries: 0,
  })
  assert.is(collection.split, 'test')
  assert.is(`${folder}/`.endsWith(`/${collection.name}/`), true)
  assert.is((await loadCollection(`${folder}/./`)).name, collection.name)
})

test('gzipped files, and other splits', async () => {
  const files = {
    'corpus.jsonl.gz': gzipSync(small['corpus.jsonl']),
    'queries.jsonl.gz': gzipSync(small['queries.jsonl']),
    'qrels/dev.tsv.gz': gzipSync(small['qrels/test.tsv']),
    'qrels/train.tsv': `${header}q3\td4\t1\n`,
  }
  const folder = folderWith(files)
  assert.equal(await listSplits(folder), ['dev', 'train'])
  assert.equal((await loadCollection(folder, { split: 'dev' })).documents.ids, ['d1', 'd2', '3', 'd4'])
  assert.equal((await loadCollection(folder, { split: 'train' })).queries, { ids: ['q3'], texts: ['not judged'] })
})

test('the corpus alone and the queries alone, whole or as a stream, from a folder or a file', async () => {
  const folder = folderWith(small)
  assert.equal((await loadDocuments(folder)).ids, ['d1', 'd2', '3', 'd4'])
  assert.equal((await loadDocuments(`${folder}/corpus.jsonl`)).ids, ['d1', 'd2', '3', 'd4'])
  assert.equal((await loadQueries(folder)).ids, ['q1', '2', 'q3'])
  assert.equal((await loadQueries(folder, id => id === '2')).texts, ['two'])
  const documents = await all(readDocuments(folder))
  assert.equal(documents[0], { id: 'd1', text: 'text', line: 1, title: 'Title' })
  assert.equal(documents.map(documentText), ['Title text', 'no title', 'a\u2028b', ''])
  assert.equal((await all(readQueries(folder))).at(-1), { id: 'q3', text: 'not judged', line: 3 })
})

test('reading stops with its reader: the rest of the file is not looked at', async () => {
  const folder = folderWith({ 'corpus.jsonl': `${small['corpus.jsonl']}not JSON\n` })
  for await (const { id } of readDocuments(folder)) if (id === 'd2') break
  assert.match(await failure(all(readDocuments(folder))), 'corpus.jsonl:5')
})

test('unknown documents and queries are warned of and counted, and stay among the judgements', async () => {
  const qrels = `${small['qrels/test.tsv']}q1\tgone\t1\nq1\tlost\t1\n2\tgone\t1\nnobody\td1\t1\n`
  const {
    warnings,
    counts,
    qrels: judged,
    queries,
  } = await loadCollection(folderWith({ ...small, 'qrels/test.tsv': qrels }))
  assert.is(counts.unknownDocuments, 2)
  assert.is(counts.unknownQueries, 1)
  assert.is(counts.judgements, 7)
  assert.match(warnings[0]!, /test\.tsv judges 2 documents that the corpus does not hold \(the first is "gone"\)/)
  assert.match(warnings[1]!, /judges 1 query that queries\.jsonl does not hold \(the first is "nobody"\)/)
  assert.is(judged.get('q1')!.get('gone'), 1)
  assert.equal(queries.ids, ['q1', '2'])
})

test('no grade above 0 is warned of', async () => {
  const { warnings } = await loadCollection(folderWith({ ...small, 'qrels/test.tsv': `${header}q1\td1\t0\n` }))
  assert.match(warnings[0]!, 'no grade above 0')
})

test('missing folders, files and splits', async () => {
  assert.match(
    await failure(loadCollection('/nowhere/scifact')),
    /no such folder: \/nowhere\/scifact; expected a BEIR collection with/,
  )
  const without = (name: keyof typeof small) => {
    const { [name]: _, ...rest } = small
    return folderWith(rest)
  }
  assert.match(
    await failure(loadCollection(without('corpus.jsonl'))),
    /has no corpus\.jsonl \(or corpus\.jsonl\.gz\).*; it holds qrels, queries\.jsonl$/,
  )
  assert.match(
    await failure(loadCollection(without('queries.jsonl'))),
    /has no queries\.jsonl .*; it holds corpus\.jsonl, qrels$/,
  )
  assert.match(
    await failure(loadCollection(without('qrels/test.tsv'))),
    /has no judgements: expected .*\/qrels\/test\.tsv \(or \.gz\)/,
  )
  assert.match(await failure(loadCollection(folderWith({}))), /it holds nothing/)
  assert.match(
    await failure(loadCollection(`${folderWith(small)}/corpus.jsonl`)),
    /corpus\.jsonl is a file; expected the folder/,
  )

  const folder = folderWith({ ...small, 'qrels/train.tsv': header, 'qrels/validation.tsv': header })
  assert.match(
    await failure(loadCollection(folder, { split: 'tset' })),
    /has no split "tset" \(.*\); it has test, train, validation: did you mean test\?/,
  )
  assert.match(
    await failure(loadCollection(folder, { split: 'dev' })),
    /has no split "dev" .*; it has test, train, validation$/,
  )
  assert.match(await failure(loadCollection(folderWith(small), { split: 'dev' })), /it has test: did you mean test\?/)

  const parts = folderWith({ 'de/corpus.jsonl': '', 'en/corpus.jsonl.gz': '', 'notes/a.txt': '' })
  assert.match(await failure(loadCollection(parts)), /its folders de, en are collections: name one, as in .*\/de$/)
})

test('bad lines are named by file and line', async () => {
  const corpus = async (...lines: string[]) =>
    (await failure(loadDocuments(folderWith({ 'corpus.jsonl': lines.join('\n') })))).replace(/^.*\/corpus/, 'corpus')
  const good = '{"_id": "d", "text": ""}'
  assert.match(
    await corpus(good, '', '{"_id": "e", "text"'),
    /^corpus\.jsonl:3: expected a JSON object, found "\{\\"_id\\": \\"e\\", \\"text\\"" \(/,
  )
  assert.match(await corpus('[1]'), /^corpus\.jsonl:1: expected a JSON object, found a list of 1/)
  assert.match(await corpus('null'), /found null/)
  assert.match(
    await corpus('{"id": "d", "contents": ""}'),
    /:1: expected a string that is not empty as "_id", found nothing; the line has the keys id, contents/,
  )
  assert.match(await corpus('{"_id": "", "text": ""}'), /as "_id", found the string ""/)
  assert.match(await corpus('{"_id": true, "text": ""}'), /as "_id", found the boolean true/)
  assert.match(
    await corpus('{"_id": 12345678901234567890, "text": ""}'),
    /:1: the number 12345678901234567000 as "_id" is not exact; write it as a string/,
  )
  assert.match(
    await corpus(good, '{"_id": "e"}'),
    /:2: expected a string as "text", found nothing; the line has the keys _id/,
  )
  assert.match(await corpus('{"_id": "e", "text": null}'), /as "text", found null/)
  assert.match(
    await corpus('{"_id": "e", "text": "", "title": ["a", "b"]}'),
    /:1: expected a string as "title", found a list of 2/,
  )
  assert.match(
    await corpus(good, '{"_id": "e", "text": ""}', '', good),
    /: the id "d" is given twice, on lines 1 and 4; ids must be distinct/,
  )
  const queries = folderWith({
    ...small,
    'queries.jsonl': jsonl({ _id: 'q1', text: '' }, { _id: 'x', text: '' }, { _id: 'x', text: '' }),
  })
  assert.match(await failure(loadCollection(queries)), /queries\.jsonl: the id "x" is given twice, on lines 2 and 3/)
  const long = await corpus(`${'x'.repeat(1000)}`)
  assert.ok(long.length < 250, long)
})

test('an empty collection, and a split that judges nothing that is there', async () => {
  assert.match(
    await failure(loadCollection(folderWith({ ...small, 'corpus.jsonl': '\n' }))),
    /corpus\.jsonl is empty: expected a JSON object a line with "_id" and "text"/,
  )
  assert.match(await failure(loadCollection(folderWith({ ...small, 'queries.jsonl': '' }))), /queries\.jsonl is empty/)
  assert.match(
    await failure(loadCollection(folderWith({ ...small, 'qrels/test.tsv': header }))),
    /test\.tsv holds no judgements/,
  )
  assert.match(
    await failure(loadCollection(folderWith({ ...small, 'qrels/test.tsv': `${header}x\td1\t1\ny\td1\t1\n` }))),
    /none of the 2 queries of .*test\.tsv is in .*queries\.jsonl \(the first is "x"\): the two files do not belong together/,
  )
})

test('the hash of a collection', async () => {
  const hash = async (files: Record<string, string>) =>
    hashCollection(await loadCollection(folderWith({ ...small, ...files })))
  const plain = await hash({})
  assert.match(plain, /^[0-9a-f]{16}$/)
  assert.is(await hash({}), plain)
  assert.is(
    await hash({ 'qrels/test.tsv': `${header}2\t3\t2\nq1\td2\t0\nq1\td1\t1\n` }),
    plain,
    'judgements in another order',
  )
  assert.is(await hash({ 'qrels/train.tsv': header }), plain)
  const changed = [
    await hash({ 'qrels/test.tsv': `${header}q1\td1\t1\nq1\td2\t1\n2\t3\t2\n` }),
    await hash({ 'queries.jsonl': jsonl({ _id: 'q1', text: 'one!' }, { _id: 2, text: 'two' }) }),
    await hash({ 'corpus.jsonl': small['corpus.jsonl'].replace('no title', 'not itle') }),
    await hash({ 'corpus.jsonl': small['corpus.jsonl'].replace('"d4"', '"d5"') }),
  ]
  assert.is(new Set([plain, ...changed]).size, 5)
})

test('the hash of lines: SHA-256 of the SHA-256s of 4 MiB blocks', async () => {
  const digest = async (bytes: Uint8Array<ArrayBuffer>) => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  const hex = (bytes: Uint8Array) => Buffer.from(bytes.subarray(0, 8)).toString('hex')
  assert.is(await hashLines(['a', 'é']), hex(await digest(await digest(new TextEncoder().encode('a\né\n')))))
  const line = '文'.repeat(1000)
  const lines = new Array<string>(3000).fill(line)
  const bytes = new TextEncoder().encode(`${line}\n`.repeat(3000))
  const blocks = [bytes.slice(0, 1 << 22), bytes.slice(1 << 22, 2 << 22), bytes.slice(2 << 22)]
  const hashes = await Promise.all(blocks.map(digest))
  assert.is(await hashLines(lines), hex(await digest(new Uint8Array(Buffer.concat(hashes)))))
  assert.is.not(await hashLines(['ab', 'c']), await hashLines(['a', 'bc']))
})

const conala = needs('data/conala')
;(conala ? test : test.skip)('conala has the counts of its description', async () => {
  const collection = await loadCollection(conala!)
  assert.is(collection.name, 'conala')
  assert.is(collection.documents.ids.length, 2810)
  assert.is(collection.queries.ids.length, 365)
  assert.is(collection.counts.judgements, 490)
  assert.is(collection.counts.relevant, 490)
  assert.equal(collection.warnings, [])
  assert.is((await loadQueries(conala!)).ids.length, 2088)
  const train = await loadCollection(conala!, { split: 'train' })
  assert.is(train.queries.ids.length, 1723)
  assert.is(train.counts.judgements, 2339)
  assert.is.not(await hashCollection(collection), await hashCollection(train))
})

const scifact = needs('data/scifact')
;(scifact ? test : test.skip)('scifact, whose corpus is gzipped, has the counts of its description', async () => {
  const { documents, queries, counts, warnings } = await loadCollection(scifact!)
  assert.is(documents.ids.length, 5183)
  assert.is(queries.ids.length, 300)
  assert.is(counts.judgements, 339)
  assert.equal(warnings, [])
  const words = documents.texts.reduce((sum, text) => sum + text.trim().split(/\s+/).length, 0)
  assert.is((words / documents.ids.length).toFixed(1), '214.6')
})

const cacm = needs('data/cacm')
;(cacm ? test : test.skip)('cacm has documents without a text, and queries that nobody judged', async () => {
  const { documents, queries, counts } = await loadCollection(cacm!)
  assert.is(documents.ids.length, 3204)
  assert.is(queries.ids.length, 52)
  assert.is(counts.judgements, 796)
})

const languages = needs('data/xquad')
;(languages ? test : test.skip)('a folder of collections names them', async () => {
  assert.match(
    await failure(loadCollection(languages!)),
    /its folders ar, de, el, en, es, hi, ro, ru, th, tr, vi, zh are collections/,
  )
})

test.run()
