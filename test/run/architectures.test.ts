// The three architectures, each trained in full and by LoRA through a whole run: what is saved loads again and finds the same; defaults are the study's.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { collectionFolder } from '../../src/data/builtin.js'
import { loadCollection } from '../../src/data/collection.js'
import { architectures } from '../../src/recipe/architecture.js'
import { completeRecipe } from '../../src/recipe/complete.js'
import { evaluateCollection, tokenizeCollection } from '../../src/run/evaluate.js'
import type { RunHooks } from '../../src/run/hooks.js'
import { openModel } from '../../src/run/model.js'
import { placeFrozen } from '../../src/run/placed.js'
import { runExperiment } from '../../src/run/run.js'
import { attempt } from '../support/cli.js'
import { temporaryFolder } from '../support/temporary.js'

type Table = Record<string, unknown>
const music = 'builtin:primer/music'
const random = { hidden: 16, layers: 1, heads: 2, max_positions: 48 }

const recipeOf = (out: string, model: Table, train: Table) =>
  completeRecipe({
    ...{ name: 'small', out, backend: 'wasm', seed: 3 },
    model: { max_length: 32, ...model },
    data: { train: music, tests: [{ path: music, name: 'music' }] },
    train: { steps: 4, batch_size: 6, accumulation: 1, learning_rate: 1e-2, checkpoint_every: 1, ...train },
    lora: { rank: 2 },
  })

/** A base model's folder: LoRA is saved as an adapter where it has one. */
const base = (async () => {
  const recipe = recipeOf(await temporaryFolder(), { random }, { method: 'full', steps: 8 })
  return join((await runExperiment(recipe)).folder, 'model')
})()

const weightsOf = (folder: string) =>
  [
    ...['model.safetensors', 'adapter_model.safetensors', '1_Dense/model.safetensors'],
    ...['query/adapter_model.safetensors', 'document/model.safetensors'],
  ]
    .map(name => {
      try {
        return readFileSync(join(folder, name))
      } catch {
        return undefined
      }
    })
    .filter(bytes => bytes !== undefined)

/** The folder's model finds what the run's own did. */
async function checkScore(
  folder: string,
  after: Readonly<Record<string, number>>,
  architecture: string,
): Promise<void> {
  const source = await openModel(folder)
  const backend = await createWasmBackend()
  try {
    const { encoder, passage } = await placeFrozen(backend, source)
    assert.is(passage !== undefined, architecture === 'asymmetric')
    const collection = await loadCollection(await collectionFolder(music))
    const { similarity } = source.settings
    assert.is(similarity, 'dot')
    const again = await evaluateCollection(
      backend,
      encoder,
      similarity,
      tokenizeCollection(source.tokenizer!, source.settings, collection, 32),
      { k: 100, protocol: 'beir', maxLength: 32, ...(passage && { passage: passage.encoder }) },
    )
    assert.ok(
      Math.abs(again.scores.ndcg_at_10! - after.ndcg_at_10!) < 0.005,
      `${again.scores.ndcg_at_10} ${after.ndcg_at_10}`,
    )
  } finally {
    backend.close()
    await source.close()
  }
}

for (const architecture of architectures)
  for (const method of ['full', 'lora']) {
    const model = async () => ({
      path: await base,
      architecture,
      ...(architecture === 'late_interaction' && { projection: 8, query_length: 12 }),
    })

    test(`${architecture}, ${method}: trained, saved, loaded and searched with again`, async () => {
      const result = await runExperiment(recipeOf(await temporaryFolder(), await model(), { method }))
      const after = result.tests[0]!.after!
      assert.not.equal(after, result.tests[0]!.before)
      const path = join(result.folder, 'model')
      const folders = [path]
      if (architecture === 'late_interaction' && method === 'lora') {
        // The projection is trained in full, and lies beside the adapter.
        const adapter = JSON.parse(readFileSync(join(path, 'adapter_config.json'), 'utf8'))
        assert.is(adapter.base_model_name_or_path, await base)
        assert.equal(adapter.target_modules, ['query', 'value'])
        assert.is(weightsOf(path).length, 2)
        const modules = JSON.parse(readFileSync(join(path, 'modules.json'), 'utf8'))
        assert.equal(
          modules.map((each: { path: string }) => each.path),
          ['', '1_Dense'],
        )
        const merged = join(result.folder, 'merged')
        assert.is((await attempt('export', '--model', path, '--out', merged)).code, 0)
        folders.push(merged)
      }
      for (const folder of folders) await checkScore(folder, after, architecture)
    })

    test(`${architecture}, ${method}: in chunks nearly the same losses; stopped and resumed the same bits`, async () => {
      const losses = async (train: Table, hooks: RunHooks = {}) =>
        (await runExperiment(recipeOf(await temporaryFolder(), await model(), { method, dropout: 0, ...train }), hooks))
          .trainings[0]!.summary.loss
      const [whole, chunked] = [await losses({}), await losses({ chunk_size: 3 })]
      assert.is(whole.length, 4)
      whole.forEach((loss, i) => {
        assert.ok(Math.abs(loss - chunked[i]!) < 1e-4 * Math.max(1, loss), `step ${i}: ${loss} and ${chunked[i]}`)
      })
      const recipe = recipeOf(await temporaryFolder(), await model(), { method })
      const controller = new AbortController()
      const progress: RunHooks['progress'] = ({ name, done }) => {
        if (name === 'training' && done === 2) controller.abort(new Error('interrupted'))
      }
      await runExperiment(recipe, { progress, signal: controller.signal }).catch(() => {})
      const resumed = await runExperiment(recipe, { resume: true })
      const once = await runExperiment(recipeOf(await temporaryFolder(), await model(), { method }))
      const [a, b] = [resumed, once].map(({ folder }) => weightsOf(join(folder, 'model')))
      assert.ok(a!.length > 0)
      assert.equal(a, b)
    })
  }

test('late interaction with hard negatives: pairs of a positive and a negative; two encoders on the command line', async () => {
  const path = await base
  const late = { path, architecture: 'late_interaction', projection: 8, query_length: 12 }
  const negatives = { source: 'self', hard: 1, refresh: 2 }
  const recipe = recipeOf(await temporaryFolder(), late, { method: 'lora', negatives })
  assert.is(recipe.train!.loss, 'pairwise_softmax')
  const { summary } = (await runExperiment(recipe)).trainings[0]!
  assert.ok(summary.loss.every(loss => Number.isFinite(loss) && loss > 0))

  const two = { path, architecture: 'asymmetric' }
  const pair = await runExperiment(recipeOf(await temporaryFolder(), two, { method: 'lora', negatives }))
  const words = [
    'eval',
    '--model',
    join(pair.folder, 'model'),
    '--data',
    music,
    '--backend',
    'wasm',
    '--max-length',
    '32',
    '--json',
  ]
  const { code, stdout, stderr } = await attempt(...words)
  assert.is(code, 0, stderr)
  assert.ok(Math.abs(JSON.parse(stdout).scores.ndcg_at_10 - pair.tests[0]!.after!.ndcg_at_10!) < 1e-6)
})

test("an architecture brings its study's settings, which a recipe's own stand above; a completed recipe stays as it is", () => {
  const complete = (model: Table, train: Table) =>
    completeRecipe({ out: '/r', model: { path: '/m', ...model }, data: { train: '/d' }, train })
  const dpr = complete({ architecture: 'asymmetric' }, {})
  assert.equal(
    [dpr.model.pooling, dpr.train!.similarity, dpr.train!.temperature, dpr.train!.clip, dpr.train!.weight_decay],
    ['cls', 'dot', 1, 2, 0],
  )
  assert.equal(
    [dpr.train!.batch_size, dpr.train!.accumulation, dpr.train!.epochs, dpr.train!.learning_rate],
    [16, 8, 40, 2e-4],
  )
  const contriever = complete({ architecture: 'symmetric' }, { steps: 9, method: 'full', warmup_steps: 3 })
  assert.equal(
    [contriever.model.pooling, contriever.train!.temperature, contriever.train!.steps, contriever.train!.epochs],
    ['mean', 0.05, 9, undefined],
  )
  assert.is(contriever.train!.warmup_ratio, undefined)
  const colbert = complete({ architecture: 'late_interaction' }, { method: 'full' })
  assert.equal(
    [colbert.train!.learning_rate, colbert.train!.similarity, colbert.train!.loss, colbert.model.projection],
    [3e-6, 'l2', 'infonce', 128],
  )
  for (const recipe of [dpr, contriever, colbert]) assert.equal(completeRecipe(recipe), recipe)
  assert.throws(() => complete({ projection: 4 }, { steps: 1 }), /late_interaction/)
  assert.throws(() => complete({ architecture: 'late_interaction', pooling: 'cls' }, {}), /no place in late/)
  assert.throws(() => complete({}, { steps: 1, similarity: 'l2' }), /late_interaction/)
  assert.throws(() => complete({ architecture: 'late_interaction' }, { loss: 'both_directions' }), /no place in late/)
})

test.run()
