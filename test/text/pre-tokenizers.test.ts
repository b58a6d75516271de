// Where texts are cut: the model behind knows the expected words and no others.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { addedToken, piecesOf, tokenizerOf, wordLevel } from '../support/tokenizers.js'

async function wordsOf(pre_tokenizer: object | null, text: string, words: readonly string[]): Promise<void> {
  const tokenizer = await tokenizerOf({ pre_tokenizer, model: wordLevel(words) })
  assert.equal(piecesOf(tokenizer, text), words, `${JSON.stringify(pre_tokenizer)} of ${JSON.stringify(text)}`)
}

test('white space, punctuation, digits', async () => {
  const text = 'Wie geht’s,  x_1 ½²?\u3000«né\u0301»'
  await wordsOf(null, text, [text])
  await wordsOf({ type: 'WhitespaceSplit' }, text, ['Wie', 'geht’s,', 'x_1', '½²?', '«né\u0301»'])
  const words = ['Wie', 'geht', '’', 's', ',', 'x_1', '½²?', '«', 'né\u0301', '»']
  await wordsOf({ type: 'Whitespace' }, text, words)
  const bert = ['Wie', 'geht', '’', 's', ',', 'x', '_', '1', '½²', '?', '«', 'né\u0301', '»']
  await wordsOf({ type: 'BertPreTokenizer' }, text, bert)
  await wordsOf({ type: 'Punctuation' }, 'a, b.', ['a', ',', ' b', '.'])
  await wordsOf({ type: 'Digits', individual_digits: true }, 'a12½', ['a', '1', '2', '½'])
  await wordsOf({ type: 'Digits', individual_digits: false }, 'a12½ 3', ['a', '12½', ' ', '3'])
  await wordsOf({ type: 'CharDelimiterSplit', delimiter: '-' }, '-a--b-', ['a', 'b'])
})

test('what becomes of delimiters', async () => {
  const split = (behavior: string, invert = false) => ({
    ...{ type: 'Split', pattern: { String: '--' }, behavior, invert },
  })
  const text = '--a----b--'
  await wordsOf(split('Removed'), text, ['a', 'b'])
  await wordsOf(split('Isolated'), text, ['--', 'a', '--', '--', 'b', '--'])
  await wordsOf(split('MergedWithPrevious'), text, ['--', 'a--', '--', 'b--'])
  await wordsOf(split('MergedWithNext'), text, ['--a', '--', '--b', '--'])
  await wordsOf(split('Contiguous'), text, ['--', 'a', '----', 'b', '--'])
  await wordsOf(split('Removed', true), text, ['--', '--', '--', '--'])
  await wordsOf(split('MergedWithNext', true), text, ['--', 'a--', '--', 'b--'])
  await wordsOf(split('Removed'), '---', ['-'])
})

const gpt2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
const cl100k = (numbers: string) =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${numbers}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`

/** An expression as this language has it: parts that ignore case spelled out, and white space as Unicode has it. */
const inJavaScript = (expression: string) =>
  new RegExp(
    expression
      .replace('(?i:', '(?:')
      .replace(/'[a-z]+/g, part =>
        expression.startsWith('(?i')
          ? part.replace(/[a-z]/g, c => `[${c}${c.toUpperCase()}${c === 's' ? 'ſ' : ''}]`)
          : part,
      )
      .replaceAll('\\s*', '\\p{White_Space}*')
      .replaceAll('\\s+', '\\p{White_Space}+')
      .replaceAll('(?!\\S)', '(?!\\P{White_Space})')
      .replaceAll('^\\s', '^\\p{White_Space}'),
    'gu',
  )

const characters = [
  ...` \n\r\t\u0085\u00a0\u3000\ufeff'sStTrReEvVmMlLdDſaé中ひ1٣½Ⅷ²!.$_-’«😀e\u0301\u0000`,
  ' ',
  ' ',
  'x',
  '  ',
  "'s",
]

test('the expressions of byte-level tokenizers, against RegExp', async () => {
  let state = 5
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const texts = Array.from({ length: 3000 }, () =>
    Array.from({ length: random(16) }, () => characters[random(characters.length)]).join(''),
  )
  texts.push(
    ...[1, 15, 16, 17, 31, 33, 70].flatMap(n => ['a', 'é', '中', '1', '!', ' ', '\n'].map(c => ` ${c.repeat(n)}'s`)),
  )
  for (const expression of [gpt2, cl100k('\\p{N}{1,3}'), cl100k('\\p{N}')]) {
    const expected = texts.map(text => text.match(inJavaScript(expression)) ?? [])
    const pre_tokenizer = { type: 'Split', pattern: { Regex: expression }, behavior: 'Isolated', invert: false }
    const tokenizer = await tokenizerOf({ pre_tokenizer, model: wordLevel(expected.flat()) })
    const { ids, offsets } = tokenizer.encode(texts)
    for (const [i, text] of texts.entries())
      assert.equal(
        [...ids.subarray(offsets[i], offsets[i + 1])].map(tokenizer.tokenOf),
        expected[i],
        `${expression.slice(0, 4)} of ${JSON.stringify(text)}`,
      )
  }
})

test('Metaspace: before the text, before every piece, or nowhere', async () => {
  const metaspace = (prepend_scheme: string, split = true) => ({
    ...{ type: 'Metaspace', replacement: '▁', prepend_scheme, split },
  })
  await wordsOf(metaspace('always'), 'a b▁c  d ', ['▁a', '▁b', '▁c', '▁', '▁d', '▁'])
  await wordsOf(metaspace('never'), 'a b', ['a', '▁b'])
  await wordsOf(metaspace('always', false), 'a b', ['▁a▁b'])
  await wordsOf(metaspace('always'), ' a', ['▁a'])
  await wordsOf({ type: 'Metaspace', replacement: '▁', add_prefix_space: true }, 'a', ['▁a'])
  await wordsOf({ type: 'Metaspace', replacement: '▁', add_prefix_space: false }, 'a', ['a'])
  const added_tokens = [addedToken(9, '<x>')]
  const model = wordLevel(['▁a', 'a', '▁b'])
  for (const [scheme, expected] of [
    ['always', ['▁a', '<x>', '▁a', '▁b']],
    ['first', ['▁a', '<x>', 'a', '▁b']],
  ] as const) {
    const tokenizer = await tokenizerOf({ added_tokens, pre_tokenizer: metaspace(scheme), model })
    assert.equal(piecesOf(tokenizer, 'a<x>a b'), expected)
    assert.equal(tokenizer.encode(['a', 'a']).ids.length, 2)
  }
})

test('one behind the other', async () => {
  const sequence = (...pretokenizers: object[]) => ({ type: 'Sequence', pretokenizers })
  const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' }
  const first = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first' }
  await wordsOf(sequence({ type: 'WhitespaceSplit' }, metaspace), ' a  b▁', ['▁a', '▁b', '▁'])
  await wordsOf(sequence({ type: 'WhitespaceSplit' }, first), 'a b', ['▁a', 'b'])
  await wordsOf(sequence({ type: 'WhitespaceSplit' }, first), ' a b', ['a', 'b'])
  await wordsOf(sequence({ type: 'Digits', individual_digits: true }, { type: 'Whitespace' }), 'a1 b', ['a', '1', 'b'])
  await wordsOf(sequence(), 'a b', ['a b'])
})

test('▁ before the first word only: not where the text begins with what stands for several characters', async () => {
  const tokenizer = await tokenizerOf({
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Replace', pattern: { String: 'th' }, content: 'xyz' },
        { type: 'Replace', pattern: { String: 'q' }, content: 'k' },
      ],
    },
    pre_tokenizer: { type: 'Metaspace', replacement: '\u2581', prepend_scheme: 'first', split: true },
    model: wordLevel(['xyze', '\u2581xyze', '\u2581ab', 'ab', '\u2581kab']),
  })
  assert.equal(piecesOf(tokenizer, 'the the'), ['xyze', '\u2581xyze'])
  assert.equal(piecesOf(tokenizer, 'ab the'), ['\u2581ab', '\u2581xyze'])
  assert.equal(piecesOf(tokenizer, 'qab'), ['\u2581kab'])
})

test.run()
