// Vocabularies cut down to the tokens of given texts: the same pieces under smaller ids, in every kind of tokenizer.
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { trimVocabulary } from '../../src/model/trim-vocabulary.js'
import { createWordPieceTokenizer, loadTokenizer, type Tokenizer } from '../../src/text/tokenizer.js'
import { jsonLines, needs } from '../support/shared.js'

const corpus = fileURLToPath(new URL('../../collections/primer/law/corpus.jsonl', import.meta.url))
const texts = jsonLines<{ text: string }>(corpus)
  .slice(0, 40)
  .map(({ text }) => text)
  .concat(['Ünïcode ☃ 漢字 words', '', '  spaces  ', 'ends in a newline\n'])

/** Every text's tokens, by name. */
const pieces = (tokenizer: Tokenizer) => {
  const { ids, offsets } = tokenizer.encode(texts)
  return texts.map((_, i) => Array.from(ids.subarray(offsets[i]!, offsets[i + 1]!), id => tokenizer.tokenOf(id)))
}

const folders = ['bert-base-uncased', 'gpt2', 'roberta-base', 'qwen2', 't5-small', 'phi-3-mini']
for (const name of folders) {
  const folder = needs(`tokenizers/${name}`)
  ;(folder ? test : test.skip)(`${name}: the same tokens, fewer of them`, async () => {
    const tokenizer = await loadTokenizer(folder!)
    const { kept, tokenizer: trimmed, files } = await trimVocabulary(tokenizer, texts)
    assert.equal(pieces(trimmed), pieces(tokenizer))
    assert.ok(kept.length < tokenizer.vocabularySize / 4, `${kept.length} of ${tokenizer.vocabularySize}`)
    assert.is(trimmed.vocabularySize, kept.length)
    for (const [place, id] of kept.entries()) assert.is(trimmed.tokenOf(place), tokenizer.tokenOf(id))
    for (const [role, id] of Object.entries(tokenizer.special))
      if (id !== undefined) assert.is(kept[trimmed.special[role as 'pad']!], id, role)
    assert.ok(files['tokenizer.json'] && !files['vocab.txt'] && !files['merges.txt'])
  })
}

test('a word that is unknown stays unknown, though other pieces would make it up now', async () => {
  // [UNK]: "ab" is the longest start, and nothing begins "##c". Without "ab" it would be a + ##bc.
  const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'ab', '##b', '##bc', '##x', 'unused']
  const tokenizer = await createWordPieceTokenizer({ vocabulary })
  const given = ['abc', 'a', 'axbc']
  const { kept, tokenizer: trimmed } = await trimVocabulary(tokenizer, given)
  const both = [tokenizer, trimmed].map(each => {
    const { ids, offsets } = each.encode(given)
    return [Array.from(ids, id => each.tokenOf(id)), offsets]
  })
  assert.equal(both[1], both[0])
  assert.ok(kept.includes(6), 'ab is kept')
  assert.not.ok(kept.includes(10))
})

test('ids that a config names are kept; nothing else that does not occur', async () => {
  const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'b', 'c', 'd']
  const tokenizer = await createWordPieceTokenizer({ vocabulary })
  const { kept, files } = await trimVocabulary(tokenizer, ['b', 'd b'], [7])
  assert.equal([...kept], [0, 1, 2, 3, 4, 6, 7, 8])
  const json = JSON.parse(new TextDecoder().decode(files['tokenizer.json']))
  assert.equal(json.model.vocab, { '[PAD]': 0, '[UNK]': 1, '[CLS]': 2, '[SEP]': 3, '[MASK]': 4, b: 5, c: 6, d: 7 })
})

test.run()
