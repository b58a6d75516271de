// A recipe made small: everything that it does, in two steps each, on made data and a narrow model.
import { completeRecipe } from '../../recipe/complete.js'
import type { Recipe, TrainSettings } from '../../recipe/schema.js'
import { join, makeFolder } from '../../runtime/files.js'
import { writeWeightsFile } from '../tdro/weights-file.js'
import { setNames } from '../training-sets.js'
import { configOf, LENGTH, writeCollection, writeNarrowModel, writePairs } from './made.js'

const STEPS = 2

const atMost = <K extends string>(limit: number, record: Partial<Record<K, number | undefined>>, ...keys: K[]) =>
  Object.fromEntries(keys.flatMap(key => (record[key] === undefined ? [] : [[key, Math.min(limit, record[key]!)]])))

/** `weights`: a made file of weights, where the training reads one. */
function smallTraining(train: Partial<TrainSettings>, weights: string): Partial<TrainSettings> {
  const { epochs: _e, warmup_ratio: _r, matryoshka, ...rest } = train
  return {
    ...rest,
    steps: STEPS,
    ...atMost(4, rest, 'batch_size'),
    ...atMost(2, rest, 'accumulation'),
    ...atMost(1, rest, 'warmup_steps', 'eval_every'),
    ...atMost(3, rest, 'chunk_size'),
    ...atMost(LENGTH, rest, 'max_length', 'query_max_length'),
    ...(rest.tokens_per_batch !== undefined && { tokens_per_batch: 64 * LENGTH }),
    ...(rest.weights_file !== undefined && { weights_file: weights }),
    ...(matryoshka && { matryoshka: { ...matryoshka, dimensions: matryoshka.dimensions.map((_, i) => 32 - i) } }),
    checkpoint_every: 1,
  }
}

/** The recipe as a dry run runs it; what it needs is written below `folder`. */
export async function dryRecipe(recipe: Recipe, folder: string): Promise<Recipe> {
  const { data, model, tdro, train, variants, eval: evaluation, ...rest } = recipe
  const given = (data.train ?? []).map(set => (typeof set === 'string' ? { path: set } : set))
  const names = setNames(given.map(({ path, ...set }) => ({ path, name: 'name' in set ? set.name : undefined })))
  await makeFolder(join(folder, 'sets'))
  const sets = await Promise.all(
    given.map(async (set, i) => {
      const path = join(folder, 'sets', `${i}.jsonl`)
      await writePairs(path, 10000 * (i + 1))
      return {
        ...set,
        ...('max_length' in set && atMost(LENGTH, set, 'max_length', 'query_max_length')),
        name: names[i]!,
        path,
      }
    }),
  )
  const collection = join(folder, 'collection')
  await writeCollection(collection, [...new Set([...(data.dev ?? []), ...data.tests].map(({ split }) => split))])
  const weights = join(folder, 'weights.json')
  if (sets.length > 0) await writeWeightsFile(weights, { domains: names, alpha: names.map((_, i) => 1 + i) })
  const narrow = join(folder, 'model')
  if (model.path !== undefined || data.mined_by !== undefined)
    await writeNarrowModel(narrow, recipe, await configOf(recipe))
  const { reference: _, ...proxy } = tdro ?? {}
  return completeRecipe({
    ...rest,
    out: join(folder, 'runs'),
    model: {
      ...model,
      ...(model.path !== undefined && { path: narrow }),
      ...(model.random && {
        random: {
          ...model.random,
          hidden: 32,
          layers: Math.min(2, model.random.layers),
          heads: 2,
          intermediate: 64,
          max_positions: 2 * LENGTH,
        },
      }),
      ...atMost(LENGTH, model, 'max_length', 'query_length', 'document_length'),
    },
    data: {
      ...data,
      ...(sets.length > 0 && { train: sets }),
      ...(data.mined_by !== undefined && { mined_by: narrow }),
      ...(data.dev && { dev: data.dev.map(each => ({ ...each, path: collection })) }),
      tests: data.tests.map(each => ({
        ...each,
        path: collection,
        ...(each.queries !== undefined && { queries: collection }),
      })),
    },
    ...(train && { train: smallTraining(train, weights) }),
    ...(tdro && {
      tdro: {
        ...{ ...proxy, steps: STEPS, batch_size: 8, micro_batch: 4, checkpoint_every: 1 },
        ...atMost(1, tdro, 'warmup_steps'),
        ...atMost(3, tdro, 'chunk_size'),
        ...atMost(LENGTH, tdro, 'max_length', 'query_max_length'),
      },
    }),
    variants: variants.map(({ name, train: own, ...adapter }) => ({
      ...adapter,
      name,
      train: smallTraining(own, weights),
    })),
    eval: { ...evaluation, ...atMost(LENGTH, evaluation, 'max_length') },
  })
}
