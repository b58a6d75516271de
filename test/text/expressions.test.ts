// Regular expressions of Split. The words of each case are those of the Hugging Face tokenizers 0.23.3.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compileExpression } from '../../src/text/expressions/compile.js'
import { complementOf, intersectionOf, property, unionOf } from '../../src/text/expressions/sets.js'
import { tokenizerOf, wordLevel } from '../support/tokenizers.js'

const split = (Regex: string, behavior: string, invert: boolean) => ({
  ...{ type: 'Split', pattern: { Regex }, behavior, invert },
})

/** Expression, behavior, inverted, text, words. */
const cases: readonly (readonly [string, string, boolean, string, readonly string[]])[] = [
  [
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    'Isolated',
    false,
    "HelloWORLD it'S 12345//\n  n\u00e9 \t\u4e2d\u6587\ufb01 \ud835\udc9cb \u01c5x",
    [
      'Hello',
      'WORLD',
      " it'S",
      ' ',
      '123',
      '45',
      '//\n',
      ' ',
      ' n\u00e9',
      ' ',
      '\t\u4e2d\u6587\ufb01',
      ' \ud835\udc9cb',
      ' \u01c5x',
    ],
  ],
  [
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s",
    'Isolated',
    false,
    "we'LL '\u017fee 1234567  \nx  y   ",
    ['we', "'LL", " '", '\u017fee', ' ', '1234567', '  \n', 'x', ' ', ' y', '   '],
  ],
  [
    ' ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+',
    'Isolated',
    false,
    'one, two(three|four)  five\u2026',
    ['one', ',', ' two', '(', 'three', '|', 'four', ') ', ' five', '\u2026'],
  ],
  [
    '[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+',
    'Isolated',
    false,
    'abc\u6f22\u5b57\u304b\u306a\u30ab\u30ca def',
    ['abc', '\u6f22\u5b57\u304b\u306a\u30ab\u30ca', ' def'],
  ],
  ['\\s?\\p{P}+', 'Isolated', false, 'a \u00abb\u00bb , c_d', ['a', ' \u00ab', 'b', '\u00bb', ' ,', ' c', '_', 'd']],
  ['[^\\W]+|[\\W]', 'Isolated', false, 'x\u00b2 y_1', ['x', '\u00b2', ' ', 'y_1']],
  ['\\w+', 'Isolated', false, 'x\u00b2 y_1 \u2167\u24d0', ['x\u00b2', ' ', 'y_1', ' ', '\u2167\u24d0']],
  ['\\d{2,3}?', 'Isolated', false, '12345', ['12', '34', '5']],
  ['\\d{2}?x', 'Isolated', false, '12x3x x', ['12x', '3', 'x', ' ', 'x']],
  ['(?:ab|a)(?:bc)?+c', 'Isolated', false, 'abc abbcc ac', ['abc', ' ', 'abbcc', ' ', 'ac']],
  ['(?>a|ab)c|b', 'Isolated', false, 'abc ac', ['a', 'b', 'c ', 'ac']],
  ['(?<=\\d)x|(?<!\\d)y', 'Isolated', false, '1xx y1y', ['1', 'x', 'x ', 'y', '1y']],
  ['a(?=b)|b(?!a)', 'Removed', false, 'abba', ['ba']],
  ['^a|b$|\\Ac|d\\z|e\\Z', 'Isolated', false, 'a\na b\nb c ed\n', ['a', '\n', 'a', ' ', 'b', '\nb c ed\n']],
  ['(?i:K)[^k]', 'Isolated', false, 'kKkx\u212ay', ['kK', 'kx', '\u212ay']],
  ['a.c|(?m:a.d)', 'Isolated', false, 'a\nc a\nd abc', ['a\nc ', 'a\nd', ' ', 'abc']],
  ['[a-z&&[^aeiou]]+', 'Contiguous', false, 'hello world', ['h', 'e', 'll', 'o ', 'w', 'o', 'rld']],
  ['[aeiou]', 'MergedWithPrevious', false, 'a hello aa', ['a', ' he', 'llo', ' a', 'a']],
  ['[aeiou]', 'MergedWithNext', true, 'a hello aa', ['a', ' he', 'llo', ' a', 'a']],
  ['[aeiou]', 'Contiguous', true, 'a hello aa', ['a', ' h', 'e', 'll', 'o', ' ', 'aa']],
  ['\\x41|\\u00e9|\\x{1F600}|\\t', 'Removed', false, 'xAy\u00e9z\ud83d\ude00w\tv', ['x', 'y', 'z', 'w', 'v']],
  ['(a|b(?:c|d)*)+e', 'Isolated', false, 'abcdcae abx bcdde', ['abcdcae', ' abx ', 'bcdde']],
  ['(?:a+?b){2,3}', 'Isolated', false, 'ababaabab ab', ['ababaab', 'ab ab']],
  ['[\\]\\-a][x-]', 'Isolated', false, ']x -- ax', [']x', ' ', '--', ' ', 'ax']],
  ['\\p{^L}\\P{N}', 'Isolated', false, '1a 2b3', ['1a', ' ', '2b', '3']],
  ['a(?i)b|c', 'Isolated', false, 'aB C abc aC', ['aB', ' C ', 'ab', 'c ', 'aC']],
  ['x{,2}y|{', 'Isolated', false, 'xxxy{y', ['x', 'xxy', '{', 'y']],
  ['\\h+', 'Isolated', false, 'xyzDEADbeef09g', ['xyz', 'DEADbeef09', 'g']],
]

test('words, and where they stand', async () => {
  for (const [expression, behavior, invert, text, words] of cases) {
    const what = `${expression} of ${JSON.stringify(text)}`
    const tokenizer = await tokenizerOf({
      pre_tokenizer: split(expression, behavior, invert),
      model: wordLevel(words),
    })
    const { ids, spans } = await tokenizer.encodeWithSpans([text])
    assert.equal([...ids].map(tokenizer.tokenOf), words, what)
    assert.equal(
      words.map((_, i) => text.slice(spans[2 * i], spans[2 * i + 1])),
      words,
      what,
    )
  }
})

test('one expression behind another, threads too', async () => {
  const pre_tokenizer = {
    type: 'Sequence',
    pretokenizers: [split('\\p{N}{1,3}', 'Isolated', false), split('[aeiou]', 'MergedWithPrevious', false)],
  }
  const words = ['he', 'llo', ' wo', 'rld ', '123', '45', ' a', 'b']
  const tokenizer = await tokenizerOf({ pre_tokenizer, model: wordLevel(words) })
  const texts = new Array(50_000).fill('hello world 12345 ab')
  const one = tokenizer.encode(texts)
  assert.equal([...one.ids.subarray(0, words.length)].map(tokenizer.tokenOf), words)
  await tokenizer.setThreads(2)
  const two = tokenizer.encode(texts)
  await tokenizer.setThreads(1)
  assert.is(Buffer.compare(Buffer.from(two.ids.slice().buffer), Buffer.from(one.ids.slice().buffer)), 0)
})

test('many characters of one kind: all of them, and the stack grows', async () => {
  const count = 200_000
  const texts = ['a', ' ', 'ab', '\ud83d\ude00'].map(text => text.repeat(count))
  for (const expression of ['\\s+(?!\\S)|\\s+|[^\\s]+', '(?:ab)+|(?:a|\\p{So}| )+']) {
    const tokenizer = await tokenizerOf({
      pre_tokenizer: split(expression, 'Isolated', false),
      model: wordLevel(['ab']),
    })
    const { offsets } = tokenizer.encode(texts)
    assert.equal([...offsets], [0, 1, 2, 3, 4], expression)
  }
})

const refused: readonly (readonly [string, RegExp])[] = [
  ['\\bx', /has \\b, which is not supported/],
  ['(x)\\1', /has \\1, which/],
  ['x*', /may match nothing at all, which/],
  ['(?:x*)*y', /repeats what may be nothing at all, which/],
  ['(?<=xy)z', /looks behind for more than one character, which/],
  ['[[:alpha:]]', /has \[:alpha/],
  ['\\p{Latin}', /has \\p\{Latin\}, which/],
  ['(?s:x)', /has \(\?s, which/],
  ['(?i:ss)x', /has ss behind \(\?i\), which/],
  ['(?i:\u00e9)', /has characters behind \(\?i\) beyond ASCII, which/],
  ['(x', /has a \( without its \)/],
  ['x)', /has a \) without its \(/],
  ['[x', /ends too soon/],
  ['+x', /has \+ behind nothing/],
  ['x{2000}', /has \{2000\}/],
  ['[z-a]', /has a class with a range that is none/],
]

test('what is not supported is named', async () => {
  for (const [expression, message] of refused) {
    assert.throws(() => compileExpression(expression), message, expression)
    await tokenizerOf({ pre_tokenizer: split(expression, 'Isolated', false), model: wordLevel([]) }).then(
      () => assert.unreachable(expression),
      (error: Error) => {
        assert.match(error.message, message)
        assert.ok(error.message.includes(`has the expression ${JSON.stringify(expression)}`), error.message)
      },
    )
  }
})

test('sets: what is in one or the other, in both, in none', () => {
  const [a, b] = [
    [1, 3, 10, 20],
    [2, 11, 30, 30],
  ]
  assert.equal(unionOf([a!, b!]), [1, 20, 30, 30])
  assert.equal(intersectionOf([a!, b!]), [2, 3, 10, 11])
  assert.equal(complementOf([0, 5, 7, 0x10ffff]), [6, 6])
  assert.equal(complementOf(complementOf(a!)), a)
  const letters = ['Lu', 'Ll', 'Lt', 'Lm', 'Lo'].map(name => property(name)!)
  assert.equal(property('L'), unionOf(letters))
  assert.is(property('Lx'), undefined)
})

test.run()
