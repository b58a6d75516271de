// Negatives in training: what the model finds itself against a naive search, the same bits after a resume between two minings, and each source of them
// in a whole run.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { collectionFolder } from '../../src/data/builtin.js'
import { loadPairs } from '../../src/data/pairs.js'
import { completeRecipe } from '../../src/recipe/complete.js'
import { encodeSequences } from '../../src/retrieve/encode.js'
import type { RunHooks } from '../../src/run/hooks.js'
import { tokenizePairs } from '../../src/run/mixture.js'
import { placeModel } from '../../src/run/model.js'
import { runExperiment } from '../../src/run/run.js'
import { mineItself } from '../../src/run/self-mining.js'
import { openRecipeData, openRecipeModel } from '../../src/run/sources.js'
import { temporaryFolder } from '../support/temporary.js'

const music = 'builtin:primer/music'
type Table = Record<string, unknown>

const recipeOf = (out: string, negatives: Table, train: Table = {}) =>
  completeRecipe({
    ...{ name: 'small', out, backend: 'wasm' },
    model: { random: { hidden: 16, layers: 1, heads: 2, max_positions: 48 }, max_length: 24 },
    data: { train: music },
    train: { method: 'full', steps: 6, batch_size: 8, learning_rate: 1e-3, checkpoint_every: 1, negatives, ...train },
  })

test('the model finds what is nearest to each query and is no positive of it', async () => {
  const recipe = recipeOf(await temporaryFolder(), { source: 'self', hard: 1, pool: 3, depth: 20 })
  const source = await openRecipeModel(recipe, await openRecipeData(recipe))
  const backend = await createWasmBackend({ threads: 1 })
  try {
    const pairs = await tokenizePairs([await collectionFolder(music)], source, 24)
    const { encoder } = await placeModel(backend, source)
    const model = { query: encoder, passage: encoder, similarity: 'cosine' } as const
    const mined = await mineItself(backend, model, pairs, recipe.train!.negatives)
    const vectors = await encodeSequences(backend, encoder, pairs.texts)
    const dot = (a: number, b: number) => {
      let sum = 0
      for (let c = 0; c < 16; c++) sum += vectors[a * 16 + c]! * vectors[b * 16 + c]!
      return sum
    }
    const passages = [...new Set(pairs.examples.map(({ positive }) => positive))]
    for (const [i, { query }] of pairs.examples.entries()) {
      const own = pairs.examples.filter(each => each.query === query).map(({ positive }) => positive)
      const best = passages.filter(row => !own.includes(row)).sort((a, b) => dot(query, b) - dot(query, a))
      assert.is(mined.negatives[i]!.length, 3)
      for (const [rank, row] of mined.negatives[i]!.entries()) {
        assert.not(own.includes(row), 'a positive')
        assert.ok(Math.abs(dot(query, row) - dot(query, best[rank]!)) < 1e-5, `example ${i}, rank ${rank}`)
      }
    }
    assert.is(mined.fallbacks, 0)
    assert.ok(mined.positives > 0)
    const strict = await mineItself(backend, model, pairs, { ...recipe.train!.negatives, margin: 5 })
    assert.is(strict.fallbacks, pairs.examples.length)
    assert.ok(strict.negatives.every(({ length }) => length === 1))
  } finally {
    backend.close()
    await source.close()
  }
})

const log = (folder: string) =>
  readFileSync(join(folder, 'log.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line).loss as number)

function interruptAfter(steps: number): RunHooks {
  const controller = new AbortController()
  const progress: RunHooks['progress'] = ({ name, done }) => {
    if (name === 'training' && done === steps) controller.abort(new Error('interrupted'))
  }
  return { progress, signal: controller.signal }
}

test('mined again every 4 steps: stopped after 3, 4 and 5 steps and resumed, the losses and weights are the same', async () => {
  for (const source of ['self', 'both']) {
    const negatives = { source, hard: 2, pool: 4, refresh: 4 }
    const whole = await runExperiment(recipeOf(await temporaryFolder(), negatives))
    for (const steps of [3, 4, 5]) {
      const recipe = recipeOf(await temporaryFolder(), negatives)
      await runExperiment(recipe, interruptAfter(steps)).then(
        () => assert.unreachable(),
        error => assert.match(error.message, /interrupted/),
      )
      const resumed = await runExperiment(recipe, { resume: true })
      assert.equal(log(resumed.folder), log(whole.folder), `${source} after ${steps}`)
      const [a, b] = [whole, resumed].map(({ folder }) => readFileSync(join(folder, 'model/model.safetensors')))
      assert.ok(a!.equals(b!), `${source} after ${steps}`)
    }
    const once = await runExperiment(recipeOf(await temporaryFolder(), { ...negatives, refresh: 100 }))
    assert.equal(log(once.folder).slice(0, 4), log(whole.folder).slice(0, 4))
    assert.not.equal(log(once.folder).slice(4), log(whole.folder).slice(4), 'what is mined again is used')
  }
})

test('bm25: hard negatives of every pair; both: twice the steps of an epoch', async () => {
  const folder = await collectionFolder(music)
  const epochs = { epochs: 1, steps: undefined }
  const stepsOf = async (negatives: Table) =>
    (await runExperiment(recipeOf(await temporaryFolder(), negatives, epochs))).trainings[0]!.summary.steps
  const examples = (await loadPairs(folder)).pairs.flatMap(({ positives }) => positives).length
  assert.is(await stepsOf({ source: 'bm25', hard: 1 }), Math.floor(examples / 8))
  assert.is(await stepsOf({ source: 'both', hard: 1 }), Math.floor((2 * examples) / 8))
  const said: string[] = []
  await runExperiment(recipeOf(await temporaryFolder(), { source: 'self', hard: 1 }), { say: line => said.push(line) })
  assert.is(said.filter(line => /negatives mined in .* positives excluded/.test(line)).length, 1)
})

test('what does not go together is an error of the recipe', () => {
  const wrong = (negatives: Table, train: Table, message: RegExp) =>
    assert.throws(() => recipeOf('runs', negatives, train), message)
  wrong({ source: 'self' }, {}, /hard is 0/)
  wrong({ source: 'none', hard: 1 }, {}, /set hard to 0/)
  wrong({ source: 'bm25', hard: 1, refresh: 3 }, {}, /leave it out/)
  wrong({ hard: 1, margin: 0.1 }, {}, /is for mined negatives/)
  wrong({ source: 'self', hard: 1, ranks: [9, 3] }, {}, /two ranks in order/)
  wrong({ source: 'self', hard: 1 }, { batches: 'by_length', tokens_per_batch: 999 }, /uniform/)
  wrong({ source: 'bm25', hard: 1 }, { loss: 'kl' }, /a teacher's scores/)
})

test.run()
