import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { completeRecipe } from '../../src/recipe/complete.js'
import { isRecipeError, type Problem } from '../../src/recipe/problems.js'
import { resolve } from '../../src/runtime/files.js'

type Sections = Record<string, Record<string, unknown> | string | number>

const minimal = {
  model: { path: 'model' },
  data: { train: 'set', tests: [{ path: 'set' }] },
  train: { epochs: 1 },
}

/** The minimal recipe with keys of its sections replaced; undefined takes a key out. */
function changed(changes: Sections): unknown {
  const merged = Object.entries(changes).map(([name, value]) => {
    const section = { ...minimal[name as keyof typeof minimal], ...(value as object) }
    const kept = Object.entries(section).filter(([, below]) => below !== undefined)
    return [name, typeof value === 'object' ? Object.fromEntries(kept) : value]
  })
  return { ...minimal, ...Object.fromEntries(merged) }
}

function problemsOf(input: unknown): readonly Problem[] {
  try {
    completeRecipe(input)
  } catch (error) {
    if (isRecipeError(error)) return error.problems
    throw error
  }
  return []
}

/** The recipe is refused for one reason, at `key`, in words that match. */
function refuses(input: unknown, key: string, words: RegExp): void {
  const problems = problemsOf(input)
  assert.equal(
    problems.map(problem => problem.key),
    [key],
    `one problem at ${key}: ${JSON.stringify(problems)}`,
  )
  assert.match(problems[0]!.message, words)
}

test('a minimal recipe is completed with the documented defaults', () => {
  assert.equal(completeRecipe(minimal, { folder: '/recipes', name: 'tiny' }), {
    name: 'tiny',
    seed: 42,
    backend: 'auto',
    out: resolve('runs'),
    model: { path: resolve('/recipes/model'), max_length: 256 },
    data: {
      train: [resolve('/recipes/set')],
      sentence_queries: false,
      tests: [{ path: resolve('/recipes/set'), split: 'test', name: 'set', domain: 'in' }],
    },
    variants: [],
    train: {
      method: 'lora',
      epochs: 1,
      batch_size: 64,
      batches: 'uniform',
      sets: 'together',
      accumulation: 1,
      max_length: 256,
      negatives: { in_batch: true, hard: 0, mask_duplicates: false },
      loss: 'infonce',
      temperature: 0.05,
      similarity: 'cosine',
      learning_rate: 2e-4,
      schedule: 'linear',
      warmup_steps: 0,
      warmup_offset: 0,
      min_factor: 0,
      weight_decay: 0.01,
      decay_bias_and_norm: false,
      betas: [0.9, 0.999],
      epsilon: 1e-8,
      clip: 1,
      drop_last: true,
    },
    lora: { rank: 8, alpha: 32, dropout: 0.1, targets: ['query', 'value'] },
    eval: {
      k: 100,
      protocol: 'beir',
      measures: ['ndcg_at_10', 'ndcg_at_100', 'map_at_100', 'mrr_at_10', 'recall_at_10', 'recall_at_100'],
      batch_tokens: 8192,
      max_length: 256,
      before: true,
      baselines: [],
    },
  })
})

test('completing a completed recipe changes nothing, wherever it is done', () => {
  const once = completeRecipe(minimal)
  assert.equal(completeRecipe(once, { folder: '/elsewhere', name: 'other' }), once)
})

test('defaults that depend on other keys', () => {
  const full = completeRecipe(changed({ train: { method: 'full' }, lora: { rank: 4 } }))
  assert.is(full.train?.learning_rate, 2e-5)
  assert.not('lora' in full)
  assert.is(completeRecipe(changed({ train: { learning_rate: 1e-3 } })).train?.learning_rate, 1e-3)
  const ratio = completeRecipe(changed({ train: { warmup_ratio: 0.1 } })).train
  assert.is(ratio?.warmup_ratio, 0.1)
  assert.not('warmup_steps' in ratio!)
  const short = completeRecipe(changed({ model: { max_length: 64 }, eval: { max_length: 128 } }))
  assert.equal([short.model.max_length, short.train?.max_length, short.eval.max_length], [64, 64, 128])
  assert.equal(completeRecipe(changed({ eval: { k: 10 } })).eval.measures, ['ndcg_at_10', 'mrr_at_10', 'recall_at_10'])
  assert.equal(completeRecipe(changed({ eval: { k: 3 } })).eval.measures, ['ndcg_at_3'])
  const random = { hidden: 32, layers: 2, heads: 4, max_positions: 48 }
  const seeded = completeRecipe({ ...minimal, seed: 7, model: { random } })
  assert.equal(seeded.model, { random: { ...random, intermediate: 128, seed: 7 }, max_length: 48 })
})

test('a recipe without [train] only scores', () => {
  const scoring = completeRecipe({ model: { path: 'm' }, data: { tests: [{ path: 'a/b/', split: 'dev' }] } })
  assert.not('train' in scoring)
  assert.not('lora' in scoring)
  assert.is(scoring.data.tests[0]?.name, 'b')
})

test('unknown keys are refused with the nearest right one', () => {
  refuses(
    changed({ train: { batchsize: 32 } }),
    'train.batchsize',
    /unknown key \(found 32\); did you mean train\.batch_size\?/,
  )
  refuses(changed({ train: { rank: 32 } }), 'train.rank', /did you mean lora\.rank\?/)
  refuses(
    changed({ train: { negatives: { hrad: 1 } } }),
    'train.negatives.hrad',
    /did you mean train\.negatives\.hard\?/,
  )
  refuses(
    changed({ data: { tests: [{ path: 'a' }, { path: 'b', spilt: 'x' }] } }),
    'data.tests.1.spilt',
    /did you mean data\.tests\.1\.split\?/,
  )
  refuses({ ...minimal, trian: { epochs: 1 } }, 'trian', /did you mean train\?/)
  refuses(
    changed({ data: { max_length: 8 } }),
    'data.max_length',
    /model\.max_length or (tdro\.max_length or )?train\.max_length or eval\.max_length/,
  )
  refuses(changed({ lora: { zzzzzz: true } }), 'lora.zzzzzz', /expected one of rank, alpha, dropout, targets/)
  refuses(
    JSON.parse('{"__proto__": {"x": 1}, "model": {"path": "m"}, "data": {"tests": [{"path": "a"}]}}'),
    '__proto__',
    /unknown key/,
  )
  refuses({ ...minimal, constructor: 1 }, 'constructor', /unknown key/)
})

test('wrong types and impossible values name what was expected and found', () => {
  refuses(
    changed({ train: { batch_size: '64' } }),
    'train.batch_size',
    /^expected an integer of 1 or more, found "64"$/,
  )
  refuses(changed({ train: { batch_size: 6.5 } }), 'train.batch_size', /an integer of 1 or more, found 6\.5$/)
  refuses(changed({ train: { batch_size: 0 } }), 'train.batch_size', /found 0$/)
  refuses(changed({ train: { temperature: 0 } }), 'train.temperature', /expected a number above 0, found 0$/)
  refuses(changed({ train: { temperature: Number.NaN } }), 'train.temperature', /found nan$/)
  refuses(
    changed({ train: { schedule: 'cosin' } }),
    'train.schedule',
    /one of "linear", "cosine", "constant", found "cosin"; did you mean "cosine"\?/,
  )
  refuses(changed({ train: { drop_last: 1 } }), 'train.drop_last', /expected true or false, found 1/)
  refuses(changed({ train: { betas: [0.9] } }), 'train.betas.1', /found nothing/)
  refuses(changed({ train: { betas: [0.9, 1] } }), 'train.betas.1', /from 0 to below 1, found 1/)
  refuses(changed({ train: { warmup_offset: 2 } }), 'train.warmup_offset', /expected 0 or 1, found 2/)
  refuses(changed({ train: { weight_decay: -0.1 } }), 'train.weight_decay', /found -0\.1/)
  refuses(changed({ train: { clip: 0 } }), 'train.clip', /above 0/)
  assert.is(
    completeRecipe(changed({ train: { clip: Number.POSITIVE_INFINITY } })).train?.clip,
    Number.POSITIVE_INFINITY,
  )
  refuses(changed({ lora: { targets: [] } }), 'lora.targets', /expected a list of layer names/)
  refuses(changed({ lora: { targets: 'query' } }), 'lora.targets', /expected a list of layer names .*, found "query"/)
  refuses(changed({ data: { tests: [{ split: 'test' }] } }), 'data.tests.0.path', /^missing; expected a BEIR folder$/)
  refuses(
    changed({ data: { tests: 'conala' } }),
    'data.tests',
    /expected a list of \{ path, split, name, domain \}, found "conala"/,
  )
  refuses({ ...minimal, model: 3 }, 'model', /expected a table with path, random, .*, found 3/)
  refuses({ data: minimal.data, train: minimal.train }, 'model', /^missing; expected a table with path/)
  refuses({ ...minimal, seed: -1 }, 'seed', /an integer of 0 or more/)
  refuses({ ...minimal, name: 'a/b' }, 'name', /found "a\/b"/)
  refuses({ ...minimal, name: '..' }, 'name', /no leading dot/)
  refuses(
    changed({ eval: { measures: ['ndcg@10'] } }),
    'eval.measures.0',
    /unknown measure "ndcg@10".*did you mean ndcg_at_10\?/,
  )
  refuses(changed({ model: { path: new Date(0) } }), 'model.path', /found the date 1970-01-01T00/)
  refuses('text', '', /expected a table with name, question, seed/)
})

test('every mistake is told at once', () => {
  const keys = problemsOf({ ...minimal, sede: 1, train: { epochs: 'two', clip: -1 } }).map(problem => problem.key)
  assert.equal(keys, ['sede', 'train.epochs', 'train.clip'])
})

test('contradictions are refused with the reason and the fix', () => {
  refuses(changed({ train: { steps: 5 } }), 'train', /both epochs and steps/)
  refuses(changed({ train: { epochs: undefined } }), 'train', /neither epochs nor steps/)
  refuses(changed({ train: { warmup_steps: 5, warmup_ratio: 0.1 } }), 'train', /both warmup_steps and warmup_ratio/)
  refuses(
    changed({ train: { batch_size: 1 } }),
    'train.batch_size',
    /InfoNCE needs at least one negative; set batch_size to 2/,
  )
  assert.is(completeRecipe(changed({ train: { batch_size: 1, negatives: { hard: 1 } } })).train?.batch_size, 1)
  refuses(
    changed({ train: { negatives: { in_batch: false } } }),
    'train.negatives',
    /in_batch = false and hard = 0.*at least one negative/,
  )
  refuses(changed({ train: { eval_every: 10 } }), 'train.eval_every', /needs a dev split; add \[data\] dev/)
  refuses(
    changed({ train: { early_stopping: { patience: 2 } } }),
    'train.early_stopping',
    /needs a dev split; add \[data\] dev/,
  )
  const dev = { dev: [{ path: 'set' }] }
  refuses(
    changed({ data: dev, train: { early_stopping: { patience: 2 } } }),
    'train.early_stopping',
    /needs train\.eval_every/,
  )
  const stopping = completeRecipe(changed({ data: dev, train: { eval_every: 5, early_stopping: { patience: 2 } } }))
  assert.equal(stopping.train?.early_stopping, { patience: 2, metric: 'ndcg_at_10' })
  assert.is(stopping.data.dev?.[0]?.split, 'dev')
  refuses(changed({ train: { min_factor: 0.1 } }), 'train.min_factor', /schedule = "cosine"/)
  refuses(
    changed({ eval: { k: 10, measures: ['map', 'recall_at_100'] } }),
    'eval.measures.1',
    /looks at 100 documents.*set eval\.k = 100/,
  )
})

test('what is trained on, with what, must be there once', () => {
  const random = { hidden: 32, layers: 2, heads: 4 }
  refuses(changed({ model: { random } }), 'model', /both path and random/)
  refuses(changed({ model: { path: undefined } }), 'model', /neither path .* nor random/)
  refuses(changed({ model: { tokenizer: 'folder' } }), 'model.tokenizer', /is for model\.random/)
  refuses(
    { ...minimal, model: { random: { ...random, heads: 5 } } },
    'model.random.hidden',
    /a multiple of heads \(5\), found 32/,
  )
  refuses(
    {
      ...minimal,
      model: { random: { ...random, max_positions: 64 }, max_length: 65 },
      train: { epochs: 1, max_length: 9 },
      eval: { max_length: 9 },
    },
    'model.max_length',
    /more than model\.random\.max_positions \(64\)/,
  )
  refuses(changed({ data: { train: undefined } }), 'data.train', /missing; expected a BEIR folder or a train\.jsonl/)
  refuses({ model: { path: 'm' }, data: { train: 'set' } }, 'train', /missing; give \[train\] epochs or steps/)
  refuses({ model: { path: 'm' } }, 'data', /nothing to do/)
  refuses({ model: { path: 'm' }, data: { tests: [{ path: 'a' }] }, lora: {} }, 'lora', /add \[train\]/)
  const twice = { tests: [{ path: 'a/en' }, { path: 'b/en' }] }
  refuses(changed({ data: twice }), 'data.tests.1.name', /"en" is also the name of data\.tests\.0/)
})

test('variants are the recipe with their own keys on top', () => {
  const variants = [
    { name: 'full', train: { method: 'full', steps: 3 } },
    { name: 'wide', lora: { rank: 64 } },
  ]
  const recipe = completeRecipe({ ...minimal, variants, lora: { alpha: 8 } })
  const [full, wide] = recipe.variants
  assert.equal([full!.train.method, full!.train.steps, full!.train.epochs], ['full', 3, undefined])
  assert.is(full!.train.learning_rate, 2e-5, 'the default of its method')
  assert.not.ok('lora' in full!)
  assert.equal([wide!.train, wide!.lora?.rank, wide!.lora?.alpha], [recipe.train, 64, 8])
  assert.equal(completeRecipe(recipe), recipe, 'a completed recipe is left as it is')
  const named = (...names: string[]) => ({ ...minimal, variants: names.map(name => ({ name })) })
  refuses(named('lora'), 'variants.0.name', /"lora" already names another column/)
  refuses(named('a', 'a'), 'variants.1.name', /already names another/)
  refuses(named('before'), 'variants.0.name', /already names another/)
  refuses({ ...minimal, variants: [{ name: 'x', train: { epochs: 1, steps: 1 } }] }, 'variants.0.train', /has both/)
  refuses({ ...minimal, variants: [{ name: 'x', train: { epoch: 1 } }] }, 'variants.0.train.epoch', /did you mean/)
  const scored = { model: minimal.model, data: { tests: minimal.data.tests } }
  refuses({ ...scored, variants: [{ name: 'x' }] }, 'variants', /further trainings; add \[train\]/)
})

test('a test is in domain where it is trained on, unless the recipe says otherwise; several sets to train on', () => {
  const tests = [{ path: 'b' }, { path: 'c' }, { path: 'd', domain: 'in' }]
  const { data } = completeRecipe({ ...minimal, data: { train: ['a', 'b', 'builtin:primer/law'], tests } })
  assert.equal(
    data.tests.map(({ domain }) => domain),
    ['in', 'out', 'in'],
  )
  assert.equal(data.train, [resolve('a'), resolve('b'), 'builtin:primer/law'])
  refuses(changed({ data: { train: [] } }), 'data.train', /a BEIR folder or a train\.jsonl, or a list of them/)
})

test('batches: by length under a budget, or of several sets by weight, but not both', () => {
  const two = ['a', 'b']
  const train = (more: Record<string, unknown>, sets: string[] = two) => changed({ data: { train: sets }, train: more })
  const lengths = { batches: 'by_length', tokens_per_batch: 4096 }
  assert.is(completeRecipe(train(lengths)).train?.tokens_per_batch, 4096)
  assert.equal(completeRecipe(train({ sets: 'mixed', weights: [1, 0] })).train?.weights, [1, 0])
  refuses(train({ batches: 'by_length' }), 'train.tokens_per_batch', /^missing; train\.batches = "by_length" needs/)
  refuses(train({ tokens_per_batch: 10 }), 'train.tokens_per_batch', /is for train\.batches = "by_length"/)
  refuses(train({ ...lengths, batch_size: 2 }), 'train.batch_size', /needs 3 or more/)
  refuses(
    train({ ...lengths, sets: 'mixed' }),
    'train.batches',
    /goes with train\.sets = "together" only, found "mixed"/,
  )
  refuses(train({ weights: [1, 2] }), 'train.weights', /is for train\.sets = "mixed" or "homogeneous"/)
  refuses(train({ sets: 'mixed', weights: [1] }), 'train.weights', /has 1 numbers for the 2 sets/)
  refuses(train({ sets: 'homogeneous', weights: [0, 0] }), 'train.weights', /are all 0/)
  refuses(train({ sets: 'mixed', weights: [-1, 0] }), 'train.weights.0', /a number from 0/)
})

test('several sets: names, prompts, learned weights and what they are for', () => {
  const two = ['a', { path: 'b', name: 'beta', prompt: 'Find it' }]
  const mixture = (more: Record<string, unknown>, rest: Record<string, unknown> = {}) => ({
    ...(changed({ data: { train: two }, train: { sets: 'homogeneous', ...more } }) as object),
    ...rest,
  })
  const completed = completeRecipe(mixture({ weights_file: 'w.json' }, { tdro: {} }))
  assert.is(completed.train?.transfer, 'reweight')
  assert.ok(completed.train?.weights_file?.startsWith('/'))
  assert.equal(completed.data.train?.[1], {
    path: completeRecipe(changed({ data: { train: 'b' } })).data.train?.[0],
    name: 'beta',
    prompt: 'Find it',
    symmetric: false,
  })
  const { micro_batch, batch_size, mode, temperature, steps } = completed.tdro!
  assert.equal([micro_batch, batch_size, mode, temperature, steps], [512, 2048, 'reference', 0.002, 1000])
  assert.is(completeRecipe(mixture({}, { tdro: { batch_size: 64 } })).tdro?.micro_batch, 64)
  refuses(mixture({ transfer: 'top-p' }), 'train.transfer', /needs weights: name a file/)
  refuses(mixture({ transfer: 'top-p', sets: 'together' }, { tdro: {} }), 'train.transfer', /set train\.sets =/)
  refuses(
    mixture({ transfer: 'reweight', transfer_share: 0.5 }, { tdro: {} }),
    'train.transfer_share',
    /is for transfer =/,
  )
  refuses(mixture({ transfer: 'reweight', weights: [1, 2] }, { tdro: {} }), 'train.weights', /leave one of them out/)
  refuses(mixture({}, { tdro: { batch_size: 64, micro_batch: 40 } }), 'tdro.micro_batch', /must divide/)
  refuses({ ...(changed({}) as object), tdro: {} }, 'tdro', /weighs training sets against each other/)
  const same = [
    { path: 'a', name: 'x' },
    { path: 'b', name: 'x' },
  ]
  refuses(changed({ data: { train: same } }), 'data.train.1.name', /names another set too/)
})

test.run()
