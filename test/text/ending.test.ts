// An end token behind every text: after truncation, behind what the template has already, kept in the files, and not twice.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { withEnd } from '../../src/text/ending.js'
import { loadTokenizer, tokenizerFromFiles } from '../../src/text/tokenizer.js'
import { needs } from '../support/shared.js'
import { failure } from '../support/temporary.js'

const texts = ['What causes rain?', '', 'Clouds cool, and water falls out of them.']
const lists = (tokenizer: Awaited<ReturnType<typeof loadTokenizer>>, maxLength?: number) => {
  const { ids, offsets } = tokenizer.encode(texts, maxLength ? { maxLength } : {})
  return texts.map((_, i) => Array.from(ids.subarray(offsets[i]!, offsets[i + 1]!)))
}

for (const [name, id] of [
  ['tokenizers/qwen2', 151_643],
  ['tokenizers/phi-3-mini', undefined],
  ['models/stories260k', 2],
] as const) {
  const folder = needs(name)
  ;(folder ? test : test.skip)(`${name}: every text ends in the end token, cut ones too`, async () => {
    const plain = await loadTokenizer(folder!)
    const made = await withEnd(plain, folder!, id)
    const end = made.encode(['x']).ids.at(-1)!
    assert.equal(
      lists(made),
      lists(plain).map(list => [...list, end]),
    )
    if (id !== undefined) assert.is(end, id)
    // As many tokens as asked for, the end among them.
    assert.equal(
      lists(made, 4),
      lists(plain, 3).map(list => [...list, end]),
    )
    const again = await tokenizerFromFiles(await made.files(), 'saved')
    assert.equal(lists(again, 4), lists(made, 4))
    assert.is(await withEnd(made, folder!, id), made, 'once')
  })
}

const bert = needs('tokenizers/bert-base-uncased')
;(bert ? test : test.skip)('what ends in a special token already stays as it is', async () => {
  const tokenizer = await loadTokenizer(bert!)
  assert.is(await withEnd(tokenizer, bert!), tokenizer)
})

const stories = needs('models/stories260k')
;(stories ? test : test.skip)('no end token anywhere is an error that says where it belongs', async () => {
  const { 'tokenizer.json': only } = await (await loadTokenizer(stories!)).files()
  const bare = await tokenizerFromFiles({ 'tokenizer.json': only! }, 'bare')
  assert.match(await failure(withEnd(bare, 'bare')), /bare names no eos_token in tokenizer_config.json/)
})

test.run()
