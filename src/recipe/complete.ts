// A recipe's record made whole: paths from where they start, defaults that depend on other keys, variants on top of the rest.
import * as v from 'valibot'
import { isBuiltin } from '../data/builtin.js'
import { parseMeasure } from '../evaluate/measures.js'
import { baseName, resolve } from '../runtime/files.js'
import { withArchitecture } from './architecture.js'
import { findContradictions } from './contradictions.js'
import { type Table, withTable } from './merge.js'
import { isRecipeError, isTable, recipeError, unknownKeys, valueProblems } from './problems.js'
import { type ParsedRecipe, type Recipe, recipeSchema, type Variant } from './schema.js'

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
