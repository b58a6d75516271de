// Trained vocabularies against those of Hugging Face's tokenizers library, version 0.23.3: fixtures/training-expected.json is what
// bench/peers/tokenizers_train.py made of fixtures/training-cases.json. That library gives continuing characters ids in the order of a hash
// table, another one each time: each case takes the order that its expectation had.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readTexts } from '../../src/data/texts.js'
import { byteAlphabet } from '../../src/text/host.js'
import { tokenizerFromFiles } from '../../src/text/tokenizer.js'
import { trainTokenizer } from '../../src/text/trained-tokenizer.js'
import { trainVocabulary } from '../../src/text/training.js'
import { countWords } from '../../src/text/word-counts.js'
import { seededValues } from '../support/values.js'

interface Case {
  readonly name: string
  readonly kind: 'wordpiece' | 'bpe'
  readonly texts?: string[]
  readonly files?: string[]
  readonly special: string[]
  readonly size: number
  readonly min_frequency: number
  readonly limit_alphabet?: number
  readonly max_token_length?: number
  readonly prefix?: string
  readonly lower_case?: boolean
  readonly alphabet?: string
}

interface Expected {
  readonly tokens: number
  readonly tokens_sha256: string
  readonly merges_sha256?: string
  readonly continuing?: string[]
  readonly json?: Record<string, unknown>
}

const fixture = <T>(name: string): T[] =>
  JSON.parse(readFileSync(new URL(`fixtures/${name}.json`, import.meta.url), 'utf8')) as T[]
const cases = fixture<Case>('training-cases')
const expected = fixture<Expected>('training-expected')
const sha256 = (strings: readonly string[]) => createHash('sha256').update(strings.join('\n')).digest('hex')
const root = new URL('../../', import.meta.url).pathname

async function textsOf({ texts, files = [] }: Case): Promise<string[]> {
  const all = [...(texts ?? [])]
  for (const file of files) for await (const text of readTexts(root + file)) all.push(text)
  return all
}

const rulesOf = ({ kind, lower_case = true }: Case) =>
  kind === 'wordpiece'
    ? { normalizer: { type: 'BertNormalizer', lowercase: lower_case }, pre_tokenizer: { type: 'BertPreTokenizer' } }
    : { normalizer: null, pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false } }

async function trained(given: Case, continuingOrder?: readonly string[]) {
  const counts = await countWords(await textsOf(given), rulesOf(given), given.name)
  return trainVocabulary(counts, {
    size: given.size,
    minFrequency: given.min_frequency,
    special: given.special,
    initialAlphabet: [...(given.kind === 'bpe' ? byteAlphabet : []), ...(given.alphabet ?? '')],
    ...(given.limit_alphabet && { limitAlphabet: given.limit_alphabet }),
    ...(given.max_token_length && { maxTokenLength: given.max_token_length }),
    ...(given.kind === 'wordpiece' && { continuingPrefix: given.prefix ?? '##' }),
    ...(continuingOrder && { continuingOrder }),
  })
}

for (const [i, given] of cases.entries()) {
  const want = expected[i]!
  test(`${given.kind}, ${given.name}: the reference's tokens, ids and merges`, async () => {
    const { tokens, merges } = await trained(given, want.continuing)
    assert.is(tokens.length, want.tokens)
    assert.is(sha256(tokens), want.tokens_sha256)
    if (want.merges_sha256) assert.is(sha256(merges.map(pair => pair.join(' '))), want.merges_sha256)
  })
}

test('tokenizer.json says what the reference writes, and gives its ids', async () => {
  for (const [i, given] of cases.entries()) {
    const { json, continuing } = expected[i]!
    if (!json) continue
    const { tokenizer } = await trainTokenizer(await textsOf(given), {
      kind: given.kind,
      size: given.size,
      ...(continuing && { continuingOrder: continuing }),
    })
    const files = await tokenizer.files()
    assert.equal(Object.keys(files).sort().slice(0, 3), [
      'special_tokens_map.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ])
    const written = JSON.parse(new TextDecoder().decode(files['tokenizer.json'])) as Record<string, unknown>
    // The same parts: only what has no effect on ids may be told otherwise.
    for (const key of ['added_tokens', 'normalizer', 'pre_tokenizer', 'model', 'truncation', 'padding'])
      assert.equal(written[key], json[key], `${given.name}: ${key}`)
    const reference = await tokenizerFromFiles(
      { 'tokenizer.json': new TextEncoder().encode(JSON.stringify(json)) },
      'reference',
    )
    const again = await tokenizerFromFiles(files, 'written')
    for (const text of given.texts!) {
      const ids = reference.encode([text]).ids
      assert.equal(tokenizer.encode([text]).ids, ids)
      assert.equal(again.encode([text]).ids, ids)
    }
  }
})

const SAME_EVERYWHERE = 'de1fff2a'

test('the same texts give the same vocabulary, whatever their order and their portions', async () => {
  const given = cases.find(({ name, kind }) => name === 'primer' && kind === 'wordpiece')!
  const texts = await textsOf(given)
  const reversed = await trained({ ...given, files: [], texts: [...texts].reverse() })
  const whole = await trained(given)
  assert.equal(reversed.tokens, whole.tokens)
  assert.is(sha256(whole.tokens).slice(0, 8), SAME_EVERYWHERE)
})

test('words are counted alike in one go and in many, and where their table has to grow', async () => {
  const rules = rulesOf(cases[0]!)
  const { uniform } = seededValues(3)
  // More different words than the first table holds, in texts of several portions.
  const texts = Array.from({ length: 30 }, () => Array.from(uniform(6000, 0, 1e6), x => Math.floor(x)).join(' '))
  const counts = await countWords(texts, rules, 'grown')
  const plain = new Map<string, number>()
  for (const text of texts)
    for (const [j, word] of text.split(' ').entries()) {
      const key = j ? `\u0120${word}` : word
      plain.set(key, (plain.get(key) ?? 0) + 1)
    }
  assert.ok(plain.size > 1 << 16)
  assert.equal([...counts].sort(), [...plain].sort())
})

/** Merging by its definition: all pairs counted anew before every merge. */
function naive(counts: ReadonlyMap<string, number>, size: number): string[] {
  const tokens = [...new Set([...counts.keys()].flatMap(word => [...word]))].sort()
  let rows = [...counts].map(([word, count]) => ({ count, row: [...word].map(each => tokens.indexOf(each)) }))
  while (tokens.length < size) {
    const pairs = new Map<string, number>()
    for (const { row, count } of rows)
      for (let i = 1; i < row.length; i++) {
        const key = `${row[i - 1]} ${row[i]}`
        pairs.set(key, (pairs.get(key) ?? 0) + count)
      }
    const order = (key: string) => key.split(' ').map(Number) as [number, number]
    const [best] = [...pairs].sort(([a, n], [b, m]) => m - n || order(a)[0] - order(b)[0] || order(a)[1] - order(b)[1])
    if (!best || best[1] < 2) break
    const [left, right] = order(best[0])
    const token = tokens[left]! + tokens[right]!
    if (!tokens.includes(token)) tokens.push(token)
    const id = tokens.indexOf(token)
    rows = rows.map(({ row, count }) => {
      const next: number[] = []
      for (let i = 0; i < row.length; i++) {
        const meets = row[i] === left && row[i + 1] === right
        next.push(meets ? id : row[i]!)
        if (meets) i++
      }
      return { row: next, count }
    })
  }
  return tokens
}

test('merging by changed pairs gives what counting anew gives', async () => {
  const { uniform } = seededValues(8)
  for (const letters of [2, 3, 6]) {
    const counts = new Map<string, number>()
    for (let i = 0; i < 60; i++) {
      const word = Array.from(uniform(2 + (i % 9), 0, letters), x => 'abcdef'[Math.floor(x)]).join('')
      counts.set(word, (counts.get(word) ?? 0) + 1 + (i % 4))
    }
    const { tokens } = await trainVocabulary(counts, { size: 80 })
    assert.equal(tokens, naive(counts, 80), `${letters} letters`)
  }
})

const failure = async (run: Promise<unknown>): Promise<string> => {
  try {
    await run
  } catch (error) {
    return (error as Error).message
  }
  throw new Error('expected an error, but nothing was thrown')
}

test('a size without room for the alphabet, and numbers that are none, are refused', async () => {
  const counts = new Map([['abc', 2]])
  assert.match(
    await failure(trainVocabulary(counts, { size: 4, special: ['[UNK]', '[PAD]'] })),
    /a vocabulary of 4 tokens cannot hold the 2 special tokens and the characters of the texts, 5 in all; ask for 5 or more/,
  )
  for (const wrong of [{ size: 0 }, { size: 9.5 }, { size: 9, minFrequency: -1 }, { size: 9, maxTokenLength: 0 }])
    assert.match(await failure(trainVocabulary(counts, wrong)), /must be an integer of \d or more, found/)
  assert.equal((await trainVocabulary(new Map(), { size: 3 })).tokens, [])
})

test.run()
