// What a recipe names, found: the collection in the package, and models with what the recipe says of them.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { completeRecipe } from '../../src/recipe/complete.js'
import { openRecipeData, openRecipeModel } from '../../src/run/sources.js'
import { exists } from '../../src/runtime/files.js'
import { failure, folderWith } from '../support/temporary.js'
import { tinyFolder } from '../support/tiny-bert.js'

const random = { hidden: 8, layers: 1, heads: 2, max_positions: 32 }
const train = { method: 'full', steps: 1 }
const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'b', 'c', 'd', 'e', 'f']

test('the collection in the package is found by name; other paths stay', async () => {
  const data = { train: ['builtin:primer/music', '/mine'], tests: [{ path: 'builtin:primer/all' }] }
  const found = await openRecipeData(completeRecipe({ model: { random }, data, train }))
  assert.ok(await exists(join(found.train[0]!.path, 'corpus.jsonl')))
  assert.equal(found.train[1], { path: '/mine', name: 'mine' })
  assert.ok(await exists(join(found.tests[0]!.path, 'corpus.jsonl')))
  assert.is(found.tests[0]!.name, 'all')
  const unknown = completeRecipe({ model: { random }, data: { train: 'builtin:primer/musik' }, train })
  assert.match(
    await failure(openRecipeData(unknown)),
    /no collection builtin:primer\/musik; did you mean builtin:primer\/music\?/,
  )
})

test('a random model: its shape, a vocabulary from the training texts, a hash of shape and seed', async () => {
  const folder = folderWith({ 'train.jsonl': '{"query": "red cat", "pos": ["blue dog"], "neg": ["green bird"]}\n' })
  const open = (seed: number) => {
    const recipe = completeRecipe({ model: { random: { ...random, seed } }, data: { train: folder }, train })
    return openRecipeModel(recipe, { train: [{ path: folder }], sentenceQueries: false, dev: [], tests: [] })
  }
  const source = await open(1)
  const { config } = source.weights
  assert.equal([config.hidden, config.layers, config.heads, config.intermediate], [8, 1, 2, 32])
  assert.is(config.vocabulary, source.tokenizer!.vocabularySize)
  const unknown = source.tokenizer!.special.unk!
  for (const word of ['red', 'cat', 'blue', 'dog', 'green', 'bird'])
    assert.not.ok(source.tokenizer!.encode([word]).ids.includes(unknown), word)
  assert.is((await open(1)).hash, source.hash)
  assert.is.not((await open(2)).hash, source.hash)
  const weight = async (seed: number) => (await open(seed)).weights.readTensor('embeddings.word_embeddings.weight')
  assert.equal(await weight(1), await weight(1))
  assert.not.equal(await weight(1), await weight(2))
})

test('a folder with what the recipe says of it; what is trained is also what is scored and saved', async () => {
  const path = await tinyFolder({ 'vocab.txt': vocabulary.join('\n') })
  const settings = async (model: object, more: object) => {
    const data = { tests: [{ path: '/none' }], ...('train' in more && { train: '/pairs.jsonl' }) }
    const recipe = completeRecipe({ model: { path, max_length: 8, ...model }, data, ...more })
    const source = await openRecipeModel(recipe, { train: [], sentenceQueries: false, dev: [], tests: [] })
    await source.close()
    const { pooling, normalize, similarity, maxLength } = source.settings
    return [...pooling, normalize, similarity, maxLength]
  }
  assert.equal(await settings({}, {}), ['mean', false, 'cosine', 8])
  assert.equal(await settings({ pooling: 'cls', normalize: true, max_length: 5 }, {}), ['cls', true, 'cosine', 5])
  assert.equal(await settings({}, { train }), ['mean', true, 'cosine', 8])
  assert.equal(await settings({}, { train: { ...train, similarity: 'dot' } }), ['mean', false, 'dot', 8])
  const contradiction = settings({ normalize: true }, { train: { ...train, similarity: 'dot' } })
  assert.match(await failure(contradiction), /model\.normalize.* is true, but train\.similarity = "dot"/)
})

test('lengths beyond the positions of the model are refused by name', async () => {
  const path = await tinyFolder({ 'vocab.txt': vocabulary.join('\n') })
  const recipe = completeRecipe({ model: { path }, data: { tests: [{ path: '/none' }] }, eval: { max_length: 8 } })
  assert.match(
    await failure(openRecipeModel(recipe, { train: [], sentenceQueries: false, dev: [], tests: [] })),
    /model\.max_length.*256.*8/,
  )
})
test.run()
