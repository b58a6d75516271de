// The way of the greatest sum, unknown text, byte fallback.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { tokenizerFromFiles } from '../../src/text/tokenizer.js'
import { failure } from '../support/temporary.js'

type Piece = readonly [string, number]

const load = (vocab: readonly unknown[], more: object = {}) => {
  const model = { type: 'Unigram', unk_id: 0, vocab: [['<unk>', 0], ...vocab], ...more }
  const json = { added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, model }
  return tokenizerFromFiles({ 'tokenizer.json': new TextEncoder().encode(JSON.stringify(json)) }, 'x')
}

/** The pieces of a text, by name. */
async function piecesOf(vocab: readonly Piece[], text: string, more: object = {}): Promise<string[]> {
  const tokenizer = await load(vocab, more)
  return [...tokenizer.encode([text]).ids].map(tokenizer.tokenOf)
}

test('the greatest sum counts, not the longest piece', async () => {
  const vocab: Piece[] = [
    ...([
      ['a', -1],
      ['b', -1],
      ['c', -1],
    ] as const),
    ...([
      ['ab', -1.5],
      ['bc', -0.5],
      ['abc', -5],
    ] as const),
  ]
  assert.equal(await piecesOf(vocab, 'abc'), ['a', 'bc'])
  assert.equal(await piecesOf([...vocab, ['abca', -1]], 'abca'), ['abca'])
  assert.equal(await piecesOf(vocab, 'abab'), ['ab', 'ab'])
})

test('of equal sums the one with the longest last piece', async () => {
  const halves: Piece[] = [
    ['a', -1],
    ['aa', -2],
    ['aaa', -3],
  ]
  assert.equal(await piecesOf(halves, 'aaa'), ['aaa'])
  assert.equal(await piecesOf(halves, 'aaaa'), ['a', 'aaa'])
  assert.equal(
    await piecesOf(
      [
        ['a', -1],
        ['aa', -2],
      ],
      'aaa',
    ),
    ['a', 'aa'],
  )
  // 0.1 + 0.2 is more than 0.3 in 64 bits, so that here the sums are not equal.
  assert.equal(
    await piecesOf(
      [
        ['a', 0.1],
        ['b', 0.2],
        ['ab', 0.3],
      ],
      'ab',
    ),
    ['a', 'b'],
  )
})

test('unknown characters next to each other are one', async () => {
  const vocab: Piece[] = [
    ['a', -1],
    ['é', -1],
    ['日本', -2],
  ]
  assert.equal(await piecesOf(vocab, 'axyéz日a日本'), ['a', '<unk>', 'é', '<unk>', 'a', '日本'])
  assert.equal(await piecesOf(vocab, 'x<unk>y'), ['<unk>'])
  // Each costs 10 more than the worst piece: a piece that covers both is better.
  assert.equal(await piecesOf([...vocab, ['xy', -40]], 'axya'), ['a', 'xy', 'a'])
  // Where scores are so high that two unknown characters count more, together they are that piece after all.
  assert.equal(
    await piecesOf([], 'xy', {
      vocab: [
        ['<unk>', 100],
        ['xy', 50],
      ],
    }),
    ['xy'],
  )
})

test('an unknown character has the score of the worst piece less 10', async () => {
  const vocab = (worst: number): Piece[] => [
    ['yz', -1],
    ['xy', worst],
    ['z', worst],
  ]
  // Twice the worst, or the worst less 10 and less 1.
  assert.equal(await piecesOf(vocab(-10.9), 'xyz'), ['xy', 'z'])
  assert.equal(await piecesOf(vocab(-11.1), 'xyz'), ['<unk>', 'yz'])
})

test('with byte fallback unknown text becomes bytes, if all of them are there', async () => {
  const bytes = (...list: number[]) => list.map(byte => [`<0x${byte.toString(16).toUpperCase()}>`, -5] as const)
  const vocab: Piece[] = [['a', -1], ...bytes(0xc3, 0xa9, 0x78)]
  const on = { byte_fallback: true }
  assert.equal(await piecesOf(vocab, 'aéxa', on), ['a', '<0xC3>', '<0xA9>', '<0x78>', 'a'])
  // ï is C3 AF.
  assert.equal(await piecesOf(vocab, 'aéïa', on), ['a', '<unk>', 'a'])
  assert.equal(await piecesOf(vocab, 'aéa'), ['a', '<unk>', 'a'])
})

test('pieces of every first byte and length, each found by itself', async () => {
  const characters = Array.from({ length: 3000 }, (_, i) =>
    String.fromCodePoint(0x21 + i * 23 + (i > 2300 ? 0x10000 : 0)),
  )
  const pieces = characters.filter(char => !/[\ud800-\udfff]/.test(char) || char.length === 2)
  const longer = pieces.map((char, i) => char + pieces[(i * 7) % pieces.length]! + 'x'.repeat(i % 50))
  const all = [...new Set([...pieces, ...longer])]
  const tokenizer = await load(all.map((piece, i) => [piece, -1 - i / 1e6]))
  for (const [i, piece] of all.entries()) {
    const { ids } = tokenizer.encode([piece])
    if (ids.length !== 1 || ids[0] !== i + 1) assert.unreachable(`${JSON.stringify(piece)} became ${ids.join()}`)
  }
})

test('a piece that is there twice has its later id', async () => {
  const tokenizer = await load([
    ['a', -1],
    ['b', -1],
    ['a', -2],
  ])
  assert.equal([...tokenizer.encode(['ab']).ids], [3, 2])
})

test('long words: 1,000,000 characters without a space', async () => {
  const tokenizer = await load([
    ['a', -1],
    ['aaaa', -3],
    ['日', -1],
  ])
  const { ids } = tokenizer.encode(['a'.repeat(1_000_001), 'b'.repeat(1_000_000), '日'.repeat(300_000)])
  assert.is(ids.length, 250_001 + 1 + 300_000)
  assert.equal([ids[0], ids[1], ids[250_000], ids[250_001], ids[250_002]], [1, 2, 2, 0, 3])
})

test('a model that contradicts itself is refused', async () => {
  assert.match(await failure(load([], { unk_id: null })), /model\.unk_id is missing, which is not supported/)
  assert.match(await failure(load([['a', -1]], { unk_id: 2 })), /model\.unk_id is 2, but model\.vocab has 2 entries/)
  assert.match(await failure(load([['a']])), /model\.vocab\.1 is \["a"\], expected a piece and its score/)
  assert.match(await failure(load([], { vocab: {} })), /model\.vocab: expected a list of pieces/)
})

test.run()
