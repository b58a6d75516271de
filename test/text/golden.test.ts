// Equality with the Hugging Face tokenizers library, text by text.
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadTokenizer, tokenizerFromFiles } from '../../src/text/tokenizer.js'
import { jsonLines, needs } from '../support/shared.js'

interface Golden {
  readonly text: string
  readonly pair?: string
  readonly ids: number[]
  readonly type_ids?: number[]
  readonly ids_no_special?: number[]
  readonly decoded?: string
}

const names = [
  'bert-base-uncased',
  'bert-base-cased',
  'gpt2',
  'roberta-base',
  'qwen2',
  'cl100k',
  'phi-3-mini',
  't5-small',
]

for (const name of names) {
  const folder = needs(`tokenizers/${name}`)
  ;(folder ? test : test.skip)(`${name}: every reference encoding, one by one and all at once`, async () => {
    const tokenizer = await loadTokenizer(folder!)
    const lines = jsonLines<Golden>(`${folder}/golden.jsonl`)
    const singles = lines.filter(line => line.pair === undefined)
    const pairs = lines.filter(line => line.pair !== undefined)
    assert.is(singles.length, 274)
    assert.is(pairs.length, name === 'qwen2' || name === 'cl100k' ? 0 : 3)
    const all = tokenizer.encode(singles.map(line => line.text))
    assert.equal(
      [...all.ids],
      singles.flatMap(line => line.ids),
    )
    for (const [i, line] of singles.entries()) {
      assert.equal([...all.ids.subarray(all.offsets[i], all.offsets[i + 1])], line.ids, line.text)
      assert.equal([...tokenizer.encode([line.text], { addSpecialTokens: false }).ids], line.ids_no_special, line.text)
      assert.is(tokenizer.decode(line.ids_no_special!), line.decoded)
    }
    const packed = tokenizer.encodePairs(
      pairs.map(line => line.text),
      pairs.map(line => line.pair!),
    )
    assert.equal(
      [...packed.ids],
      pairs.flatMap(line => line.ids),
    )
    assert.equal(
      [...packed.typeIds],
      pairs.flatMap(line => line.type_ids!),
    )
    assert.equal(
      [...packed.offsets],
      [0, ...pairs.map((_, i) => pairs.slice(0, i + 1).flatMap(line => line.ids).length)],
    )
  })
}

const model = needs('models/all-MiniLM-L6-v2')
const oracle = needs('oracles/minilm')
;(model && oracle ? test : test.skip)('all-MiniLM-L6-v2: ids cut to 256', async () => {
  const tokenizer = await loadTokenizer(model!)
  const lines = jsonLines<Golden>(`${oracle}/texts.jsonl`)
  const { ids, offsets, truncated } = tokenizer.encode(
    lines.map(line => line.text),
    { maxLength: 256 },
  )
  for (const [i, line] of lines.entries())
    assert.equal([...ids.subarray(offsets[i], offsets[i + 1])], line.ids, line.text)
  const whole = tokenizer.encode(lines.map(line => line.text))
  const lengths = lines.map((_, i) => whole.offsets[i + 1]! - whole.offsets[i]!)
  assert.ok(lengths.includes(256), 'one text just fits')
  assert.ok(lengths.includes(257), 'one is a token too long')
  assert.is(truncated, lengths.filter(length => length > 256).length)
})

const uncased = needs('tokenizers/bert-base-uncased')
const cased = needs('tokenizers/bert-base-cased')
;(uncased && cased ? test : test.skip)('generated files load as the tokenizer they were made from', async () => {
  const tokenizer = await loadTokenizer(cased!)
  const { 'tokenizer.json': json } = await tokenizer.files()
  const again = await tokenizerFromFiles({ 'tokenizer.json': json! }, 'generated')
  const lines = jsonLines<Golden>(`${cased}/golden.jsonl`).filter(line => line.pair === undefined)
  assert.equal(
    [...again.encode(lines.map(line => line.text)).ids],
    lines.flatMap(line => line.ids),
  )
  assert.equal(again.special, tokenizer.special)
  assert.is((await loadTokenizer(uncased!)).vocabularySize, 30522)
})

const roberta = needs('tokenizers/roberta-base')
;(roberta ? test : test.skip)('roberta-base from vocab.json and merges.txt', async () => {
  const files = ['vocab.json', 'merges.txt', 'tokenizer_config.json'].map(
    name => [name, readFileSync(`${roberta}/${name}`)] as const,
  )
  const tokenizer = await tokenizerFromFiles(Object.fromEntries(files), roberta!)
  const lines = jsonLines<Golden>(`${roberta}/golden.jsonl`).filter(line => line.pair === undefined)
  const { ids } = tokenizer.encode(lines.map(line => line.text))
  assert.equal(
    [...ids],
    lines.flatMap(line => line.ids),
  )
})

test.run()
