// Parts of collections: judged documents stay, others are drawn the same each time; and training queries held out.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { collectionFolder } from '../../src/data/builtin.js'
import { loadCollection } from '../../src/data/collection.js'
import { sampleCollection, sampleText } from '../../src/data/collection-sample.js'
import { devCollection, heldOut } from '../../src/data/dev-split.js'
import { completeRecipe } from '../../src/recipe/complete.js'
import { runExperiment } from '../../src/run/run.js'
import { temporaryFolder } from '../support/temporary.js'

test('every judged document of the kept queries and so many others, in order; nothing asked for is the same collection', async () => {
  const whole = await loadCollection(await collectionFolder('builtin:primer/all'))
  assert.is(sampleCollection(whole, {}), whole)
  const part = sampleCollection(whole, { documents: 20, queries: 10 })
  assert.is(part.queries.ids.length, 10)
  assert.equal([...part.qrels.keys()].sort(), [...part.queries.ids].sort())
  const judged = new Set([...part.qrels.values()].flatMap(grades => [...grades.keys()]))
  const documents = new Set(part.documents.ids)
  for (const id of judged) assert.ok(documents.has(id), id)
  assert.is(documents.size, judged.size + 20)
  assert.equal(
    part.documents.ids,
    whole.documents.ids.filter(id => documents.has(id)),
  )
  const textOf = new Map(whole.documents.ids.map((id, i) => [id, whole.documents.texts[i]]))
  part.documents.ids.forEach((id, i) => {
    assert.is(part.documents.texts[i], textOf.get(id))
  })
  assert.equal(sampleCollection(whole, { documents: 20, queries: 10 }), part)
  assert.is(sampleCollection(whole, { documents: 10_000 }).documents.ids.length, whole.documents.ids.length)
  assert.is(sampleText({ documents: 20, queries: 10 }), 'corpus_sample=20 query_sample=10')
})

const pairs = Array.from({ length: 20 }, (_, i) => ({
  ...{ query: `q${Math.floor(i / 2)}`, positives: [`p${i}`], negatives: ['n'] },
}))

test('held-out queries take all their lines along, and search among the passages of all pairs', () => {
  const dev = heldOut(pairs, 0.3, 5)
  const held = pairs.filter((_, i) => dev[i])
  assert.is(new Set(held.map(({ query }) => query)).size, 3)
  assert.is(held.length, 6)
  assert.equal(heldOut(pairs, 0.3, 5), dev)
  const seeds = new Set(Array.from({ length: 9 }, (_, seed) => heldOut(pairs, 0.3, seed).join()))
  assert.ok(seeds.size > 3)
  const collection = devCollection(held, pairs)
  assert.is(collection.documents.ids.length, 21)
  assert.equal(
    [...collection.qrels.values()].map(({ size }) => size),
    [2, 2, 2],
  )
  assert.throws(() => heldOut(pairs, 0.96, 5), /leaves none/)
})

test('a run on a sample says so with each score, and stops early on queries that it held out', async () => {
  const recipe = completeRecipe({
    ...{ name: 'small', out: await temporaryFolder(), backend: 'wasm' },
    model: { random: { hidden: 16, layers: 1, heads: 2, max_positions: 48 }, max_length: 32 },
    data: {
      ...{ train: 'builtin:primer/music', dev_share: 0.2, corpus_sample: 5, query_sample: 7 },
      tests: [{ path: 'builtin:primer/music' }],
    },
    train: { method: 'full', steps: 4, batch_size: 8, eval_every: 2, early_stopping: { patience: 1 } },
  })
  const said: string[] = []
  const { tests, trainings } = await runExperiment(recipe, { say: line => said.push(line) })
  assert.match(tests[0]!.fingerprint, / corpus_sample=5 query_sample=7$/)
  assert.is(tests[0]!.corpus_sample, 5)
  assert.is(tests[0]!.queries, 7)
  assert.ok(trainings[0]!.summary.best_dev_score! > 0)
  assert.ok(
    said.some(line => /^dev: 16 training queries held out by the seed/.test(line)),
    said.join('\n'),
  )
})

test.run()
