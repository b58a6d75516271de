// Wrong command lines and recipes: exit code 2, what was meant, and nothing begun; and a backend that is not there, which is exit code 1.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { attempt, contents, refused, smallRecipe, start, tinyCollection, tinyModel } from '../support/cli.js'
import { folderWith, temporaryFolder } from '../support/temporary.js'

const model = await tinyModel()
const data = tinyCollection()
const onData = ['--model', model, '--data', data]

test('commands and options that do not exist', async () => {
  const cases: [string[], RegExp][] = [
    [['evla'], /error: unknown command 'evla'\n\(Did you mean eval\?\)/],
    [['help', 'evla'], /error: unknown command 'evla'\n\(Did you mean eval\?\)/],
    [['evla', '--help'], /error: unknown command 'evla'\n\(Did you mean eval\?\)/],
    [['visualise'], /error: unknown command 'visualise'\n/],
    [['eval', '--modle', model], /error: unknown option '--modle'\n\(Did you mean --model\?\)\n.*eval --help\n$/],
    [['run', '--resmue'], /error: unknown option '--resmue'\n\(Did you mean --resume\?\)/],
    [['info', 'more'], /error: too many arguments for 'info'/],
    [['search', ...onData], /error: required option '--output <file>' not specified/],
    [['encode', '--model'], /error: option '--model <folder>' argument missing/],
    [['eval'], /eval needs --model and --data, or --qrels and --run/],
    [['eval', '--model', model], /eval needs --data, or --qrels and --run/],
    [['eval', '--run', 'x'], /eval needs --qrels and --run together/],
    [['eval', ...onData, '--qrels', 'x', '--run', 'y'], /scores either a run .* or a model .*; give one pair/],
  ]
  for (const [words, message] of cases) refused(await attempt(...words), 2, message)
  const bare = await start([])
  assert.is(bare.code, 2, 'a command is missing')
  assert.match(bare.stderr, /^Usage: wgpu-retrieve /)
})

test('options with impossible values', async () => {
  const output = join(temporaryFolder(), 'out')
  const encode = ['encode', '--model', model, '--input', 'x', '--output', output]
  const cases: [string[], RegExp][] = [
    [['eval', ...onData, '--backend', 'cuda'], /argument 'cuda' is invalid\. Allowed choices are auto, webgpu, wasm/],
    [['run', '--backend', 'cuda'], /argument 'cuda' is invalid\. Allowed choices are auto, webgpu, wasm/],
    [['eval', ...onData, '-k', '0'], /argument '0' is invalid\. Expected an integer from 1 to 1000\./],
    [
      ['search', ...onData, '--output', output, '-k', '1001'],
      /argument '1001' is invalid\. Expected an integer from 1/,
    ],
    [['eval', ...onData, '-k', '1e2'], /argument '1e2' is invalid/],
    [['run', '--seed', 'x'], /argument 'x' is invalid\. Expected an integer of 0 or more\./],
    [['eval', ...onData, '--protocol', 'berl'], /argument 'berl' is invalid\. Allowed choices are beir, trec/],
    [[...encode, '--pooling', 'median'], /argument 'median' is invalid\. Allowed choices are mean, cls, max/],
    [
      ['eval', ...onData, '--measures', 'ndgc_at_10'],
      /--measures: unknown measure "ndgc_at_10": did you mean ndcg_at_10\?/,
    ],
    [
      ['eval', ...onData, '-k', '5', '--measures', 'map,recall_at_10'],
      /--measures: recall_at_10 looks at 10 documents, but -k retrieves 5; set -k 10 or more/,
    ],
    [['eval', ...onData, '--max-length', '9'], /--max-length is 9, but the model has 8 positions; give 8 or less/],
    [
      ['eval', ...onData, '--backend', 'wasm', '--adapter', 'x'],
      /--adapter chooses a WebGPU adapter, but --backend is wasm/,
    ],
    [
      ['eval', ...onData, '--backend', 'wasm', '--api', 'vulkan'],
      /--api chooses a WebGPU adapter, but --backend is wasm/,
    ],
    [['run', '--backend', 'wasm', '--adapter', 'x'], /--adapter chooses a WebGPU adapter, but --backend is wasm/],
    [['eval', ...onData, '--output', '-'], /--output - would mix the run with the scores/],
    [['search', ...onData, '--output', '-', '--json'], /--output - and --json would both write to standard output/],
  ]
  for (const [words, message] of cases) refused(await attempt(...words), 2, message)
  assert.not.ok(existsSync(output))
})

test('paths that are nearly right, or right for something else', async () => {
  const folder = folderWith({ 'models/config.json': '{}', 'data/corpus.jsonl': '{}\n', 'data/qrels/test.tsv': '' })
  const at = (name: string) => join(folder, name)
  const output = join(temporaryFolder(), 'out')
  const cases: [string[], RegExp][] = [
    [['eval', '--model', at('modles'), '--data', data], /modles does not exist; did you mean \S+\/models\?\n/],
    [['eval', '--model', 'bm52', '--data', data], /bm52 does not exist; did you mean bm25\?\n/],
    [['eval', '--model', folder, '--data', data], /it has no config\.json; did you mean \S+\/models\?\n/],
    [
      ['eval', '--model', at('data'), '--data', data],
      /it is a collection \(it has corpus\.jsonl\), which --data takes/,
    ],
    [['eval', '--model', model, '--data', at('dta')], /no such folder: .*did you mean \S+\/data\?\n/],
    [['eval', '--model', model, '--data', at('models')], /it is a model folder, which --model takes/],
    [['eval', '--model', model, '--data', 'primer/law'], /did you mean builtin:primer\/law\?\n/],
    [['eval', '--model', model, '--data', 'builtin:primer/lwa'], /did you mean builtin:primer\/law\?\n/],
    [
      ['eval', '--qrels', at('data'), '--run', 'x'],
      /it is a folder, expected a file; did you mean \S+qrels\/test\.tsv\?/,
    ],
    [['eval', '--qrels', at('dat/qrels/tset.tsv'), '--run', 'x'], /did you mean \S+\/data\/qrels\/test\.tsv\?\n/],
    [['tokenize', '--model', at('model')], /no such folder; did you mean \S+\/models\?\n/],
    [
      ['encode', '--model', model, '--input', 'builtin:primer/law', '--output', output],
      /it is a folder, expected a file; did you mean builtin:primer\/law\/corpus\.jsonl\?\n/,
    ],
    [
      ['encode', '--model', model, '--input', 'builtin:primer/law/copus.jsonl', '--output', output],
      /cannot read builtin:primer\/law\/copus\.jsonl: no such file or folder; did you mean .*\/corpus\.jsonl\?\n/,
    ],
  ]
  for (const [words, message] of cases) refused(await attempt(...words), 1, message)
  assert.not.ok(existsSync(output))
})

test('recipes that are not there or cannot be used', async () => {
  const { recipe, runs } = smallRecipe()
  const withRun = folderWith({ 'recipe.toml': '' })
  const folder = folderWith({ 'cut.toml': 'seed = [\n', 'wrong.toml': 'sede = 1\n[model]\npath = 7\n' })
  const set = (...overrides: string[]) => [recipe, ...overrides.flatMap(each => ['--set', each])]
  const cases: [string[], RegExp][] = [
    [[join(folder, 'none.toml')], /there is no recipe .*none\.toml/],
    [
      ['recipes/conala-loar.toml'],
      /there is no recipe recipes\/conala-loar\.toml; did you mean recipes\/conala-lora\.toml\?/,
    ],
    [['recipes/primre'], /there is no recipe recipes\/primre; did you mean \S+\?\n/],
    [['primer'], /there is no recipe primer; did you mean builtin:primer\?\n/],
    [['builtin:primre'], /there is no recipe builtin:primre; did you mean builtin:primer\?\n/],
    [[folder], /is a folder, expected a recipe file \(TOML\)\n/],
    [[withRun], /is a folder, expected a recipe file \(TOML\); did you mean \S+recipe\.toml\?\n/],
    [[join(folder, 'cut.toml')], /cut\.toml: not valid TOML at line \d+, column \d+/],
    [
      [join(folder, 'wrong.toml')],
      /wrong\.toml: sede: unknown key \(found 1\); did you mean seed\?\n.*model\.path: expected a model folder, found 7/,
    ],
    [set('train.stpes=1'), /--set train\.stpes=1: train\.stpes: unknown key \(found 1\); did you mean train\.steps\?/],
    [set('trian.steps=1'), /trian: unknown key .*did you mean train\?/],
    [set('steps'), /--set steps: expected key=value/],
    [set('train.steps=-1'), /train\.steps: expected an integer of 1 or more, found -1/],
    [set('eval.k=5000'), /eval\.k: expected an integer from 1 to 1000, found 5000/],
    [set('adapter=x'), /adapter: chooses a WebGPU adapter, but backend is "wasm"/],
    [
      set('train.batch_size=1'),
      /train\.batch_size: is 1 and train\.negatives\.hard is 0, but InfoNCE needs at least one negative/,
    ],
    [set('train.negatives.in_batch=false'), /train\.negatives: has in_batch = false and hard = 0, but InfoNCE needs/],
    [[recipe, '--name', 'a/b'], /name: expected a name for files: no/],
    [
      set(`model.path=${model}`, 'train.max_length=8'),
      /model\.max_length: is 32, but the model has 8 positions; set it to 8 or less/,
    ],
  ]
  for (const [words, message] of cases) {
    refused(await attempt('run', ...words), 2, message)
    assert.not.ok(existsSync(runs), words.join(' '))
  }
})

test('what a run finds out before it trains leaves no folder', async () => {
  const { recipe, runs } = smallRecipe()
  const none = join(temporaryFolder(), 'none')
  const folder = folderWith({ 'pairs.jsonl': '{"query":"a","pos":["b"]}\n'.repeat(9), 'cut.jsonl': '{"query":"a"}\n' })
  const cases: [string[], RegExp][] = [
    [['train.negatives.hard=1'], /80 of 80 training pairs have no hard negatives, but 1 a pair are asked for/],
    [['train.batch_size=500'], /80 training pairs do not fill one batch of 500; set train\.batch_size to 80 or less/],
    [
      ['train.drop_last=false', `data.train=${join(folder, 'pairs.jsonl')}`],
      /the last batch of 9 training pairs in batches of 8 holds a single pair, and InfoNCE needs at least one negative/,
    ],
    [[`data.train=${join(folder, 'cut.jsonl')}`], /cut\.jsonl:1: expected a list of strings as "pos", found nothing/],
    [[`data.train=${none}`], /cannot read .*none: no such file or folder; check the path/],
    [[`model.path=${none}`], /the model folder .*none does not exist/],
    [[`data.tests=[{path="${none}"}]`], /no such folder: .*none; expected a BEIR collection/],
    [[`data.tests=[{path="${data}",split="dev"}]`], /has no split "dev"/],
    [
      ['train.method=lora', 'lora.targets=["nothing"]'],
      /no linear layer is called "nothing"; this model has attention/,
    ],
  ]
  for (const [overrides, message] of cases) {
    refused(await attempt('run', recipe, ...overrides.flatMap(each => ['--set', each])), 1, message)
    assert.not.ok(existsSync(runs), overrides.join(' '))
  }
  refused(
    await attempt('run', recipe, '--resume'),
    1,
    /nothing to resume: .*runs holds no run named small; start it without/,
  )
  const file = join(folder, 'pairs.jsonl')
  refused(
    await attempt('run', recipe, '--out', join(file, 'runs')),
    1,
    /cannot make the folder .*pairs\.jsonl\/runs: a part of the path is a file, expected a folder/,
  )
  writeFileSync(runs, 'a file')
  refused(await attempt('run', recipe), 1, /cannot make the folder .*runs: a file of that name is there already/)
  assert.is(readFileSync(runs, 'utf8'), 'a file')
})

test('a backend that is not there is an error where it is insisted on, and said where it is not', async () => {
  const output = join(temporaryFolder(), 'run.trec')
  const search = ['search', ...onData, '--output', output]
  const noDriver = { VK_DRIVER_FILES: '/nonexistent.json', VK_ICD_FILENAMES: '/nonexistent.json' }
  const foreign = process.platform === 'darwin' ? 'd3d12' : 'metal'
  const [driven, named, insisted, free, info] = await Promise.all([
    start([...search, '--api', foreign]),
    start([...search, '--backend', 'webgpu', '--adapter', 'no such adapter']),
    start([...search, '--backend', 'webgpu'], { env: noDriver }),
    start(['eval', ...onData], { env: noDriver }),
    start(['info', '--json'], { env: noDriver }),
  ])
  assert.is(driven.code, 1, driven.stderr)
  assert.match(driven.stderr, `error: no WebGPU adapter is driven by ${foreign} here; leave --api out, or give another`)
  assert.is(named.code, 1, named.stderr)
  assert.match(named.stderr, /error: no WebGPU adapter( is named "no such adapter"; found: \S|: )/)
  assert.is(info.code, 0, info.stderr)
  const { webgpu } = JSON.parse(info.stdout).backends
  // A GPU that needs no Vulkan, such as Metal's, is there all the same.
  if (!webgpu.available) {
    assert.match(webgpu.reason, /no WebGPU adapter: \S/)
    assert.is(insisted.code, 1)
    assert.match(insisted.stderr, /error: no WebGPU adapter: .*; install|error: no WebGPU adapter: .*update its driver/)
    assert.not.ok(existsSync(output))
    assert.match(free.stderr, /backend: wasm .*\(no WebGPU adapter: /)
  }
  assert.is(free.code, 0, free.stderr)
  assert.equal(contents(data), ['corpus.jsonl', 'qrels', 'queries.jsonl'])
})

test.run()
