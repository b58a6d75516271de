// tokenize on bytes that are no text: what is no UTF-8, and halves of surrogate pairs, count as U+FFFD, as they do to Rust's and Python's lossy decoders.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { attempt } from '../support/cli.js'
import { folderWith, temporaryFolder } from '../support/temporary.js'

const bytesOf = (text: string) => [...Buffer.from(text, 'latin1')]
const characters = ['?', '\ufffd', 'a', 'b', 'é', '😀']
const model = folderWith({
  'tokenizer.json': JSON.stringify({
    pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'Removed', invert: false },
    model: {
      ...{ type: 'BPE', unk_token: '?', merges: [] },
      vocab: Object.fromEntries(characters.map((character, id) => [character, id])),
    },
  }),
})

/** The ids of each line. */
async function idsOf(lines: readonly string[]): Promise<number[][]> {
  const folder = join(temporaryFolder(), 'texts')
  mkdirSync(folder)
  const input = join(folder, 'texts.jsonl')
  writeFileSync(input, Uint8Array.from(bytesOf(lines.join('\n'))))
  const { stdout } = await attempt('tokenize', '--model', model, '--input', input)
  return stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as number[])
}

test('invalid UTF-8: U+FFFD for each longest part of a character, as lossy decoding in Rust and Python has it', async () => {
  const [stray, cut, long, surrogate, whole, end] = await idsOf([
    '"a\xffb"', // no byte of a character
    '"a\xf0\x9f\x98b"', // three of four bytes
    '"a\xc0\x80b"', // two bytes for one character that has one
    '"\xed\xa0\x80"', // half of a pair
    '"\xf0\x9f\x98\x80\xc3\xa9"',
    '"a\xe2"',
  ])
  assert.equal(
    [stray, cut, long],
    [
      [2, 1, 3],
      [2, 1, 3],
      [2, 1, 1, 3],
    ],
  )
  assert.equal(
    [surrogate, whole, end],
    [
      [1, 1, 1],
      [5, 4],
      [2, 1],
    ],
  )
})

test('halves of surrogate pairs in escapes are U+FFFD, pairs are characters', async () => {
  const ids = await idsOf(['"a\\ud800b"', '"\\udc00\\ud83d\\ude00"', '"\\ud83d\\ud83d\\ude00"'])
  assert.equal(ids, [
    [2, 1, 3],
    [1, 5],
    [1, 5],
  ])
})

test('a line that is no JSON string is refused with its number', async () => {
  const input = join(folderWith({ 'texts.jsonl': '"a"\n"b\\ud80"\n' }), 'texts.jsonl')
  const { stderr } = await attempt('tokenize', '--model', model, '--input', input)
  assert.match(stderr, /texts\.jsonl:2: expected a JSON string/)
})

test.run()
