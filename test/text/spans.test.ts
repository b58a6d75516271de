// Where tokens come from in their texts: equal to the Hugging Face tokenizers' offsets, which count code points; ours count UTF-16 units.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadTokenizer, type Tokenizer, tokenizerFromFiles } from '../../src/text/tokenizer.js'
import { jsonLines, needs } from '../support/shared.js'
import { addedToken, tokenizerOf, wordLevel } from '../support/tokenizers.js'

const fixture = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`fixtures/${name}.json`, import.meta.url), 'utf8')) as T

/** Ids; then begins and ends. */
type Numbers = [number[], number[]]

/** Code points before each UTF-16 unit, and before the end. */
function charactersBefore(text: string): number[] {
  const before: number[] = []
  for (let unit = 0, count = 0; unit <= text.length; unit++) {
    before.push(count)
    // Within a pair of surrogates nothing begins or ends.
    if (unit < text.length && text.codePointAt(unit)! > 0xffff) before.push(Number.NaN) && unit++
    count++
  }
  return before
}

type Spans = Awaited<ReturnType<Tokenizer['encodeWithSpans']>>

/** Of text number i; a pair has its places in one text or the other, by type or by the second special token. */
function numbersOf({ ids, offsets, spans }: Spans, i: number, textOf: (token: number) => string): Numbers {
  const [first, last] = [offsets[i]!, offsets[i + 1]!]
  const places = [...spans.subarray(2 * first, 2 * last)].map(
    (place, j) => charactersBefore(textOf(Math.floor(j / 2)))[place]!,
  )
  return [[...ids.subarray(first, last)], places]
}

/** For each token of a pair whether it is one of the second text's. */
async function isSecond(tokenizer: Tokenizer, first: string): Promise<(token: number) => boolean> {
  const alone = await tokenizer.encodeWithSpans([first])
  return token => token >= alone.ids.length
}

const { texts, pairs, cases } = fixture<{
  texts: string[]
  pairs: [string, string][]
  cases: { name: string; tokenizer: object }[]
}>('spans-cases')
const expected = fixture<{ cases: { name: string; texts: Numbers[]; pairs: Numbers[] }[] }>('spans-expected').cases

for (const [i, { name, tokenizer: json }] of cases.entries())
  test(`${name}: the reference's offsets, texts and pairs`, async () => {
    const tokenizer = await tokenizerOf(json)
    assert.is(expected[i]!.name, name)
    const spans = await tokenizer.encodeWithSpans(texts)
    for (const [j, text] of texts.entries())
      assert.equal(
        numbersOf(spans, j, () => text),
        expected[i]!.texts[j],
        JSON.stringify(text),
      )
    const found = await tokenizer.encodePairsWithSpans(
      pairs.map(([first]) => first),
      pairs.map(([, second]) => second),
    )
    for (const [j, [first, second]] of pairs.entries()) {
      const isOther = await isSecond(tokenizer, first)
      const numbers = numbersOf(found, j, token => (isOther(token) ? second : first))
      assert.equal(numbers, expected[i]!.pairs[j], JSON.stringify([first, second]))
    }
  })

const golden = fixture<{ folders: Record<string, string> }>('spans-golden').folders
for (const [name, digests] of Object.entries(golden)) {
  const folder = needs(`tokenizers/${name}`)
  ;(folder ? test : test.skip)(`${name}: the reference's offsets in every golden text`, async () => {
    const tokenizer = await loadTokenizer(folder!)
    const lines = jsonLines<{ text: string; pair?: string }>(`${folder}/golden.jsonl`)
    const wanted = digests.split(' ')
    assert.is(lines.length, wanted.length)
    for (const [i, { text, pair }] of lines.entries()) {
      const isOther = pair === undefined ? () => false : await isSecond(tokenizer, text)
      const spans =
        pair === undefined
          ? await tokenizer.encodeWithSpans([text])
          : await tokenizer.encodePairsWithSpans([text], [pair])
      const numbers = numbersOf(spans, 0, token => (isOther(token) ? pair! : text))
      const digest = createHash('sha256').update(JSON.stringify(numbers)).digest('hex').slice(0, 10)
      assert.is(digest, wanted[i], JSON.stringify({ text, pair, numbers }).slice(0, 2000))
    }
  })
}

test('cut to a length, with special tokens and without, as encode cuts', async () => {
  const tokenizer = await tokenizerOf(cases[0]!.tokenizer)
  for (const options of [{ maxLength: 4 }, { maxLength: 3, addSpecialTokens: false }]) {
    const [spans, plain] = [await tokenizer.encodeWithSpans(texts, options), tokenizer.encode(texts, options)]
    assert.equal([...spans.ids], [...plain.ids])
    assert.equal([...spans.offsets], [...plain.offsets])
    assert.is(spans.truncated, plain.truncated)
    assert.is(spans.spans.length, 2 * spans.ids.length)
  }
  const { ids, spans } = await tokenizer.encodePairsWithSpans(['the cat'], ['cat the'], { maxLength: 5 })
  assert.equal([...ids], [...tokenizer.encodePairs(['the cat'], ['cat the'], { maxLength: 5 }).ids])
  assert.equal([...spans], [0, 0, 0, 3, 0, 0, 0, 3, 0, 0])
})

test('UTF-16 units: characters beyond U+FFFF have two, a lone surrogate one', async () => {
  const tokenizer = await tokenizerOf({ pre_tokenizer: { type: 'WhitespaceSplit' }, model: wordLevel(['b', '😀']) })
  const text = 'a 😀 \ud800 b'
  const { spans } = await tokenizer.encodeWithSpans([text])
  const words = Array.from({ length: 4 }, (_, i) => text.slice(spans[2 * i], spans[2 * i + 1]))
  assert.equal(words, ['a', '😀', '\ud800', 'b'])
})

test('a long text takes as long as its parts', async () => {
  const added_tokens = [addedToken(3, 'x y', { lstrip: true, normalized: true })]
  const normalizer = { type: 'Sequence', normalizers: [{ type: 'NFKC' }, { type: 'Lowercase' }] }
  const model = {
    type: 'Unigram',
    unk_id: 0,
    vocab: [
      ['<unk>', 0],
      ['a', -1],
      ['aa', -1.5],
    ],
  }
  const tokenizer = await tokenizerOf({ added_tokens, normalizer, model })
  const text = 'y\u0301 x Aa ½ '.repeat(30_000)
  const { spans, ids } = await tokenizer.encodeWithSpans([text])
  assert.equal([...ids], [...tokenizer.encode([text]).ids])
  assert.is(spans.at(-1), text.length)
})

test('an unknown text is refused nowhere, and no text has no tokens', async () => {
  const bytes = new TextEncoder().encode(JSON.stringify({ model: wordLevel(['a']) }))
  const tokenizer = await tokenizerFromFiles({ 'tokenizer.json': bytes }, 'x')
  const { ids, spans } = await tokenizer.encodeWithSpans(['', '\u{10ffff}'])
  assert.equal([[...ids], [...spans]], [[0], [0, 2]])
})

test.run()
