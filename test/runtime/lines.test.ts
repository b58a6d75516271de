import { writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readLineBlocks, readLines } from '../../src/runtime/files.js'
import { failure, folderWith } from '../support/temporary.js'

async function lines(path: string): Promise<string[]> {
  const all = []
  for await (const line of readLines(path)) all.push(line)
  return all
}

test('only a line feed ends a line: not U+2028, U+2029, U+0085 or a bare carriage return', async () => {
  const text = '\ufeffa\u2028b\u2029c\u0085d\re\r\n\nlast'
  const folder = folderWith({ 'a.txt': text, 'a.txt.gz': gzipSync(text), empty: '', 'one-end': 'a\n' })
  const expected = ['a\u2028b\u2029c\u0085d\re', '', 'last']
  assert.equal(await lines(`${folder}/a.txt`), expected)
  assert.equal(await lines(`${folder}/a.txt.gz`), expected)
  assert.equal(await lines(`${folder}/empty`), [])
  assert.equal(await lines(`${folder}/one-end`), ['a'])
})

test('lines longer than a chunk, and characters cut by the end of one', async () => {
  const long = '文😀é'.repeat(400_000)
  const folder = folderWith({ 'a.txt': `x\n${long}\ny\n${long}` })
  assert.ok((await lines(`${folder}/a.txt`)).every((line, i) => line === ['x', long, 'y', long][i]))
})

test('many lines come in blocks', async () => {
  const folder = folderWith({})
  const path = `${folder}/a.txt`
  const expected = Array.from({ length: 300_000 }, (_, i) => `line ${i}`)
  writeFileSync(path, expected.join('\n'))
  const blocks = []
  for await (const block of readLineBlocks(path)) blocks.push(block)
  assert.ok(blocks.length < 20)
  assert.is(blocks.flat().join('\n'), expected.join('\n'))
})

test('what cannot be read is named', async () => {
  const whole = gzipSync('abc\n'.repeat(10_000))
  const folder = folderWith({ 'cut.gz': whole.subarray(0, 40), 'plain.gz': 'not gzipped' })
  assert.match(await failure(lines(`${folder}/cut.gz`)), /cannot read .*cut\.gz: unexpected end of file/)
  assert.match(await failure(lines(`${folder}/plain.gz`)), /cannot read .*plain\.gz: incorrect header check/)
  assert.match(await failure(lines(`${folder}/none`)), /cannot read .*none: no such file or folder/)
  assert.match(await failure(lines(`${folder}/none.gz`)), /cannot read .*none\.gz: no such file or folder/)
  assert.match(await failure(lines(folder)), /cannot read .*: it is a folder, expected a file/)
})

test.run()
