// A recipe's record made whole: defaults that depend on other keys, and the contradictions that no single key can show.
import * as v from 'valibot'
import { isBuiltin } from '../data/builtin.js'
import { parseMeasure } from '../evaluate/measures.js'
import { baseName, resolve } from '../runtime/files.js'
import { needsNegatives } from '../train/contrastive-loss.js'
import { architectureProblems, withArchitecture } from './architecture.js'
import { type Table, withTable } from './merge.js'
import { mixtureProblems } from './mixture-problems.js'
import { negativeProblems } from './negatives.js'
import { display, isRecipeError, isTable, type Problem, recipeError, unknownKeys, valueProblems } from './problems.js'
import { type ParsedRecipe, type Recipe, recipeSchema, type TrainSettings, type Variant } from './schema.js'

export interface CompleteOptions {
  /** What relative paths start from; default: the working directory. */
  readonly folder?: string
  /** For a recipe without a name. */
  readonly name?: string
  /** How messages call the recipe. */
  readonly source?: string
}

/** Where a recipe holds paths; `*` stands for each item of a list. */
const PATHS = [
  ...['out', 'model.path', 'model.tokenizer', 'data.train', 'data.train.*', 'data.train.*.path'],
  ...[
    'data.dev.*.path',
    'data.tests.*.path',
    'data.tests.*.queries',
    'data.mined_by',
    'train.weights_file',
    'variants.*.train.weights_file',
    'tdro.reference',
  ],
].map(path => path.split('.'))

/** A copy in which every path has gone through `change`. Whatever is not where a path should be stays as it is. */
export function mapPaths<T>(input: T, change: (path: string) => string): T {
  return PATHS.reduce<unknown>((value, keys) => mapAt(value, keys, change), input) as T
}

const isPath = (value: string): boolean => value !== '' && !isBuiltin(value) && !value.startsWith('hub:')

function mapAt(value: unknown, keys: readonly string[], change: (path: string) => string): unknown {
  const [key, ...rest] = keys
  if (key === undefined) return typeof value === 'string' && isPath(value) ? change(value) : value
  if (key === '*') return Array.isArray(value) ? value.map(item => mapAt(item, rest, change)) : value
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return value
  return { ...value, [key]: mapAt((value as Record<string, unknown>)[key], rest, change) }
}

/**
 * Checks a recipe given as data (snake_case keys, as in the file) and fills in every default; paths become absolute. A completed
 * recipe is left as it is. Throws a RecipeError that names every mistake.
 */
export function completeRecipe(input: unknown, options: CompleteOptions = {}): Recipe {
  const { folder = '.', name = 'run', source = 'recipe' } = options
  const named = withArchitecture(isTable(input) ? { name, ...input } : input)
  const result = v.safeParse(recipeSchema, named)
  const wrong = [...unknownKeys(recipeSchema, named), ...valueProblems(recipeSchema, result.issues ?? [])]
  if (!result.success || wrong.length > 0) throw recipeError(source, wrong)
  const recipe = fillIn(
    mapPaths(result.output, path => resolve(folder, path)),
    name,
  )
  const contradictions = findContradictions(recipe, result.output)
  if (contradictions.length > 0) throw recipeError(source, contradictions)
  return { ...recipe, variants: completeVariants(named as Table, result.output, { folder, name, source }) }
}

/** Each variant is the whole recipe with its own keys on top. */
function completeVariants(input: Table, parsed: ParsedRecipe, options: Required<CompleteOptions>): Variant[] {
  const given = parsed.variants.length > 0 ? (input.variants as { train?: Table; lora?: Table }[]) : []
  return given.map(({ train = {}, lora = {} }, i) => {
    const changed = withTable({ ...input, variants: [] }, { train, ...(Object.keys(lora).length > 0 && { lora }) })
    try {
      const { train: own, lora: adapter } = completeRecipe(changed, options)
      return { name: parsed.variants[i]!.name, train: own!, ...(adapter && { lora: adapter }) }
    } catch (error) {
      if (!isRecipeError(error)) throw error
      throw recipeError(
        options.source,
        error.problems.map(({ key, message }) => ({ key: `variants.${i}.${key}`, message })),
      )
    }
  })
}

const DEFAULT_MEASURES = ['ndcg_at_10', 'ndcg_at_100', 'map_at_100', 'mrr_at_10', 'recall_at_10', 'recall_at_100']
const LEARNING_RATES = { lora: 2e-4, full: 2e-5 }

function fillIn(parsed: ParsedRecipe, name: string): Recipe {
  const { train, lora, tdro, eval: evaluation, ...rest } = parsed
  const { train: trainData, ...otherData } = parsed.data
  const trainedOn = trainData === undefined ? [] : [trainData].flat()
  const trainedPaths = trainedOn.map(set => (typeof set === 'string' ? set : set.path))
  const { random, ...model } = parsed.model
  const maxLength = model.max_length ?? Math.min(256, random?.max_positions ?? 256)
  const reached = DEFAULT_MEASURES.filter(measure => parseMeasure(measure).cut <= evaluation.k)
  return {
    ...rest,
    name: parsed.name ?? name,
    // Not beside the recipe, which may lie in a package: where the command was given.
    out: parsed.out ?? resolve('runs'),
    model: {
      ...model,
      max_length: maxLength,
      ...(random && {
        random: { ...random, intermediate: random.intermediate ?? 4 * random.hidden, seed: random.seed ?? parsed.seed },
      }),
    },
    variants: [],
    data: {
      ...otherData,
      ...(trainedOn.length > 0 && { train: trainedOn }),
      tests: parsed.data.tests.map(test => ({
        ...test,
        name: test.name ?? baseName(test.path.replace(/^builtin:/, '')),
        domain: test.domain ?? (trainedPaths.includes(test.path) ? 'in' : 'out'),
      })),
    },
    ...(train && {
      train: {
        ...train,
        max_length: train.max_length ?? maxLength,
        learning_rate: train.learning_rate ?? LEARNING_RATES[train.method],
        temperature: train.temperature ?? (train.loss === 'triplet' || train.loss === 'margin_mse' ? 1 : 0.05),
        ...(train.warmup_ratio === undefined && { warmup_steps: train.warmup_steps ?? 0 }),
        ...(train.weights_file !== undefined && { transfer: train.transfer ?? 'reweight' }),
      },
    }),
    ...(tdro && {
      tdro: {
        ...tdro,
        micro_batch: tdro.micro_batch ?? Math.min(512, tdro.batch_size),
        max_length: tdro.max_length ?? train?.max_length ?? maxLength,
      },
    }),
    ...(train?.method === 'lora' && { lora: v.parse(recipeSchema.entries.lora, lora ?? {}) }),
    eval: {
      ...evaluation,
      measures: evaluation.measures ?? (reached.length > 0 ? reached : [`ndcg_at_${evaluation.k}`]),
      max_length: evaluation.max_length ?? maxLength,
    },
  }
}

function findContradictions(recipe: Recipe, given: ParsedRecipe): Problem[] {
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

function* trainProblems({ train, data, model }: Recipe): Generator<Problem> {
  if (!train) return
  const { epochs, steps, negatives, early_stopping, eval_every } = train
  if (train.similarity === 'dot' && model.normalize) {
    yield problem(
      'model.normalize',
      'is true, but train.similarity = "dot" trains vectors that are not normalised; leave it out, or set train.similarity = "cosine"',
    )
  }
  if (epochs !== undefined && steps !== undefined)
    yield problem('train', 'has both epochs and steps; leave one of them out')
  if (epochs === undefined && steps === undefined)
    yield problem('train', 'has neither epochs nor steps; give one of them')
  if (train.warmup_steps !== undefined && train.warmup_ratio !== undefined) {
    yield problem('train', 'has both warmup_steps and warmup_ratio; leave one of them out')
  }
  if (!negatives.in_batch && negatives.hard === 0) {
    yield problem(
      'train.negatives',
      'has in_batch = false and hard = 0, but InfoNCE needs at least one negative; set in_batch = true or hard to 1 or more',
    )
  } else if (train.batch_size === 1 && negatives.hard === 0) {
    yield problem(
      'train.batch_size',
      'is 1 and train.negatives.hard is 0, but InfoNCE needs at least one negative; set batch_size to 2 or more, or hard to 1 or more',
    )
  }
  yield* negativeProblems(negatives, train.batches, train.loss)
  yield* lossProblems(train)
  yield* batchProblems(train, data.train?.length ?? 0)
  if (train.min_factor > 0 && train.schedule !== 'cosine') {
    yield problem('train.min_factor', `is for schedule = "cosine", found schedule = ${display(train.schedule)}`)
  }
  const hasDev = (data.dev ?? []).length > 0 || data.dev_share !== undefined
  const dev = 'add [data] dev = [{ path = "…", split = "dev" }], or leave it out'
  if (!hasDev && early_stopping) yield problem('train.early_stopping', `needs a dev split; ${dev}`)
  if (!hasDev && eval_every !== undefined) yield problem('train.eval_every', `needs a dev split; ${dev}`)
  if (hasDev && early_stopping && eval_every === undefined) {
    yield problem('train.early_stopping', 'needs train.eval_every, the steps between two evaluations')
  }
  const positions = model.random?.max_positions
  if (positions !== undefined && train.max_length > positions) {
    yield problem('train.max_length', `is ${train.max_length}, more than model.random.max_positions (${positions})`)
  }
}

function* lossProblems({
  loss,
  negatives,
  margin,
  teacher_temperature,
  matryoshka,
}: TrainSettings): Generator<Problem> {
  const is = (key: string) =>
    problem(`train.${key}`, `is for another loss; train.loss is ${display(loss)}: leave it out`)
  if (margin !== undefined && loss !== 'triplet') yield is('margin')
  if (teacher_temperature !== undefined && loss !== 'kl') yield is('teacher_temperature')
  if (needsNegatives(loss) && negatives.hard === 0)
    yield problem(
      'train.loss',
      `${display(loss)} compares a positive with its own negatives; set train.negatives.hard to 1 or more`,
    )
  if (loss === 'both_directions' && !negatives.in_batch)
    yield problem(
      'train.loss',
      `${display(loss)} needs the other pairs of the batch; set train.negatives.in_batch = true`,
    )
  const { dimensions = [], weights = dimensions } = matryoshka ?? {}
  if (weights.length !== dimensions.length)
    yield problem(
      'train.matryoshka.weights',
      `has ${weights.length} weights for ${dimensions.length} dimensions; give one each, or leave it out`,
    )
  if (new Set(dimensions).size < dimensions.length)
    yield problem('train.matryoshka.dimensions', 'holds a number twice; name each once')
}

function* batchProblems(train: TrainSettings, sets: number): Generator<Problem> {
  const { batches, tokens_per_batch, sets: mode, weights, negatives, batch_size } = train
  if (batches === 'by_length' && tokens_per_batch === undefined)
    yield problem('train.tokens_per_batch', 'missing; train.batches = "by_length" needs the tokens of a batch')
  if (batches === 'uniform' && tokens_per_batch !== undefined)
    yield problem('train.tokens_per_batch', 'is for train.batches = "by_length"; set that, or leave it out')
  if (batches === 'by_length' && negatives.hard === 0 && batch_size < 3)
    yield problem(
      'train.batch_size',
      `is ${batch_size}; train.batches = "by_length" without hard negatives needs 3 or more`,
    )
  if (batches === 'by_length' && mode !== 'together')
    yield problem('train.batches', `is "by_length", which goes with train.sets = "together" only, found "${mode}"`)
  if (mode === 'together' && weights)
    yield problem('train.weights', 'is for train.sets = "mixed" or "homogeneous"; set that, or leave it out')
  if (mode !== 'together' && weights && weights.length !== sets)
    yield problem(
      'train.weights',
      `has ${weights.length} numbers for the ${sets} sets of data.train; give one for each`,
    )
  if (weights?.every(weight => weight === 0))
    yield problem('train.weights', 'are all 0; give at least one of the sets a weight')
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

const problem = (key: string, message: string): Problem => ({ key, message })
