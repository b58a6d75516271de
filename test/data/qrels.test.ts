import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readQrels, splitFields } from '../../src/data/qrels.js'
import { needs } from '../support/shared.js'
import { failure, folderWith } from '../support/temporary.js'

const file = (content: string | Uint8Array, name = 'test.tsv') => `${folderWith({ [name]: content })}/${name}`
const plain = (qrels: Map<string, Map<string, number>>) =>
  Object.fromEntries([...qrels].map(([query, grades]) => [query, Object.fromEntries(grades)]))

test("BEIR's form: the first line is skipped, ids may hold spaces", async () => {
  const path = file('query-id\tcorpus-id\tscore\nq1\tPolar bear:308\t1\r\n\nq1\td2\t0\nq2\td\u3000é\t-1\nq2\td3\t2.0\n')
  const { qrels, format, judgements, warnings } = await readQrels(path)
  assert.equal(plain(qrels), { q1: { 'Polar bear:308': 1, d2: 0 }, q2: { 'd\u3000é': -1, d3: 2 } })
  assert.is(format, 'beir')
  assert.is(judgements, 4)
  assert.equal(warnings, [])
})

test("TREC's form, with spaces or tabs, gzipped too", async () => {
  const lines = 'q1 0 d1 1\nq1\t0\td 2\t0\n  q2   Q0\td3  +2 \n'
  for (const path of [file(lines, 'a.qrels'), file(gzipSync(lines), 'a.qrels.gz')]) {
    const { qrels, format } = await readQrels(path)
    assert.equal(plain(qrels), { q1: { d1: 1, 'd 2': 0 }, q2: { d3: 2 } })
    assert.is(format, 'trec')
  }
})

test('a byte order mark and U+2028 inside an id', async () => {
  const { qrels } = await readQrels(file('\ufeffq1 0 a\u2028b 1\n'))
  assert.equal(plain(qrels), { q1: { 'a\u2028b': 1 } })
})

test('a first line that looks like a judgement is skipped all the same, with a warning', async () => {
  const { qrels, warnings } = await readQrels(file('q1\td1\t1\nq1\td2\t1\n'))
  assert.equal(plain(qrels), { q1: { d2: 1 } })
  assert.match(warnings[0]!, /test\.tsv: the first line "q1\\td1\\t1" is skipped as the header/)
})

test('a pair judged twice keeps its last grade, with a warning', async () => {
  const { qrels, judgements, warnings } = await readQrels(file('q1 0 d1 1\nq1 0 d2 1\nq1 0 d1 0\nq1 0 d1 2\n'))
  assert.equal(plain(qrels), { q1: { d1: 2, d2: 1 } })
  assert.is(judgements, 2)
  assert.match(warnings[0]!, /2 judged again, the last grade counts \(first at line 3: query "q1", document "d1"\)/)
})

test('bad lines are named', async () => {
  const message = async (content: string, format?: 'beir' | 'trec') =>
    (await failure(readQrels(file(content), format && { format }))).replace(/^.*\/test\.tsv/, '')
  const header = 'query-id\tcorpus-id\tscore\n'
  assert.is(
    await message(`${header}q1\td1\t1\nq1\td1\n`),
    ':3: expected 3 fields (query-id, corpus-id, score) separated by tabs, found 2: "q1\\td1"',
  )
  assert.match(await message(`${header}q1\t\t1\n`), /:2: expected 3 fields/)
  assert.match(await message(`${header}q1\td1\t0.5\n`), /:2: expected an integer grade as the last field, found "0\.5"/)
  assert.match(await message(`${header}q1\td1\thigh\n`), /:2: expected an integer grade/)
  assert.match(await message('q1 0 d1 1\nq1 0 d1 1 tag\n'), /:2: expected 4 fields \(query, 0, document, relevance\)/)
  assert.match(await message('what is this\u00a0file about then\n'), /:1: expected judgements, either TREC's/)
  assert.match(await message(''), / holds no judgements/)
  assert.match(await message(header), / holds no judgements; expected lines of query-id, corpus-id, score/)
  assert.match(await failure(readQrels('/nowhere/test.tsv')), /cannot read \/nowhere\/test\.tsv: no such file/)
})

test('fields are cut at ASCII white space only', () => {
  assert.equal(splitFields(' a\u00a0b  c\u3000d ', 2), ['a\u00a0b', 'c\u3000d'])
  assert.equal(splitFields('a b\tc', 2), ['a b', 'c'])
  assert.equal(splitFields('\ta\tb', 2), ['a', 'b'])
})

const folder = needs('oracles/trec_eval')
;(folder ? test : test.skip)("trec_eval's test file", async () => {
  const { qrels, judgements, format } = await readQrels(`${folder}/qrels.test`)
  assert.equal([...qrels.keys()], ['301', '302', '303'])
  assert.is(judgements, 3681)
  assert.is(format, 'trec')
  const relevant = [...qrels.values()].flatMap(grades => [...grades.values()]).filter(grade => grade > 0).length
  assert.is(relevant, 561)
})

test.run()
