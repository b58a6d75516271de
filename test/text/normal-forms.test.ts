// Normalizers against what the Hugging Face tokenizers library (0.23) makes of the same texts, and of every code point.
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { normalizing } from '../support/normalizing.js'
import { jsonLines } from '../support/shared.js'

interface Fixture {
  readonly normalizer: { readonly type: string }
  /** Texts and what becomes of them. */
  readonly cases: readonly (readonly [string, string])[]
  /** Of the results of before + code point + behind, each with a line end. */
  readonly every: { readonly before: string; readonly behind: string; readonly sha256: string }
}

const fixtures = jsonLines<Fixture>(fileURLToPath(new URL('fixtures/normalizers.jsonl', import.meta.url)))

/** Every code point that is assigned, and more. */
function* codePoints(): Generator<string> {
  for (let code = 0; code < 0xe1000; code++) {
    if (code === 0x34000) code = 0xe0000
    if (code < 0xd800 || code > 0xdfff) yield String.fromCodePoint(code)
  }
}

for (const { normalizer, cases, every } of fixtures) {
  test(`${normalizer.type}: the reference's results, and those of every code point`, async () => {
    const normalize = await normalizing(normalizer)
    const results = normalize(cases.map(([text]) => text))
    for (const [i, [text, expected]] of cases.entries()) assert.is(results[i], expected, JSON.stringify(text))
    const hash = createHash('sha256')
    for (const result of normalize(Array.from(codePoints(), char => every.before + char + every.behind)))
      hash.update(`${result}\n`)
    assert.is(hash.digest('hex'), every.sha256)
  })
}

const at = (normalize: (texts: readonly string[]) => string[], text: string) => normalize([text])[0]

test('text in the middle of ASCII, around the 16 bytes that are looked at at once', async () => {
  const [nfc, nfd, nmt] = await Promise.all(['NFC', 'NFD', 'Nmt'].map(type => normalizing({ type })))
  for (let length = 0; length < 40; length++) {
    const [front, back] = ['x'.repeat(length), 'y'.repeat(40 - length)]
    assert.is(at(nfc!, `${front}e\u0301${back}`), `${front}é${back}`)
    assert.is(at(nfd!, `${front}é${back}`), `${front}e\u0301${back}`)
    assert.is(at(nmt!, `${front}\u0001\u007f\t${back}`), `${front} ${back}`)
  }
})

test('Hangul is put together and taken apart', async () => {
  const [nfc, nfd] = await Promise.all(['NFC', 'NFD'].map(type => normalizing({ type })))
  const parts = '\u1112\u1161\u11ab\u1100\u1173\u11af'
  assert.is(at(nfd!, '한글'), parts)
  assert.is(at(nfc!, parts), '한글')
  // A syllable takes one trailing consonant, and none if another character stands between.
  assert.is(at(nfc!, '\uac00\u11a8\u11a8 \uac00\u0301\u11a8'), '\uac01\u11a8 \uac00\u0301\u11a8')
})

test('100,000 marks on one letter are put in order in linear time', async () => {
  const [nfc, nfd] = await Promise.all(['NFC', 'NFD'].map(type => normalizing({ type })))
  const count = 50_000
  const text = `e${'\u0301\u0323'.repeat(count)}x`
  assert.is(at(nfd!, text), `e${'\u0323'.repeat(count)}${'\u0301'.repeat(count)}x`)
  assert.is(at(nfc!, text), `\u1eb9${'\u0323'.repeat(count - 1)}${'\u0301'.repeat(count)}x`)
  assert.is(at(nfc!, `${text}e\u0301`)?.slice(-2), 'xé')
})

test.run()
