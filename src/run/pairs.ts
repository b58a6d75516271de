// The training pairs of a run: tokenized once for each choice of lengths; what can be known to be wrong with them is found here.
import type { Recipe } from '../recipe/schema.js'
import { writeFile } from '../runtime/write.js'
import { type TokenizedPairs, tokenizePairs } from './mixture.js'
import type { ModelSource } from './model.js'
import { adapterWarnings } from './record.js'
import type { RecipeData } from './sources.js'
import { proxyRecipe } from './tdro/settings.js'
import { mixtureOptions } from './tdro/stage.js'
import { checkTraining } from './train.js'
import type { RemovedPair } from './training-sets.js'
import type { Training } from './trainings.js'

export interface RunPairs {
  readonly of: ReadonlyMap<Training, TokenizedPairs>
  /** As tDRO's proxy sees them; there where the recipe has [tdro]. */
  readonly proxy?: TokenizedPairs
  /** Of any of these: all hold the same pairs. */
  readonly any?: TokenizedPairs
}

export async function openPairs(
  recipe: Recipe,
  trainings: readonly Training[],
  source: ModelSource,
  data: RecipeData,
  warn: (line: string) => void,
): Promise<RunPairs> {
  const known = new Map<string, TokenizedPairs>()
  const pairsOf = async ({ train: settings, lora, seed }: Recipe): Promise<TokenizedPairs> => {
    const { max_length: length, query_max_length: queryMaxLength } = settings!
    const { source: from } = settings!.negatives
    const words = from === 'bm25' || from === 'both' ? { byWords: settings!.negatives } : {}
    const key = JSON.stringify([length, queryMaxLength, words])
    const lengths = queryMaxLength === undefined ? {} : { queryMaxLength }
    const options = { ...mixtureOptions(data, seed), ...lengths, ...words, threads: recipe.threads }
    const own = known.get(key) ?? (await tokenizePairs(data.train, source, length, options))
    known.set(key, own)
    for (const line of own.warnings) warn(line)
    if (source.adapter) for (const line of adapterWarnings(source.adapter, lora ? { lora } : {})) warn(line)
    checkTraining(source, own, settings!, lora, seed)
    return own
  }
  const of = new Map<Training, TokenizedPairs>()
  for (const training of trainings) of.set(training, await pairsOf(training.recipe))
  const proxy = recipe.tdro ? await pairsOf(proxyRecipe(recipe)) : undefined
  const any = [...of.values(), proxy].find(pairs => pairs !== undefined)
  return { of, ...(proxy && { proxy }), ...(any && { any }) }
}

/** A line each: what was left out, and what it is nearly the same as. */
export async function writeRemoved(path: string, removed: readonly RemovedPair[]): Promise<void> {
  await writeFile(path, removed.map(each => `${JSON.stringify(each)}\n`).join(''))
}
