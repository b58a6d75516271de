// Stages of normalizers that the normal forms' tests do not have, and what added tokens do with them.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { normalizing } from '../support/normalizing.js'
import { addedToken, bpe, piecesOf, tokenizerOf, wordLevel } from '../support/tokenizers.js'

const at = async (normalizer: object, texts: readonly string[]) => (await normalizing(normalizer))(texts)
const sequence = (...normalizers: object[]) => ({ type: 'Sequence', normalizers })
const replace = (what: string, content: string) => ({ type: 'Replace', pattern: { String: what }, content })

test('Lowercase: character by character', async () => {
  const texts = ['AbC xyz', 'ÉÀ ΟΔΟΣ İ ẞ Ⱥ', '', '中']
  assert.equal(await at({ type: 'Lowercase' }, texts), ['abc xyz', 'éà οδοσ i\u0307 ß ⱥ', '', '中'])
})

test('Strip, on either side', async () => {
  const text = ' \u3000\ta b\u0085\n'
  assert.equal(await at({ type: 'Strip', strip_left: true, strip_right: true }, [text, ' ', 'x']), ['a b', '', 'x'])
  assert.equal(await at({ type: 'Strip', strip_left: true, strip_right: false }, [text]), ['a b\u0085\n'])
  assert.equal(await at({ type: 'Strip', strip_left: false, strip_right: true }, [text]), [' \u3000\ta b'])
})

test('Replace and Prepend', async () => {
  assert.equal(await at(replace('aa', 'é'), ['aaa', 'aaaa', 'a', '']), ['éa', 'éé', 'a', ''])
  assert.equal(await at(replace('a', ''), ['banana']), ['bnn'])
  assert.equal(await at(replace('x', 'y'.repeat(100)), ['x'.repeat(3000)]), ['y'.repeat(300_000)])
  const spaces = { type: 'Replace', pattern: { Regex: ' {2,}' }, content: '_' }
  assert.equal(await at(spaces, ['a  b c   ', '   ']), ['a_b c_', '_'])
  assert.equal(await at({ type: 'Prepend', prepend: 'né' }, ['a', '', 'b'.repeat(40)]), [
    'néa',
    '',
    `né${'b'.repeat(40)}`,
  ])
})

test('Replace of what an expression matches', async () => {
  const expression = (Regex: string, content: string) => ({ type: 'Replace', pattern: { Regex }, content })
  assert.equal(await at(expression('\\s+', ' '), [' a\n\t b\u3000c ', '\n', '']), [' a b c ', ' ', ''])
  assert.equal(await at(expression('\\p{M}+|[\u200b-\u200f]', ''), ['ne\u0301\u200bs', 'abc']), ['nes', 'abc'])
  assert.equal(await at(expression('(?<=[0-9])[.,](?=[0-9])', ''), ['1,000.5, a.b']), ['10005, a.b'])
  assert.equal(await at(expression('(?:th)+', '_ö_'), ['thth the']), ['_ö_ _ö_e'])
  assert.equal(await at(expression('x', 'y'.repeat(100)), ['x'.repeat(3000)]), ['y'.repeat(300_000)])
})

test('one behind the other', async () => {
  const nfdLower = sequence({ type: 'NFD' }, { type: 'Lowercase' }, { type: 'StripAccents' })
  assert.equal(await at(nfdLower, ['Crème BRÛLÉE']), ['creme brulee'])
  const strips = sequence({ type: 'Prepend', prepend: ' x' }, { type: 'Strip' }, replace('xa', 'A'))
  assert.equal(await at(strips, ['a ', 'b']), ['A', 'xb'])
  assert.equal(await at(sequence(), ['a']), ['a'])
  const bert = { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null }
  assert.equal(await at(sequence({ type: 'NFKC' }, bert), ['Ａ中\u0000É']), ['a 中 e'])
})

test('spaces as ▁: a literal one is the same, also in added tokens', async () => {
  const normalizer = sequence({ type: 'Prepend', prepend: '▁' }, replace(' ', '▁'))
  const added_tokens = [
    addedToken(20, 'New x', { normalized: true }),
    addedToken(21, '<t>', { rstrip: true }),
    addedToken(22, '<n>', { normalized: true, lstrip: true }),
  ]
  const model = bpe('▁abnewx<>', [['▁', 'a']], { unk_token: '<unk>' })
  const tokenizer = await tokenizerOf({ normalizer, added_tokens, model })
  assert.equal(piecesOf(tokenizer, 'a a▁b'), ['▁a', '▁a', '▁', 'b'])
  assert.equal(piecesOf(tokenizer, 'a<t>  a'), ['▁a', '<t>', '▁a'])
  // Before a normalised token stands no white space, only ▁.
  assert.equal(piecesOf(tokenizer, 'a ▁<n>'), ['▁a', '▁', '▁<n>'])
  assert.equal(piecesOf(tokenizer, 'b New x'), ['▁', 'b', '▁New▁x'])
  assert.is(tokenizer.decode(tokenizer.encode(['New x']).ids.slice(-1)), '▁New▁x')
})

test('Metaspace before the first word: what became of the first character counts', async () => {
  const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: true }
  const model = wordLevel(['▁a', 'a', '▁b', '▁', '\u0308', '▁\u0308'])
  const pieces = async (normalizer: object, text: string, ...before: object[]) =>
    piecesOf(
      await tokenizerOf({
        normalizer,
        pre_tokenizer: { type: 'Sequence', pretokenizers: [...before, metaspace] },
        model,
      }),
      text,
    )
  assert.equal(await pieces({ type: 'Strip' }, 'a b'), ['▁a', '▁b'])
  assert.equal(await pieces({ type: 'Strip' }, ' a b'), ['a', '▁b'])
  assert.equal(await pieces({ type: 'StripAccents' }, '\u0301a'), ['a'])
  assert.equal(await pieces({ type: 'StripAccents' }, 'a\u0301'), ['▁a'])
  // A dieresis alone is a space and a mark: both came from the first character.
  assert.equal(await pieces({ type: 'NFKC' }, '\u00a8', { type: 'WhitespaceSplit' }), ['▁\u0308'])
})

test.run()
