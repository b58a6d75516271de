// Merging, unknown characters, byte fallback; against a merging that is done by the book.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { failure } from '../support/temporary.js'
import { bpe, piecesOf, tokenizerOf } from '../support/tokenizers.js'

const byteLevel = { type: 'ByteLevel', add_prefix_space: false, use_regex: false }
const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'never', split: false }

/** The pair of the lowest rank, the leftmost of several, again and again. */
function mergeByTheBook(word: string, merges: readonly (readonly [string, string])[]): string[] {
  const ranks = new Map(merges.map(([left, right], rank) => [`${left} ${right}`, rank]))
  const pieces = [...word]
  for (;;) {
    let best = -1
    let lowest = Number.POSITIVE_INFINITY
    for (let i = 0; i + 1 < pieces.length; i++) {
      const rank = ranks.get(`${pieces[i]} ${pieces[i + 1]}`) ?? Number.POSITIVE_INFINITY
      if (rank < lowest) [best, lowest] = [i, rank]
    }
    if (best < 0) return pieces
    pieces.splice(best, 2, pieces[best]! + pieces[best + 1]!)
  }
}

function randomNumbers(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

function randomMerges(letters: string, count: number, random: (below: number) => number): [string, string][] {
  const tokens = [...letters]
  const merges = new Map<string, [string, string]>()
  while (merges.size < count) {
    const pair: [string, string] = [tokens[random(tokens.length)]!, tokens[random(tokens.length)]!]
    if (pair.join('').length > 9 || merges.has(pair.join(' '))) continue
    merges.set(pair.join(' '), pair)
    if (!tokens.includes(pair.join(''))) tokens.push(pair.join(''))
  }
  return [...merges.values()]
}

test('random words of 1 to 400 bytes are merged by the book, the second time too', async () => {
  const random = randomNumbers(7)
  for (const letters of ['ab', 'abcd', 'aéß漢']) {
    const merges = randomMerges(letters, 60, random)
    for (const pre_tokenizer of [byteLevel, null]) {
      if (pre_tokenizer && letters !== 'abcd' && letters !== 'ab') continue
      const tokenizer = await tokenizerOf({ pre_tokenizer, model: bpe(letters, merges) })
      for (let i = 0; i < 150; i++) {
        const length = i < 100 ? 1 + random(40) : 1 + random(400)
        const word = Array.from({ length }, () => [...letters][random([...letters].length)]).join('')
        const expected = mergeByTheBook(word, merges)
        assert.equal(piecesOf(tokenizer, word), expected, word)
        assert.equal(piecesOf(tokenizer, word), expected, `${word}, from the cache`)
      }
    }
  }
})

test('of equal pairs the last rank counts', async () => {
  const merges = [
    ['a', 'b'],
    ['b', 'c'],
    ['a', 'b'],
  ] as const
  assert.equal(piecesOf(await tokenizerOf({ model: bpe('abc', merges) }), 'abc'), ['a', 'bc'])
})

test('a word of 100,000 letters, which makes the memory grow in the first of many texts', async () => {
  const merges = [
    ['a', 'a'],
    ['aa', 'aa'],
    ['aaaa', 'a'],
  ] as const
  const tokenizer = await tokenizerOf({ pre_tokenizer: byteLevel, model: bpe('ab', merges) })
  const { ids, offsets } = tokenizer.encode([...Array(20).fill('a'.repeat(5000)), 'ab', 'a'.repeat(100_003)])
  assert.is(offsets[1], 1250)
  assert.equal([...ids.subarray(offsets[20]!, offsets[21]!)].map(tokenizer.tokenOf), ['a', 'b'])
  assert.is(offsets[22]! - offsets[21]!, 25_002)
  assert.equal([...ids.slice(-3)].map(tokenizer.tokenOf), ['aaaa', 'aa', 'a'])
})

test('unknown characters: left out, one each, one for all', async () => {
  const merges = [['a', 'b']] as const
  const without = await tokenizerOf({ model: bpe('ab', merges) })
  assert.equal(piecesOf(without, 'axb xx'), ['ab'], 'what is left stands side by side')
  const each = await tokenizerOf({ model: bpe('ab', merges, { unk_token: '<unk>' }) })
  assert.equal(piecesOf(each, 'axyb\ud800'), ['a', '<unk>', '<unk>', 'b', '<unk>'])
  const fused = await tokenizerOf({ model: bpe('ab', merges, { unk_token: '<unk>', fuse_unk: true }) })
  assert.equal(piecesOf(fused, 'axyb x y'), ['a', '<unk>', 'b', '<unk>'])
})

test('byte fallback, whole or not at all', async () => {
  const pieces = ['<0xC3>', '<0xA9>', '<0xE6>']
  const vocab = Object.fromEntries(['<unk>', '▁', 'a', ...pieces].map((token, id) => [token, id]))
  const model = { type: 'BPE', unk_token: '<unk>', byte_fallback: true, vocab, merges: [] }
  const tokenizer = await tokenizerOf({ pre_tokenizer: metaspace, model })
  assert.equal(piecesOf(tokenizer, 'é a漢'), ['<0xC3>', '<0xA9>', '▁', 'a', '<unk>'])
  assert.equal(piecesOf(tokenizer, ' ▁\u0000'), ['▁', '▁', '<unk>'])
})

test('ignore_merges: a word that is a token stays whole', async () => {
  const model = bpe('abc', [['a', 'b']], { ignore_merges: true })
  Object.assign((model as { vocab: object }).vocab, { abcabc: 9 })
  const tokenizer = await tokenizerOf({ pre_tokenizer: byteLevel, model })
  assert.equal(piecesOf(tokenizer, 'abcabc'), ['abcabc'])
  assert.equal(piecesOf(tokenizer, 'abcabca'), ['ab', 'c', 'ab', 'c', 'a'])
})

test('a text without a pre-tokenizer is one word, wherever it is cut for speed', async () => {
  const random = randomNumbers(3)
  const merges = randomMerges('ab▁', 40, random)
  const inside = merges.some(pair => /[^▁]▁/.test(pair.join('')))
  assert.ok(inside, 'some tokens have a space inside')
  const apart = merges.filter(pair => !/[^▁]▁/.test(pair.join('')))
  for (const some of [merges, apart]) {
    const tokenizer = await tokenizerOf({ pre_tokenizer: metaspace, model: bpe('ab▁', some, { unk_token: '<unk>' }) })
    for (let i = 0; i < 100; i++) {
      const text = Array.from({ length: 1 + random(60) }, () => 'ab  '[random(4)]).join('')
      assert.equal(piecesOf(tokenizer, text), mergeByTheBook(text.replaceAll(' ', '▁'), some), text)
    }
  }
})

test('a text longer than a block gives what its parts give', async () => {
  const merges = [
    ['▁', 'a'],
    ['a', 'b'],
    ['▁a', 'b'],
  ] as const
  const normalizer = {
    type: 'Sequence',
    normalizers: [
      { type: 'Prepend', prepend: '▁' },
      { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    ],
  }
  const tokenizer = await tokenizerOf({ normalizer, model: bpe('ab▁', merges, { unk_token: '<unk>' }) })
  const { ids } = tokenizer.encode(['ab '.repeat(200_000)])
  assert.is(ids.length, 200_001)
  assert.equal([...new Set(ids)].map(tokenizer.tokenOf), ['▁ab', '▁'])
})

test('tokens that end words: characters and bytes, unknown ones, with and without places', async () => {
  const tokens = ['<unk>', 'a', 'b', 'é', 'Ã', '©', 'a</w>', 'b</w>', 'é</w>', '©</w>', 'ab</w>', 'ab', 'Ã©</w>']
  const merges = [
    ['a', 'b'],
    ['a', 'b</w>'],
    ['Ã', '©</w>'],
  ]
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]))
  const model = { ...bpe('', []), unk_token: '<unk>', end_of_word_suffix: '</w>', vocab, merges }
  const cut = { type: 'WhitespaceSplit' }
  const sequence = { type: 'Sequence', pretokenizers: [cut, byteLevel] }
  for (const [pre_tokenizer, text, pieces, spans] of [
    [cut, 'ab a aba abé', ['ab</w>', 'a</w>', 'ab', 'a</w>', 'ab', 'é</w>'], '0-2 3-4 5-7 7-8 9-11 11-12'],
    [cut, 'abc caa', ['ab', '<unk>', '<unk>', 'a', 'a</w>'], '0-2 2-3 4-5 5-6 6-7'],
    [sequence, 'abé éa', ['ab', 'Ã©</w>', 'Ã', '©', 'a</w>'], '0-2 2-3 4-5 4-5 5-6'],
    [sequence, 'acab ac', ['a', '<unk>', 'ab</w>', 'a', '<unk>'], '0-1 1-2 2-4 5-6 6-7'],
  ] as const) {
    const tokenizer = await tokenizerOf({ pre_tokenizer, model })
    assert.equal(piecesOf(tokenizer, text), pieces, text)
    const tracked = await tokenizer.encodeWithSpans([text])
    const places = pieces.map((_, i) => `${tracked.spans[2 * i]}-${tracked.spans[2 * i + 1]}`)
    assert.is(places.join(' '), spans, text)
  }
})

test('models that cannot be are refused', async () => {
  const refused: [object, RegExp][] = [
    [bpe('a', [], { merges: [['a', 'b']] }), /model\.merges\.0 needs the token "b", which the vocabulary lacks/],
    [bpe('ab', [], { merges: ['a b'] }), /model\.merges\.0 needs the token "ab"/],
    [bpe('ab', [], { merges: ['a'] }), /model\.merges\.0 is "a", expected two tokens/],
    [bpe('ab', [], { unk_token: 'x' }), /the unknown token "x" is not in the vocabulary of 3 entries/],
    [bpe('ab', [], { dropout: 0.1 }), /model\.dropout is 0\.1, which is not supported/],
    [
      bpe('ab', [], { end_of_word_suffix: '</w>', byte_fallback: true }),
      /model\.end_of_word_suffix beside byte_fallback/,
    ],
    [
      bpe('ab', [], { continuing_subword_prefix: '##' }),
      /model\.continuing_subword_prefix is "##", which is not supported/,
    ],
  ]
  for (const [model, message] of refused) assert.match(await failure(tokenizerOf({ model })), message)
  const fallback = { pre_tokenizer: metaspace, model: bpe('ab', [], { byte_fallback: true }) }
  assert.match(await failure(tokenizerOf(fallback)), /byte_fallback with a vocabulary that lacks "▁"/)
})

test.run()
