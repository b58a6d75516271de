import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWordPieceTokenizer, type Tokenizer, type WordPieceOptions } from '../../src/text/tokenizer.js'

const specials = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']

const make = (tokens: readonly string[], options: Partial<WordPieceOptions> = {}) =>
  createWordPieceTokenizer({ vocabulary: [...specials, ...tokens], ...options })

/** The tokens of a text, without those around it. */
function tokensOf(tokenizer: Tokenizer, text: string): string[] {
  return [...tokenizer.encode([text], { addSpecialTokens: false }).ids].map(tokenizer.tokenOf)
}

test('the longest piece first, continuations without a match make the whole word unknown', async () => {
  const tokenizer = await make(['un', 'una', '##ff', '##a', '##aff', '##able', '##ble', 'able'])
  assert.equal(tokensOf(tokenizer, 'unaffable'), ['una', '##ff', '##able'])
  assert.equal(tokensOf(tokenizer, 'unable able'), ['una', '##ble', 'able'])
  assert.equal(tokensOf(tokenizer, 'unaffabl able'), ['[UNK]', 'able'])
  assert.equal(tokensOf(tokenizer, '##able'), ['[UNK]', '[UNK]', 'able'])
})

test('special tokens around each text, packed with offsets', async () => {
  const tokenizer = await make(['a', 'b'])
  const { ids, offsets, truncated } = tokenizer.encode(['a b', '', 'b'])
  assert.equal([...ids], [2, 5, 6, 3, 2, 3, 2, 6, 3])
  assert.equal([...offsets], [0, 4, 6, 9])
  assert.is(truncated, 0)
  assert.equal([...tokenizer.encode([]).offsets], [0])
  assert.equal(tokenizer.special, { cls: 2, sep: 3, pad: 0, unk: 1, mask: 4 })
  assert.is(tokenizer.vocabularySize, 7)
})

test('maxLength counts special tokens and cuts at the end', async () => {
  const tokenizer = await make(['a', '##a', 'b'])
  const { ids, offsets, truncated } = tokenizer.encode(['b b', 'b b b', 'aaaa', 'b'], { maxLength: 4 })
  assert.equal([...ids], [2, 7, 7, 3, 2, 7, 7, 3, 2, 5, 6, 3, 2, 7, 3])
  assert.equal([...offsets], [0, 4, 8, 12, 15])
  assert.is(truncated, 2)
  assert.equal([...tokenizer.encode(['b'], { maxLength: 2 }).ids], [2, 3])
  assert.equal([...tokenizer.encode(['b b'], { maxLength: 1, addSpecialTokens: false }).ids], [7])
  assert.throws(() => tokenizer.encode(['b'], { maxLength: 1 }), /maxLength is 1, but the special tokens alone are 2/)
  assert.throws(() => tokenizer.encode(['b'], { maxLength: 2.5 }), /maxLength is 2.5, expected an integer/)
})

test('control characters go, white space of any kind separates, punctuation stands alone', async () => {
  const tokenizer = await make(['ab', 'a', 'b', '-', '$', '—', '«', '±'])
  assert.equal(
    tokensOf(tokenizer, 'a\u0000b a\u00adb a\u200bb a\ufffdb a\u007fb a\u0085b a\u000bb'),
    Array(7).fill('ab'),
  )
  assert.equal(tokensOf(tokenizer, 'a\tb\r\nb\u00a0a\u3000b\u2028a'), ['a', 'b', 'b', 'a', 'b', 'a'])
  assert.equal(tokensOf(tokenizer, 'a-b$—«a'), ['a', '-', 'b', '$', '—', '«', 'a'])
  // A symbol that is no punctuation belongs to the word.
  assert.equal(tokensOf(tokenizer, '± a±'), ['±', '[UNK]'])
  const raw = await make(['ab', 'a', 'b'], { cleanText: false })
  assert.equal(tokensOf(raw, 'a\u0000b a\u000bb ab ab\u0000'), ['[UNK]', 'a', 'b', 'ab', '[UNK]'])
})

test('lower case and accents: single characters only, Hangul taken apart', async () => {
  const both = await make(['i', 'ı', 'σας', 'οδοσ', 'e', 'ß', '\u1112\u1161\u11ab', 'fi', 'ﬁ'])
  // İ becomes i and a dot, which goes; a final sigma is not made, and one that is there stays.
  assert.equal(tokensOf(both, 'İ I ı ΟΔΟΣ ΣΑς É e\u0301 ẞ 한 ﬁ'), [
    ...['i', 'i', 'ı', 'οδοσ', 'σας', 'e', 'e', 'ß', '\u1112\u1161\u11ab', 'ﬁ'],
  ])
  const lower = await make(['i\u0307', 'é', '한'], { stripAccents: false })
  assert.equal(tokensOf(lower, 'İ É 한'), ['i\u0307', 'é', '한'])
  const cased = await make(['É', 'é', 'A'], { lowerCase: false })
  assert.equal(tokensOf(cased, 'É é A a'), ['É', 'é', 'A', '[UNK]'])
  const stripped = await make(['E', 'e'], { lowerCase: false, stripAccents: true })
  assert.equal(tokensOf(stripped, 'É é'), ['E', 'e'])
})

test('what is left after marks are dropped stands in canonical order', async () => {
  // Musical marks of classes 216 and 226; U+0344 between them is two marks of class 230.
  const tokenizer = await make(['c\u{1d165}\u{1d16d}', 'c\u{1d16d}'])
  assert.equal(tokensOf(tokenizer, 'c\u{1d16d}\u0344\u{1d165}'), ['c\u{1d165}\u{1d16d}'])
  const kept = await make(['c\u{1d16d}\u{1d165}'], { stripAccents: false })
  assert.equal(tokensOf(kept, 'c\u{1d16d}\u{1d165}'), ['c\u{1d16d}\u{1d165}'])
})

test('Chinese characters are words of their own, unless that is switched off', async () => {
  const tokenizer = await make(['中', '文', 'x', 'の'])
  assert.equal(tokensOf(tokenizer, 'x中文x の\u{20000}'), ['x', '中', '文', 'x', 'の', '[UNK]'])
  const joined = await make(['中文', 'x'], { chineseCharacters: false })
  assert.equal(tokensOf(joined, '中文 x'), ['中文', 'x'])
})

test('lone surrogates are U+FFFD, which is dropped; pairs are characters', async () => {
  const tokenizer = await make(['ab', '😀'])
  assert.equal(tokensOf(tokenizer, 'a\ud800b \udc00 😀 \ud83d'), ['ab', '😀'])
})

test('words of more than 100 characters are unknown, whatever they are made of', async () => {
  const tokenizer = await make(['a', '##a', 'é', '##é'], { stripAccents: false })
  for (const character of ['a', 'é']) {
    assert.is(tokensOf(tokenizer, character.repeat(100)).length, 100)
    assert.equal(tokensOf(tokenizer, `${character.repeat(101)} a`), ['[UNK]', 'a'])
  }
  const short = await make(['a', '##a'], { maximumCharacters: 3 })
  assert.equal(tokensOf(short, 'aaa aaaa'), ['a', '##a', '##a', '[UNK]'])
})

test('words of 15 to 33 bytes, with and without accents, around the sizes that are handled apart', async () => {
  const tokenizer = await make(['a', '##a'])
  for (let length = 1; length <= 70; length++) {
    const word = 'a'.repeat(length)
    const text = `${word} ${word}. ${word.toUpperCase()} á${word.slice(1)} ${word.slice(1)}á`
    const expected = ['a', ...Array(length - 1).fill('##a')]
    const tokens = tokensOf(tokenizer, text)
    assert.equal(tokens, [...expected, ...expected, '[UNK]', ...expected, ...expected, ...expected])
    assert.equal(tokensOf(tokenizer, text), tokens, 'the second time, from the cache')
  }
})

test('a long word cannot be told from what the last one left behind', async () => {
  const tokenizer = await make(['äbcdefghijklmnopqrs', 'äbcdefghijklmnopqrst'], { stripAccents: false })
  const [short, long] = ['äbcdefghijklmnopqrs', 'äbcdefghijklmnopqrst']
  assert.equal(tokensOf(tokenizer, `${short} ${long} ${short} ${short}`), [short, long, short, short])
})

test('special tokens in a text are found as they are written, others are text', async () => {
  const tokenizer = await make(['mask', 'x', 'mas', '[', ']'])
  assert.equal(tokensOf(tokenizer, 'x[MASK]x[SEP][mask] [MAS'), [
    'x',
    '[MASK]',
    'x',
    '[SEP]',
    '[',
    'mask',
    ']',
    '[',
    'mas',
  ])
})

test('texts longer than a block: the same ids as in one piece, cut where the limit says', async () => {
  const tokenizer = await make(['word', 'é', '##x', '[', 'é##x'], { stripAccents: false })
  const count = 150_000
  const text = 'word éx [MASK]\n'.repeat(count)
  const { ids } = tokenizer.encode(['word', text, 'éx'])
  assert.is(ids.length, 3 + (4 * count + 2) + 4)
  const piece = [5, 6, 7, 4]
  assert.equal([...ids.subarray(0, 8)], [2, 5, 3, 2, ...piece])
  for (let i = 4; i < ids.length - 5; i++) if (ids[i] !== piece[(i - 4) % 4]) assert.unreachable(`id ${i} is ${ids[i]}`)
  assert.equal([...ids.subarray(-5)], [3, 2, 6, 7, 3])
  for (const maxLength of [10, 4 * count - 1, 4 * count + 1, 4 * count + 2, 4 * count + 3]) {
    const cut = tokenizer.encode([text, text], { maxLength })
    const length = Math.min(maxLength, 4 * count + 2)
    assert.equal([...cut.offsets], [0, length, 2 * length])
    assert.is(cut.truncated, length < 4 * count + 2 ? 2 : 0)
    assert.equal([cut.ids[0], cut.ids[length - 1], cut.ids[length]], [2, 3, 2])
  }
})

test('one line of 10 MB, and repeated characters without white space, are read in one go', async () => {
  const tokenizer = await make(['a', '!', '中', 'word'])
  assert.is(tokenizer.encode(['word '.repeat(2_000_000)]).ids.length, 2_000_002)
  assert.equal(tokensOf(tokenizer, 'a'.repeat(100_000)), ['[UNK]'])
  assert.equal(tokensOf(tokenizer, `${'a'.repeat(5_000_000)} word`), ['[UNK]', 'word'])
  assert.is(tokensOf(tokenizer, '!'.repeat(300_000)).length, 300_000)
  assert.is(tokensOf(tokenizer, '中'.repeat(300_000)).length, 300_000)
  assert.equal(tokensOf(tokenizer, `a${'\u0301'.repeat(1_000_000)}`), ['a'])
})

test('more short texts than a block holds', async () => {
  const tokenizer = await make(['a', 'b'])
  const texts = Array.from({ length: 20_000 }, (_, i) => (i % 3 ? 'a b' : 'b'))
  const { ids, offsets } = tokenizer.encode(texts)
  for (const [i, text] of texts.entries()) {
    const expected = text === 'b' ? '2,6,3' : '2,5,6,3'
    if (ids.subarray(offsets[i], offsets[i + 1]).join() !== expected) assert.unreachable(`text ${i}`)
  }
})

test('decode joins continuations and cleans up token by token', async () => {
  const tokenizer = await make(['don', "'", 't', 'play', '##ing', ',', 'now', '.'])
  const { ids } = tokenizer.encode(["Don't playing, now."], { addSpecialTokens: false })
  assert.is(tokenizer.decode(ids), "don ' t playing, now.")
  assert.is(tokenizer.decode([2, 8, 9, 999]), '[CLS] playing')
  assert.throws(() => tokenizer.tokenOf(999), /no token has the id 999/)
})

test.run()
