import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readTexts } from '../../src/data/texts.js'
import { failure, folderWith } from '../support/temporary.js'

const all = async (path: string): Promise<string[]> => {
  const texts: string[] = []
  for await (const text of readTexts(path)) texts.push(text)
  return texts
}

const corpus = '{"_id": "1", "title": "Tides", "text": "rise"}\n{"_id": "2", "title": "", "text": "fall"}\n'

test('a collection, plain lines, JSON Lines of strings, documents and pairs; gzip', async () => {
  const folder = folderWith({
    'corpus.jsonl': corpus,
    'lines.txt': 'one two\n\n{"text": 3}\r\nlast',
    'mixed.jsonl': `${corpus}"plain"\n\n{"query": "q", "pos": ["p", "r"], "neg": ["n"]}\n{"query": "alone"}\n`,
  })
  assert.equal(await all(folder), ['Tides rise', 'fall'])
  assert.equal(await all(join(folder, 'lines.txt')), ['one two', '', '{"text": 3}', 'last'])
  const mixed = ['Tides rise', 'fall', 'plain', 'q', 'p', 'r', 'n', 'alone']
  assert.equal(await all(join(folder, 'mixed.jsonl')), mixed)
  writeFileSync(join(folder, 'packed.jsonl.gz'), gzipSync('"zipped"\n'))
  assert.equal(await all(join(folder, 'packed.jsonl.gz')), ['zipped'])
})

test('a line that holds no text is named', async () => {
  const folder = folderWith({ 'a.jsonl': '"fine"\nnot JSON\n', 'b.jsonl': '[1]\n', 'c.jsonl': '{"_id": "7"}\n' })
  assert.match(await failure(all(join(folder, 'a.jsonl'))), /a\.jsonl:2: expected JSON, found "not JSON"; .*\.txt/)
  assert.match(await failure(all(join(folder, 'b.jsonl'))), /b\.jsonl:1: expected a string or an object with "text"/)
  assert.match(await failure(all(join(folder, 'c.jsonl'))), /expected "text", or "query".*the line has the keys _id/)
})

test.run()
