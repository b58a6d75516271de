// Dry runs: every recipe of the package, on made data and a narrow model; the plan's figures; nothing is left behind.
import { readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig } from '../../../src/model/config.js'
import { completeRecipe } from '../../../src/recipe/complete.js'
import { loadRecipe } from '../../../src/recipe/load.js'
import { configOf } from '../../../src/run/dry/made.js'
import { planText, planTrainings } from '../../../src/run/dry/plan.js'
import { dryRun } from '../../../src/run/dry/run.js'
import { folderWith } from '../../support/temporary.js'

const recipes = new URL('../../../recipes/', import.meta.url).pathname
/** On the processor, which computes in f32 alone. */
const named = (name: string) =>
  loadRecipe(`${recipes}${name}`, [
    'backend="wasm"',
    ...(/^precision = "mixed"/m.test(readFileSync(`${recipes}${name}`, 'utf8')) ? ['train.precision="f32"'] : []),
  ])

/** Qwen1.5-0.5B's sizes. */
const qwen = {
  ...{
    model_type: 'qwen2',
    hidden_size: 1024,
    num_hidden_layers: 24,
    num_attention_heads: 16,
    num_key_value_heads: 16,
  },
  ...{ intermediate_size: 2816, hidden_act: 'silu', vocab_size: 151936, max_position_embeddings: 32768 },
  ...{ rms_norm_eps: 1e-6, rope_theta: 1e6, initializer_range: 0.02, attention_dropout: 0 },
}

// A study is a grid of recipes, and none itself.
const isStudy = (file: string) => /^\[\[?grid\b/m.test(readFileSync(`${recipes}${file}`, 'utf8'))

for (const file of readdirSync(recipes).filter(name => name.endsWith('.toml') && !isStudy(name)))
  test(`${file}: goes through everything, and leaves nothing`, async () => {
    const recipe = await named(file)
    const before = readdirSync(tmpdir()).filter(name => name.startsWith('wgpu-retrieve-'))
    const said: string[] = []
    const result = await dryRun(recipe, { rate: 1e12 }, { say: line => void said.push(line) })
    assert.is(result.trainings.length, recipe.train ? 1 + recipe.variants.length : 0)
    for (const { summary } of result.trainings) assert.is(summary.steps, 2)
    assert.is(result.tdro?.records.length, recipe.tdro ? 2 : undefined)
    assert.is(result.tests.length, recipe.data.tests.length)
    assert.match(said.join('\n'), /dry run: went through everything/)
    const left = readdirSync(tmpdir()).filter(name => name.startsWith('wgpu-retrieve-'))
    assert.ok(!left.includes(result.folder.split('/').at(-3)!), `${left.length} folders, ${before.length} before`)
  })

test("tdro-paper: memory and time of the paper's setting, from the model's config alone", async () => {
  const recipe = await named('tdro-paper.toml')
  const plans = planTrainings(recipe, parseConfig(qwen, 'qwen'))
  assert.equal(
    plans.map(({ name }) => name),
    ['LoRA', 'tDRO proxy', 'top-70', 'reweight'],
  )
  const [lora, proxy] = plans
  const weights = 463_987_712
  // Full: values, gradients and two moments in f32.
  assert.is(proxy!.weights, 16 * weights)
  assert.ok(lora!.weights > 4 * weights && lora!.weights < 4.2 * weights)
  assert.is(lora!.tokens, 1000 * 2048 * (128 + 8 * 512))
  assert.is(lora!.representations, 2 * 4 * 2048 * 9 * 1024)
  // Layers are run again: of each its result is kept, of 64 sequences of 512 tokens, and what one layer needs.
  assert.ok(lora!.activations > 24 * 4 * 64 * 512 * 1024)
  const kept = { ...recipe, train: { ...recipe.train!, recompute: false } }
  assert.ok(planTrainings(kept, parseConfig(qwen, 'qwen'))[0]!.activations > 1.5 * lora!.activations)
  const products = 24 * (4 * 1024 * 1024 + 3 * 1024 * 2816)
  assert.ok(lora!.flops > 2 * 4 * products * lora!.tokens && lora!.flops < 2.6 * 4 * products * lora!.tokens)
})

test('epochs are planned for 1,000 pairs, a random start by its sizes', async () => {
  const recipe = (train: object) =>
    completeRecipe({
      ...{ name: 'plan', model: { random: { hidden: 64, layers: 2, heads: 2 }, max_length: 32 }, data: { train: 'x' } },
      train: { method: 'full', batch_size: 20, ...train },
    })
  const config = (await configOf(recipe({ steps: 1 })))!
  assert.equal([config.hidden, config.layers, config.vocabulary], [64, 2, 8000])
  const [byEpochs] = planTrainings(recipe({ epochs: 3 }), config)
  const [bySteps] = planTrainings(recipe({ steps: 150 }), config)
  assert.is(byEpochs!.epochs, 3)
  assert.is(byEpochs!.tokens, 3 * 1000 * (32 + 32))
  assert.equal({ ...byEpochs, epochs: undefined }, { ...bySteps, epochs: undefined })
  assert.match(
    planText([byEpochs!], 1e9)[0]!,
    /MiB; of each 1,000 pairs, 3 epochs: 0\.2 M tokens at most, 0\.\d TFLOP: /,
  )
  assert.match(planText([{ ...bySteps!, flops: 9e12 }], 1e11)[0]!, /9\.0 TFLOP: 90 s at 0\.10 TFLOP\/s$/)
  assert.match(planText([{ ...bySteps!, flops: 9e13 }], 1e11)[0]!, /90\.0 TFLOP: 15\.0 min at/)
})

test('keys that have to be made small with the rest: a dev split, kinds of batches, matryoshka, weights from a file', async () => {
  const recipe = completeRecipe({
    ...{ name: 'odd', backend: 'wasm', model: { random: { hidden: 64, layers: 3, heads: 4 } } },
    data: {
      train: ['not-here/a', { path: 'not-here/b', prompt: 'x', max_length: 100 }],
      dev: [{ path: 'not-here/c' }],
      tests: [{ path: 'not-here/d', queries: 'not-here/e' }],
    },
    train: {
      ...{ method: 'full', epochs: 3, warmup_ratio: 0.1, sets: 'homogeneous', weights_file: 'not-here/weights.json' },
      ...{ transfer: 'top-p', matryoshka: { dimensions: [64, 16] }, eval_every: 100 },
      early_stopping: { patience: 3 },
      negatives: { hard: 2 },
    },
    variants: [
      {
        name: 'lengths',
        train: { transfer: 'uniform', sets: 'together', batches: 'by_length', tokens_per_batch: 9000 },
      },
    ],
  })
  const said: string[] = []
  const { trainings } = await dryRun(recipe, { rate: 1e12 }, { say: line => void said.push(line) })
  assert.equal(
    trainings.map(({ summary }) => summary.steps),
    [2, 2],
  )
  assert.match(said.join('\n'), /not here yet, 4 of the recipe's data: .*not-here\/a/)
})

test("a model's own family stands for it, narrow", async () => {
  const folder = folderWith({ 'config.json': JSON.stringify({ ...qwen, architectures: ['Qwen2Model'] }) })
  const recipe = completeRecipe({
    ...{ name: 'family', backend: 'wasm', model: { path: folder, pooling: 'lasttoken' }, data: { train: 'not-here' } },
    ...{ train: { steps: 500 }, lora: { targets: ['q_proj', 'down_proj'] } },
  })
  const said: string[] = []
  const { trainings } = await dryRun(recipe, { rate: 2e12 }, { say: line => void said.push(line) })
  assert.is(trainings[0]!.summary.steps, 2)
  assert.match(said[0]!, /^plan, LoRA: weights 1\.\d+ GiB, a step .* h at 2\.00 TFLOP\/s$/)
})
test.run()
