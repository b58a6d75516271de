// Contradictions between the keys of a recipe, which no single key can show.
import { parseMeasure } from '../evaluate/measures.js'
import { architectureProblems } from './architecture.js'
import { mixtureProblems } from './mixture-problems.js'
import { display, type Problem, problem } from './problems.js'
import type { ParsedRecipe, Recipe } from './schema.js'
import { trainProblems } from './train-problems.js'

/** `given`: the recipe before its defaults were filled in. */
export function findContradictions(recipe: Recipe, given: ParsedRecipe): Problem[] {
  return [
    ...backendProblems(recipe),
    ...modelProblems(recipe),
    ...architectureProblems(recipe),
    ...dataProblems(recipe, given),
    ...trainProblems(recipe),
    ...mixtureProblems(recipe),
    ...variantProblems(recipe, given),
    ...evalProblems(recipe),
  ]
}

function* backendProblems({ backend, adapter }: Recipe): Generator<Problem> {
  if (backend === 'wasm' && adapter !== undefined)
    yield problem('adapter', 'chooses a WebGPU adapter, but backend is "wasm"; leave one of them out')
}

function* modelProblems({ model }: Recipe): Generator<Problem> {
  const { path, random, tokenizer, max_length } = model
  if (path !== undefined && random) yield problem('model', 'has both path and random; leave one of them out')
  if (path === undefined && !random) {
    yield problem('model', 'has neither path (a model folder) nor random (a shape); give one of them')
  }
  if (path !== undefined && tokenizer !== undefined) {
    yield problem(
      'model.tokenizer',
      'is for model.random; with model.path the tokenizer is that of the folder: leave it out',
    )
  }
  if (!random) return
  if (random.hidden % random.heads !== 0) {
    yield problem('model.random.hidden', `must be a multiple of heads (${random.heads}), found ${random.hidden}`)
  }
  if (max_length > random.max_positions) {
    yield problem(
      'model.max_length',
      `is ${max_length}, more than model.random.max_positions (${random.max_positions})`,
    )
  }
}

function* variantProblems({ train }: Recipe, { variants }: ParsedRecipe): Generator<Problem> {
  if (variants.length > 0 && !train) yield problem('variants', 'are further trainings; add [train], or leave them out')
  const names = variants.map(({ name }) => name)
  for (const [i, name] of names.entries()) {
    const taken = [train?.method, ...RESERVED, ...names.slice(0, i)]
    if (taken.some(each => each?.toLowerCase() === name.toLowerCase()))
      yield problem(`variants.${i}.name`, `${display(name)} already names another column of the tables; choose another`)
  }
}

/** What the other columns and files are called. */
const RESERVED = ['bm25', 'before', 'after', 'all']

function* dataProblems({ data, train }: Recipe, given: ParsedRecipe): Generator<Problem> {
  if (data.train !== undefined && !train) {
    yield problem('train', 'missing; give [train] epochs or steps, or leave data.train out to score the tests only')
  }
  if (train && data.train === undefined) {
    yield problem('data.train', 'missing; expected a BEIR folder or a train.jsonl for [train] to train on')
  }
  if (!train && given.lora) yield problem('lora', 'is for training; add [train], or leave [lora] out')
  if (!train && data.train === undefined && data.tests.length === 0) {
    yield problem('data', 'has nothing to do: give tests to score, or train (with [train]) to train on')
  }
  if (data.dev_share !== undefined && (data.dev ?? []).length > 0)
    yield problem('data.dev_share', 'splits training queries off, but data.dev is given; leave one of them out')
  const names = data.tests.map(test => test.name)
  for (const [i, name] of names.entries()) {
    const first = names.indexOf(name)
    if (first < i) {
      yield problem(
        `data.tests.${i}.name`,
        `${display(name)} is also the name of data.tests.${first}; give one of them another`,
      )
    }
  }
}

function* evalProblems({ eval: evaluation, train, model }: Recipe): Generator<Problem> {
  const named = evaluation.measures.map((name, i) => [`eval.measures.${i}`, name] as const)
  const metric = train?.early_stopping && (['train.early_stopping.metric', train.early_stopping.metric] as const)
  for (const [key, name] of metric ? [...named, metric] : named) {
    const { cut } = parseMeasure(name)
    if (cut !== Number.POSITIVE_INFINITY && cut > evaluation.k) {
      yield problem(
        key,
        `${name} looks at ${cut} documents, but eval.k retrieves ${evaluation.k}; set eval.k = ${cut} or more`,
      )
    }
  }
  const positions = model.random?.max_positions
  if (positions !== undefined && evaluation.max_length > positions) {
    yield problem('eval.max_length', `is ${evaluation.max_length}, more than model.random.max_positions (${positions})`)
  }
}
