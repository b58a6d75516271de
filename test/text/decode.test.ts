// Decoders: each alone on tokens given by their names.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadTokenizer } from '../../src/text/tokenizer.js'
import { failure, folderWith } from '../support/temporary.js'
import { addedToken, tokenizerOf, wordLevel } from '../support/tokenizers.js'

async function decoded(decoder: object | null, tokens: readonly string[]): Promise<string> {
  const tokenizer = await tokenizerOf({ decoder, model: wordLevel(tokens) })
  const ids = new Map(Array.from({ length: tokenizer.vocabularySize }, (_, id) => [tokenizer.tokenOf(id), id]))
  return tokenizer.decode(tokens.map(token => ids.get(token)!))
}

const sequence = (...decoders: object[]) => ({ type: 'Sequence', decoders })
const replace = (what: string, content: string) => ({ type: 'Replace', pattern: { String: what }, content })

test('without a decoder, spaces between', async () => {
  assert.is(await decoded(null, ['a', 'b', 'c']), 'a b c')
  assert.is(await decoded(sequence(), ['a', 'b', 'c']), 'abc', 'a sequence of none is one')
})

test('WordPiece: continuations, punctuation and contractions', async () => {
  const tokens = ['##ab', 'let', "'s", 'go', '##ne', '!']
  assert.is(await decoded({ type: 'WordPiece', prefix: '##', cleanup: true }, tokens), "##ab let's gone!")
  assert.is(await decoded({ type: 'WordPiece', prefix: '##', cleanup: false }, tokens), "##ab let 's gone !")
})

test('ByteLevel: bytes over tokens, what is no UTF-8, what is no byte', async () => {
  assert.is(await decoded({ type: 'ByteLevel' }, ['Ġa', 'Ã', '©', 'ï»¿', 'Ċ']), ' aé\ufeff\n')
  assert.is(await decoded({ type: 'ByteLevel' }, ['a', 'Ã', 'a', 'ðŁĺ']), 'a\ufffda\ufffd')
  assert.is(await decoded({ type: 'ByteLevel' }, ['漢 é', 'Ã']), '漢 é\ufffd')
})

test('Metaspace: no space before the first token, unless nothing is put there', async () => {
  assert.is(
    await decoded({ type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' }, ['▁a', '▁b▁', 'c']),
    'a b c',
  )
  assert.is(await decoded({ type: 'Metaspace', replacement: '▁', prepend_scheme: 'never' }, ['▁a', '▁b']), ' a b')
  assert.is(await decoded({ type: 'Metaspace', replacement: '▁', add_prefix_space: false }, ['▁a']), ' a')
})

test('BPEDecoder, Strip, Replace, Fuse, one behind the other', async () => {
  assert.is(await decoded({ type: 'BPEDecoder', suffix: '</w>' }, ['a', 'b</w>', 'c</w>']), 'ab c')
  const strip = { type: 'Strip', content: 'x', start: 1, stop: 2 }
  assert.is(await decoded(strip, ['xxa', 'xx', 'x', 'axxx']), 'xaax')
  assert.is(await decoded(sequence({ type: 'Fuse' }, strip), ['xxa', 'bxxx']), 'xabx')
  assert.is(await decoded(replace('a', '$&'), ['aba', 'a']), '$&b$&$&')
})

test('ByteFallback: what the bytes spell, or a mark for each', async () => {
  const tokens = ['a', '<0xE6>', '<0xBC>', '<0xA2>', 'b', '<0xC3>', '<0x41>', 'c']
  assert.is(await decoded({ type: 'ByteFallback' }, tokens), 'a漢b\ufffd\ufffdc')
  const llama = sequence(
    replace('▁', ' '),
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    {
      ...{ type: 'Strip', content: ' ', start: 1, stop: 0 },
    },
  )
  assert.is(await decoded(llama, ['▁', '▁a', '<0x0A>', '▁b']), ' a\n b')
})

test('special and added tokens are texts like others; ids without a token are left out', async () => {
  const tokenizer = await tokenizerOf({
    decoder: { type: 'ByteLevel' },
    added_tokens: [addedToken(2, '<|漢|>', { special: true })],
    model: wordLevel(['a']),
  })
  assert.is(tokenizer.decode([1, 2, 3, 99, 1]), 'a<|漢|>a')
})

const vocab = { '!': 0, Ġ: 1, a: 2, b: 3, ab: 4, Ġab: 5 }
const merges = '#version: 0.2\na b\nĠ ab\n'

test('vocab.json and merges.txt: GPT-2, with and without its token', async () => {
  const files = { 'vocab.json': JSON.stringify({ ...vocab, '<|endoftext|>': 6 }), 'merges.txt': merges }
  const gpt2 = await loadTokenizer(folderWith(files))
  assert.equal([...gpt2.encode(['ab ab<|endoftext|>!']).ids], [4, 5, 6, 0])
  assert.is(gpt2.decode([4, 5, 6]), 'ab ab<|endoftext|>')
  assert.is(gpt2.special.unk, undefined)
  const config = JSON.stringify({ tokenizer_class: 'GPT2Tokenizer', add_prefix_space: true, add_bos_token: true })
  const prefixed = await loadTokenizer(folderWith({ ...files, 'tokenizer_config.json': config }))
  assert.equal([...prefixed.encode(['ab', ' ab']).ids], [6, 5, 6, 5])
  assert.equal([...prefixed.encodePairs(['ab'], ['ab']).typeIds], [0, 0, 1, 1])
  const again = await loadTokenizer(folderWith((await prefixed.files()) as Record<string, Uint8Array>))
  assert.equal([...again.encode(['ab', ' ab']).ids], [6, 5, 6, 5])
})

test('vocab.json and merges.txt: RoBERTa, by its tokens or by name', async () => {
  const tokens = { '<s>': 6, '</s>': 7, '<pad>': 8, '<unk>': 9, '<mask>': 10 }
  const files = { 'vocab.json': JSON.stringify({ ...vocab, ...tokens }), 'merges.txt': merges.replaceAll('\n', '\r\n') }
  const roberta = await loadTokenizer(folderWith(files))
  assert.equal([...roberta.encode(['ab  <mask> ab']).ids], [6, 4, 10, 5, 7])
  const pairs = roberta.encodePairs(['ab'], ['ab'])
  assert.equal([...pairs.ids], [6, 4, 7, 7, 4, 7])
  assert.equal([...pairs.typeIds], [0, 0, 0, 0, 0, 0])
  assert.equal(roberta.special, { cls: 6, sep: 7, pad: 8, unk: 9, mask: 10 })
  const bart = { ...files, 'tokenizer_config.json': '{"tokenizer_class": "BartTokenizer"}' }
  assert.match(await failure(loadTokenizer(folderWith(bart))), /BartTokenizer is not supported.*RobertaTokenizer/)
  const wrong = { ...files, 'tokenizer_config.json': '{"tokenizer_class": "RobertaTokenizer", "cls_token": "<x>"}' }
  assert.match(await failure(loadTokenizer(folderWith(wrong))), /vocab\.json has no "<x>"; name the right cls_token/)
})

test.run()
