import { fileURLToPath } from 'node:url'
import { stringify } from 'smol-toml'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadRecipe, recipeToToml } from '../../src/recipe/load.js'
import { isRecipeError } from '../../src/recipe/problems.js'
import { resolve } from '../../src/runtime/files.js'
import { failure, folderWith } from '../support/temporary.js'

const file = {
  model: { path: '../model' },
  data: {
    train: 'set/train.jsonl',
    dev: [{ path: 'set' }],
    tests: [{ path: '/absolute/set', split: 'dev', name: 'dev set' }],
  },
  train: { epochs: 2, warmup_ratio: 0.1, clip: Number.POSITIVE_INFINITY },
}
const folder = folderWith({
  'recipes/tiny.toml': stringify(file),
  'recipes/broken.toml': 'seed = 1\n[train\n',
  'recipes/twice.toml': 'seed = 1\nseed = 2\n',
  'recipes/wrong.toml': '[model]\npath = "m"\n[data]\ntests = [{ path = "d" }]\n[eval]\nkk = 5\n',
})
const tiny = `${folder}/recipes/tiny.toml`
const load = (...overrides: string[]) => loadRecipe(tiny, overrides)
const refusal = (...overrides: string[]) => failure(load(...overrides))

test('paths in a file start from its folder, those in --set from the working directory', async () => {
  const recipe = await load()
  assert.is(recipe.name, 'tiny')
  assert.is(recipe.model.path, resolve(folder, 'model'))
  assert.equal(recipe.data.train, [resolve(folder, 'recipes/set/train.jsonl')])
  assert.is(recipe.data.dev?.[0]?.path, resolve(folder, 'recipes/set'))
  assert.is(recipe.data.tests[0]?.path, resolve('/absolute/set'))
  assert.is(recipe.out, resolve('runs'))
  const changed = await load('model.path=other/model', 'out=elsewhere', 'data.tests=[{ path = "given" }]')
  assert.is(changed.model.path, resolve('other/model'))
  assert.is(changed.out, resolve('elsewhere'))
  assert.equal(changed.data.tests, [{ path: resolve('given'), split: 'test', name: 'given', domain: 'out' }])
  assert.is(changed.data.dev?.[0]?.path, resolve(folder, 'recipes/set'))
})

test('overrides are TOML values, or bare words', async () => {
  const {
    train,
    eval: evaluation,
    ...rest
  } = await load(
    'train.batch_size=32',
    'train.learning_rate = 1e-3',
    'train.schedule=cosine',
    'train.betas=[0.8, 0.9]',
    'train.negatives={ hard = 2 }',
    'train.drop_last=false',
    'train.early_stopping.patience=3',
    'train.eval_every=5',
    'eval.measures=["map", \'mrr_at_10\']',
    'name=2024-01-01',
    'adapter=RTX 4090 # 2',
    'backend="webgpu"',
    'train.batch_size=16',
  )
  assert.equal(
    [train?.batch_size, train?.learning_rate, train?.schedule, train?.betas, train?.negatives, train?.drop_last],
    [16, 1e-3, 'cosine', [0.8, 0.9], { in_batch: true, hard: 2, mask_duplicates: false }, false],
  )
  assert.equal(train?.early_stopping, { patience: 3, metric: 'ndcg_at_10' })
  assert.equal(evaluation.measures, ['map', 'mrr_at_10'])
  assert.equal([rest.name, rest.adapter, rest.backend], ['2024-01-01', 'RTX 4090 # 2', 'webgpu'])
})

test('an override takes the place of what it excludes', async () => {
  const { train } = await load('train.steps=10', 'train.warmup_steps=4')
  assert.equal([train?.steps, train?.warmup_steps], [10, 4])
  assert.not('epochs' in train!)
  assert.not('warmup_ratio' in train!)
  const { model } = await load('model.random.hidden=8', 'model.random.heads=2', 'model.random.layers=1')
  assert.not('path' in model)
  assert.is(model.random?.hidden, 8)
  assert.match(await refusal('train.steps=10', 'train.epochs=1'), /has both epochs and steps/)
})

test('a bad override is refused in its own name', async () => {
  assert.match(
    await refusal('train.batchsize=3'),
    /^--set train\.batchsize=3: train\.batchsize: unknown key \(found 3\); did you mean train\.batch_size\?$/,
  )
  assert.match(await refusal('__proto__.x=1'), /^--set __proto__\.x=1: __proto__: unknown key/)
  assert.match(await refusal('train.epochs.x=1'), /train\.epochs: expected an integer/)
  assert.match(await refusal('train'), /^--set train: expected key=value, such as/)
  assert.match(await refusal('=3'), /expected key=value/)
  assert.match(await refusal('train.betas=[1,'), /not a TOML value/)
  assert.match(await refusal('data.tests.0.path=x'), /data\.tests is a list, which is set as a whole/)
  assert.match(
    await refusal('train.batch_size=many'),
    /tiny\.toml with --set: train\.batch_size: expected an integer of 1 or more, found "many"/,
  )
  assert.match(await refusal('train.batch_size=1\nclip=2'), /found "1\\nclip=2"/)
})

test('a completed recipe is read back to the same record, from whichever folder it is written to', async () => {
  const given = ['train.eval_every=7', 'train.early_stopping.patience=1', 'name=été 1', 'seed=9007199254740991']
  const recipe = await load(...given)
  assert.is(recipe.name, 'été 1')
  const absolute = folderWith({ 'recipe.toml': recipeToToml(recipe) })
  assert.equal(await loadRecipe(`${absolute}/recipe.toml`), recipe)
  const run = folderWith({ 'runs/été 1/recipe.toml': recipeToToml(recipe, `${folder}/runs/été 1`) })
  const moved = await loadRecipe(`${run}/runs/été 1/recipe.toml`)
  assert.is(moved.model.path, resolve(run, 'model'), 'relative to the run, so that both can be moved together')
  const here = folderWith({})
  const beside = folderWith({ 'x.toml': recipeToToml(recipe, here) })
  assert.match(recipeToToml(recipe, here), /path = "\.\.\//)
  assert.equal((await loadRecipe(`${beside}/x.toml`)).model, recipe.model, 'folders side by side')
})

test('[quick] is what --quick puts on top, below the overrides', async () => {
  const { recipes } = {
    recipes: folderWith({
      'with.toml': stringify({ ...file, quick: { train: { steps: 5 }, data: { dev: [{ path: 'small' }] } } }),
      'wrong.toml': stringify({ ...file, quick: { train: { step: 5 } } }),
    }),
  }
  const quick = await loadRecipe(`${recipes}/with.toml`, ['train.batch_size=2'], { quick: true })
  assert.equal([quick.train?.steps, quick.train?.epochs, quick.train?.batch_size], [5, undefined, 2])
  assert.is(quick.data.dev?.[0]?.path, resolve(recipes, 'small'))
  assert.is((await loadRecipe(`${recipes}/with.toml`)).train?.epochs, 2)
  assert.is((await loadRecipe(`${recipes}/with.toml`, ['train.steps=7'], { quick: true })).train?.steps, 7)
  assert.match(await failure(loadRecipe(tiny, [], { quick: true })), /tiny\.toml: quick: missing; --quick needs/)
  assert.match(await failure(loadRecipe(`${recipes}/wrong.toml`)), /quick\.train\.step: unknown key \(found 5\)/)
})

test('files that are no recipe: the file, the line and the reason', async () => {
  assert.match(
    await failure(loadRecipe(`${folder}/recipes/broken.toml`)),
    /broken\.toml: not valid TOML at line 2, column 7: .+\n1: {2}seed = 1\n2: {2}\[train/,
  )
  assert.match(await failure(loadRecipe(`${folder}/recipes/twice.toml`)), /twice\.toml: not valid TOML at line 2/)
  assert.match(
    await failure(loadRecipe(`${folder}/recipes/wrong.toml`)),
    /wrong\.toml: eval\.kk: unknown key \(found 5\)/,
  )
  assert.match(await failure(loadRecipe(`${folder}/recipes/none.toml`)), /none\.toml: no such file/)
  const error = await loadRecipe(`${folder}/recipes/wrong.toml`).catch((thrown: unknown) => thrown)
  assert.ok(isRecipeError(error))
})

test("the repository's recipes hold the settings of the published reference point", async () => {
  const settings = (path: string) => loadRecipe(fileURLToPath(new URL(`../../recipes/${path}`, import.meta.url)))
  const [lora, full] = [await settings('conala-lora.toml'), await settings('conala-full.toml')]
  assert.equal([lora.train?.learning_rate, full.train?.learning_rate], [2e-4, 5e-5])
  assert.equal(lora.lora, { rank: 8, alpha: 32, dropout: 0.1, targets: ['query', 'value'] })
  assert.not('lora' in full)
  assert.is(lora.data.tests[0]?.name, 'conala')
  for (const { train, model, eval: evaluation } of [lora, full]) {
    assert.equal([train?.epochs, train?.batch_size, train?.drop_last, train?.temperature], [5, 64, true, 0.05])
    assert.equal([train?.warmup_steps, train?.warmup_offset, train?.schedule, train?.clip], [18, 1, 'linear', 1])
    assert.equal([train?.weight_decay, train?.decay_bias_and_norm, train?.betas], [0.01, true, [0.9, 0.999]])
    assert.equal([train?.max_length, evaluation.max_length, train?.negatives.in_batch], [64, 256, true])
    assert.equal([model.pooling, model.normalize, train?.similarity], ['mean', true, 'cosine'])
  }
})

test.run()
