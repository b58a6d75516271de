// The recipes for several training sets: the paper's setting as it is published, and the small one on the collection in the package.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadRecipe } from '../../src/recipe/load.js'
import { openRecipeData, openRecipeModel } from '../../src/run/sources.js'
import { proxyRecipe, uniformRecipe } from '../../src/run/tdro/settings.js'
import { openTests } from '../../src/run/tests.js'

const recipe = (name: string) => loadRecipe(new URL(`../../recipes/${name}.toml`, import.meta.url).pathname)

test("tdro-paper: the paper's setting", async () => {
  const paper = await recipe('tdro-paper')
  assert.is(paper.data.train?.length, 25)
  assert.equal(
    paper.variants.map(({ train }) => [train.transfer, train.transfer_share]),
    [
      ['top-p', 0.7],
      ['reweight', undefined],
    ],
  )
  const { train, lora } = proxyRecipe(paper)
  const { steps, batch_size, accumulation, sets, temperature, learning_rate, weight_decay, clip, max_length } = train!
  assert.equal([steps, batch_size, accumulation, sets, max_length], [1000, 512, 4, 'mixed', 512])
  assert.equal([temperature, learning_rate, weight_decay, clip], [0.002, 1e-4, 0.1, 1])
  assert.equal([train!.schedule, train!.min_factor, train!.warmup_steps], ['cosine', 0.1, 100])
  assert.equal([train!.negatives, train!.query_max_length], [{ in_batch: false, hard: 7, mask_duplicates: false }, 128])
  assert.equal([train!.method, lora, train!.weights], ['full', undefined, undefined])
  const reference = uniformRecipe(paper)
  assert.equal(
    [reference.train!.sets, reference.lora!.targets.length, reference.train!.transfer],
    ['homogeneous', 7, undefined],
  )
})

test('tdro-small: ten sets in the package; a prompt of a test stands before its queries', async () => {
  const small = await recipe('tdro-small')
  const data = await openRecipeData(small)
  assert.equal(
    data.train
      .map(({ name }) => name)
      .sort()
      .slice(0, 3),
    ['animals', 'astronomy', 'computing'],
  )
  assert.is(data.train.length, 10)
  const source = await openRecipeModel(small, data)
  const open = (prompt?: string) =>
    openTests(source, small, [{ ...data.tests[0]!, ...(prompt && { prompt }) }], () => {})
  const [[plain], [asked]] = [await open(), await open('Find it')]
  const tokens = ({ tokenized }: NonNullable<typeof plain>) => tokenized.queries.ids.length
  const queries = plain!.tokenized.queries.offsets.length - 1
  assert.ok(
    tokens(asked!) >= tokens(plain!) + 3 * queries,
    `${tokens(asked!)} tokens, ${tokens(plain!)} without a prompt`,
  )
  assert.is(asked!.prompt, 'Instruct: Find it\nQuery: ')
  await source.close()
})

test.run()
