// Every character through each kind of normalizer and pre-tokenizer, as Hugging Face's tokenizers library (0.23.3) has it:
// fixtures/characters.json is the output of bench/peers/characters.py. Where that library knows an older Unicode than
// the tables, they follow it: scripts/unicode-lists.mjs lists those characters.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type WordRules, wordsOfTexts } from '../../src/text/word-counts.js'

interface Pipeline extends WordRules {
  readonly normalizer: { readonly type: string } | null
  readonly pre_tokenizer: { readonly type: string }
  readonly hashes: readonly string[]
}

const { stretches, block, pipelines } = JSON.parse(
  readFileSync(new URL('fixtures/characters.json', import.meta.url), 'utf8'),
) as { stretches: [number, number][]; block: number; pipelines: Pipeline[] }

const codes = stretches.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => first + i))
const texts = codes.map(code => String.fromCodePoint(code)).map(character => `a${character}b ${character}${character}1`)
const hash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 12)

for (const { normalizer, pre_tokenizer, hashes } of pipelines)
  test(`${normalizer?.type ?? 'no normalizer'}, ${pre_tokenizer.type}: ${codes.length} characters`, async () => {
    const rows = await wordsOfTexts(texts, { normalizer, pre_tokenizer }, 'characters')
    const lines = rows.map(words => words.join('\x01'))
    assert.is(hashes.length, Math.ceil(lines.length / block))
    for (const [i, expected] of hashes.entries()) {
      const found = hash(lines.slice(i * block, (i + 1) * block).join('\x02'))
      assert.is(found, expected, `one of U+${codes[i * block]!.toString(16)} and the ${block - 1} behind it`)
    }
  })

test.run()
