// A dry run: the plan of a recipe, and all of it gone through with two steps of everything on made data and a narrow model. Nothing is kept.

import { isBuiltin } from '../../data/builtin.js'
import { type ModelConfig, parseConfig } from '../../model/config.js'
import type { Recipe } from '../../recipe/schema.js'
import { temporaryFolder } from '../../runtime/child.js'
import { exists, readJson, removeFolder } from '../../runtime/files.js'
import type { RunHooks } from '../hooks.js'
import { type RunResult, runExperiment } from '../run.js'
import { configOf, guessedFamily } from './made.js'
import { planText, planTrainings } from './plan.js'
import { dryRecipe } from './recipe.js'

export interface DryOptions {
  /** A config.json, for the plan of a model that is not here. */
  readonly config?: string
  /** Floating-point operations a second. */
  readonly rate: number
}

/** Data that a recipe names and that is not here. */
export async function missingData({ data }: Recipe): Promise<string[]> {
  const sets = (data.train ?? []).map(set => (typeof set === 'string' ? set : set.path))
  const paths = [...sets, ...[...(data.dev ?? []), ...data.tests].map(({ path }) => path)]
  const absent: string[] = []
  for (const path of new Set(paths)) if (!isBuiltin(path) && !(await exists(path))) absent.push(path)
  return absent
}

export async function dryRun(recipe: Recipe, { config: file, rate }: DryOptions, hooks: RunHooks): Promise<RunResult> {
  const config: ModelConfig | undefined =
    file === undefined ? await configOf(recipe) : parseConfig(await readJson(file), file)
  if (config) for (const line of planText(planTrainings(recipe, config), rate)) hooks.say?.(line)
  else if (recipe.model.path !== undefined)
    hooks.say?.(
      `no plan: ${recipe.model.path} is not here; --config takes its config.json. A narrow ${guessedFamily(recipe)} stands for it`,
    )
  const absent = await missingData(recipe)
  if (absent.length > 0) hooks.say?.(`not here yet, ${absent.length} of the recipe's data: ${absent.join(', ')}`)
  hooks.say?.('dry run: what follows is made data and a narrow model, two steps of everything')
  const result = await goThrough(recipe, hooks)
  hooks.say?.('dry run: went through everything, on made data and a narrow model; nothing is kept')
  return result
}

/** All that a recipe does, in two steps, on made data and a narrow model. Nothing is kept. */
export async function goThrough(recipe: Recipe, hooks: RunHooks): Promise<RunResult> {
  const folder = await temporaryFolder()
  try {
    return await runExperiment(await dryRecipe(recipe, folder), hooks)
  } finally {
    await removeFolder(folder)
  }
}
