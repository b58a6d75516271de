// The recipes for several training sets: the paper's setting as it is published, and the small one on the collection in the package.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadCollection } from '../../src/data/collection.js'
import { completeRecipe } from '../../src/recipe/complete.js'
import { loadRecipe } from '../../src/recipe/load.js'
import { tokenizePairs } from '../../src/run/mixture.js'
import { runExperiment } from '../../src/run/run.js'
import { openRecipeData, openRecipeModel } from '../../src/run/sources.js'
import { proxyRecipe, uniformRecipe } from '../../src/run/tdro/settings.js'
import { mixtureOptions } from '../../src/run/tdro/stage.js'
import { openTests } from '../../src/run/tests.js'
import { folderWith, temporaryFolder } from '../support/temporary.js'

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
  const [both] = await openTests(source, small, [{ ...data.tests[0]!, prompt: 'Find it', symmetric: true }], () => {})
  const inDocuments = ({ tokenized }: NonNullable<typeof plain>) => tokenized.documents.ids.length
  assert.is(inDocuments(asked!), inDocuments(plain!), 'of documents only where both sides are alike')
  assert.ok(inDocuments(both!) >= inDocuments(plain!) + 3 * both!.tokenized.documentIds.length)
  await source.close()
})

test('negatives mined by a given encoder: other ones than by BM25, each pair as many as asked, none a positive', async () => {
  const words = ['bird', 'boat', 'cat', 'dog', 'tree', 'fish']
  const rows = words.map((word, i) => ({ query: `${word} ${i}`, pos: [`the ${word} and the ${words[(i + 1) % 6]}`] }))
  const train = folderWith({ 'train.jsonl': rows.map(row => `${JSON.stringify(row)}\n`).join('') })
  const random = { hidden: 16, layers: 1, heads: 2, max_positions: 16 }
  const of = (data: object) =>
    completeRecipe({
      ...{ name: 'mined', backend: 'wasm', out: temporaryFolder(), data: { train, mined_negatives: 2, ...data } },
      ...{ model: { random, max_length: 16 }, train: { method: 'full', steps: 1, batch_size: 2 } },
    })
  const { folder } = await runExperiment(of({}))
  const negatives = async (data: object) => {
    const recipe = of(data)
    const opened = await openRecipeData(recipe)
    const source = await openRecipeModel(recipe, opened)
    const { examples } = await tokenizePairs(opened.train, source, 16, mixtureOptions(opened, recipe.seed))
    await source.close()
    for (const { positive, negatives: own } of examples) {
      assert.is(new Set(own).size, 2)
      assert.not.ok(own.includes(positive))
    }
    return examples.map(each => each.negatives)
  }
  const [byWords, byModel] = [await negatives({}), await negatives({ mined_by: `${folder}/model` })]
  assert.not.equal(byModel, byWords)
  assert.equal(await negatives({ mined_by: `${folder}/model` }), byModel)
  assert.throws(() => completeRecipe({ ...of({}), data: { train, mined_by: 'x' } }), /data\.mined_by: ranks negatives/)
})

test('a test whose queries come from another folder: the same judgements, other words', async () => {
  const made = (language: string, ...queries: string[]) =>
    folderWith({
      'corpus.jsonl': ['x', 'y'].map(id => `${JSON.stringify({ _id: id, text: `${language} ${id}` })}\n`).join(''),
      'queries.jsonl': queries.map((text, i) => `${JSON.stringify({ _id: `q${i}`, text })}\n`).join(''),
      'train.jsonl': '{"query": "one", "pos": ["x"]}\n{"query": "two", "pos": ["y"]}\n',
      'qrels/test.tsv': 'query-id\tcorpus-id\tscore\nq0\tx\t1\nq1\ty\t1\n',
    })
  const [english, german] = [made('english', 'one', 'two'), made('german', 'eins', 'zwei', 'drei')]
  const { queries, documents, qrels } = await loadCollection(english, { queries: german })
  assert.equal([queries.texts, documents.texts, qrels.size], [['eins', 'zwei'], ['english x', 'english y'], 2])
  const tests = [
    { name: 'de-en', path: english, queries: german, group: 'cross-lingual' },
    { name: 'en', path: english, group: 'monolingual' },
  ]
  const random = { hidden: 16, layers: 1, heads: 2, max_positions: 16 }
  const recipe = completeRecipe({
    ...{ name: 'languages', backend: 'wasm', out: temporaryFolder(), data: { train: english, tests } },
    ...{ model: { random, max_length: 16 }, train: { method: 'full', steps: 1, batch_size: 2 } },
  })
  const { groups, systems } = await runExperiment(recipe)
  assert.equal([...new Set(groups.map(({ group }) => group))], ['cross-lingual', 'monolingual'])
  assert.equal(
    systems.map(({ key }) => key),
    ['before', 'after'],
  )
})

test.run()
