// Whole runs on the collection in the package with a very small encoder: what is written, the same bits for the same seed, resumed or not, and
// what happens when something goes wrong.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { collectionFolder } from '../../src/data/builtin.js'
import { loadCollection } from '../../src/data/collection.js'
import { openSafetensors } from '../../src/data/safetensors.js'
import { completeRecipe } from '../../src/recipe/complete.js'
import { loadRecipe } from '../../src/recipe/load.js'
import { evaluateCollection, tokenizeCollection } from '../../src/run/evaluate.js'
import type { RunHooks } from '../../src/run/hooks.js'
import { openModel, placeModel } from '../../src/run/model.js'
import { runExperiment } from '../../src/run/run.js'
import { exists } from '../../src/runtime/files.js'
import { failure, temporaryFolder } from '../support/temporary.js'

const music = 'builtin:primer/music'
const box = { train: music, dev: [{ path: music }], tests: [{ path: music, name: 'music' }] }
const random = { hidden: 16, layers: 1, heads: 2, max_positions: 48 }
type Table = Record<string, unknown>

const recipeOf = (out: string, train: Table, more: Table = {}) =>
  completeRecipe({
    name: 'small',
    out,
    backend: 'wasm',
    model: { random, max_length: 32 },
    data: box,
    train: { method: 'full', steps: 6, batch_size: 8, learning_rate: 1e-3, checkpoint_every: 2, ...train },
    ...more,
  })

const bytes = (...path: string[]) => readFileSync(join(...path))
const losses = (folder: string) =>
  readFileSync(join(folder, 'log.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line).loss as number)

test('a run leaves its folder, and the same seed gives the same bits; a second run does not overwrite the first', async () => {
  const out = await temporaryFolder()
  const first = await runExperiment(recipeOf(out, { eval_every: 3 }))
  const second = await runExperiment(recipeOf(out, { eval_every: 3 }))
  assert.is(first.folder, join(out, 'small'))
  assert.is(second.folder, join(out, 'small-2'))
  for (const name of [
    'recipe.toml',
    'metrics.json',
    'report.html',
    'log.jsonl',
    'model/config.json',
    'model/modules.json',
    'runs/music.before.trec',
    'runs/music.after.trec',
  ])
    assert.ok(await exists(join(first.folder, name)), name)
  assert.not.ok(await exists(join(first.folder, 'checkpoint.safetensors')), 'a finished run keeps no checkpoint')
  assert.equal(bytes(first.folder, 'model/model.safetensors'), bytes(second.folder, 'model/model.safetensors'))
  assert.equal(losses(first.folder), losses(second.folder))
  assert.is(losses(first.folder).length, 6)
  const other = await runExperiment({ ...recipeOf(out, { eval_every: 3 }), seed: 43 })
  assert.not.equal(losses(first.folder), losses(other.folder))
  const saved = await loadRecipe(join(first.folder, 'recipe.toml'))
  assert.equal({ ...saved }, { ...recipeOf(out, { eval_every: 3 }) })
  const metrics = JSON.parse(bytes(first.folder, 'metrics.json').toString())
  assert.equal(metrics.training.loss, losses(first.folder))
  assert.is(metrics.tests[0].after.ndcg_at_10, first.tests[0]!.after!.ndcg_at_10)
})

/** Interrupts a run after so many steps. */
function interruptAfter(steps: number): RunHooks {
  const controller = new AbortController()
  const progress: RunHooks['progress'] = ({ name, done }) => {
    if (name === 'training' && done === steps) controller.abort(new Error('interrupted'))
  }
  return { progress, signal: controller.signal }
}

test('an interrupted run, resumed, ends in the bits of one that was not', async () => {
  const out = await temporaryFolder()
  const settings = { steps: 8, eval_every: 2, accumulation: 2, dropout: 0.1 }
  const whole = await runExperiment(recipeOf(out, settings, { name: 'whole' }))
  for (const steps of [1, 3, 4]) {
    const recipe = recipeOf(out, settings, { name: `cut-${steps}-` })
    assert.match(await failure(runExperiment(recipe, interruptAfter(steps))), /interrupted/)
    const resumed = await runExperiment(recipe, { resume: true })
    assert.equal(
      bytes(whole.folder, 'model/model.safetensors'),
      bytes(resumed.folder, 'model/model.safetensors'),
      `after ${steps}`,
    )
    assert.equal(losses(whole.folder), losses(resumed.folder))
    assert.match(await failure(runExperiment(recipe, { resume: true })), /nothing to resume/)
  }
  const changed = recipeOf(out, settings, { name: 'changed' })
  await failure(runExperiment(changed, interruptAfter(3)))
  const message = await failure(runExperiment({ ...changed, seed: 7 }, { resume: true }))
  assert.match(message, /belongs to a run with other settings \(\[seed\] differ/)
})

test('LoRA over a saved model: an adapter folder that loads again and scores the same', async () => {
  const out = await temporaryFolder()
  const base = await runExperiment(recipeOf(out, { steps: 20 }, { name: 'base' }))
  const path = join(base.folder, 'model')
  const recipe = completeRecipe({
    name: 'adapted',
    out,
    backend: 'wasm',
    model: { path, max_length: 32 },
    data: box,
    train: { method: 'lora', steps: 6, batch_size: 8, learning_rate: 1e-2, chunk_size: 5 },
    lora: { rank: 2, alpha: 4 },
  })
  const adapted = await runExperiment(recipe)
  assert.equal(adapted.tests[0]!.before, base.tests[0]!.after)
  assert.not.equal(adapted.tests[0]!.after, adapted.tests[0]!.before)
  assert.ok(await exists(join(adapted.folder, 'model', 'adapter_model.safetensors')))

  const source = await openModel(join(adapted.folder, 'model'))
  const backend = await createWasmBackend()
  const loaded = await placeModel(backend, source)
  const collection = await loadCollection(await collectionFolder(music))
  const tokenized = tokenizeCollection(source.tokenizer!, source.settings, collection, 32)
  const { k, protocol, measures } = recipe.eval
  const again = await evaluateCollection(backend, loaded.encoder, 'cosine', tokenized, {
    k,
    protocol,
    measures,
    maxLength: 32,
  })
  assert.equal(again.scores, adapted.tests[0]!.after)
  await source.close()
})

test('early stopping keeps the best weights', async () => {
  const out = await temporaryFolder()
  const said: string[] = []
  const train = { steps: 200, eval_every: 1, early_stopping: { patience: 2 }, learning_rate: 0.05 }
  const { trainings } = await runExperiment(recipeOf(out, train), { warn: line => said.push(line) })
  const training = trainings[0]!.summary
  assert.ok(training.stopped_early)
  assert.is(training.steps, training.best_step! + 2)
  assert.ok(said.some(line => /stopped early after step/.test(line)))
})

test('a loss that is not finite stops the run, names the step and keeps the last good checkpoint', async () => {
  const out = await temporaryFolder()
  // Weights of about 1e30 overflow in the products of the next steps.
  const message = await failure(runExperiment(recipeOf(out, { steps: 50, learning_rate: 1e30, checkpoint_every: 1 })))
  const step = Number(
    /step (\d+): the (?:loss|gradient norm) is (?:NaN|-?Infinity), expected a finite number; lower the learning rate/.exec(
      message,
    )?.[1],
  )
  assert.ok(step > 0, message)
  const checkpoint = await openSafetensors(join(out, 'small', 'checkpoint.safetensors'))
  assert.is(JSON.parse(checkpoint.metadata.state!).step, step)
  for (const name of checkpoint.tensors.keys())
    if (name.endsWith('.parameters')) assert.ok((await checkpoint.readF32(name)).every(Number.isFinite), name)
  await checkpoint.close()
  assert.not.ok(await exists(join(out, 'small', 'model')))
})

test('training alone leaves the tests out', async () => {
  const { tests, trainings } = await runExperiment(recipeOf(await temporaryFolder(), {}), { trainOnly: true })
  assert.equal(tests, [])
  const training = trainings[0]!.summary
  assert.is(training.steps, 6)
  assert.is(training.loss.length, 6)
  assert.ok(training.tokens_per_second > 0 && training.peak_bytes > 0)
})
test.run()
