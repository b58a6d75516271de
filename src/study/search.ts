// The learning rate of a cell: each of a list is trained with, without tests, and scored on a dev split at its end; the best is taken. Seeds of a cell
// share one search. Each training is a run that is resumed and not repeated.
import { hashLines } from '../data/fingerprint.js'
import type { Recipe } from '../recipe/schema.js'
import type { RunHooks } from '../run/hooks.js'
import { runExperiment } from '../run/run.js'
import { exists, join, readJson, removeFolder } from '../runtime/files.js'
import { type Cell, cellIdentity, keyOf } from './grid.js'

/** Steps after which a training that never ends early is scored: its last. */
const AT_END = 1_000_000

export interface FoundRate {
  readonly rate: number
  /** What all its trainings took, also where another cell has made them. */
  readonly seconds: number
}

/** `out`: where the runs lie. `devShare`: of the training queries, held out where the recipe has no dev split. */
export async function searchRate(
  cell: Cell,
  rates: readonly number[],
  devShare: number,
  out: string,
  hooks: RunHooks,
): Promise<FoundRate> {
  const { seed: _, ...shared } = cell.axes
  const { say: _said, ...quiet } = hooks
  const scores: { rate: number; score: number; seconds: number }[] = []
  for (const rate of rates) {
    const recipe = tried(cell.recipe, rate, devShare, out)
    const name = `${keyOf({ ...shared, seed: 0 })}.${rate}.${(await hashLines([cellIdentity({ recipe: { ...recipe, seed: 0 } })])).slice(0, 8)}`
    const path = join(out, name)
    const metrics = join(path, 'metrics.json')
    if (!(await exists(metrics))) {
      const begun = await exists(join(path, 'recipe.toml'))
      if (!begun && (await exists(path))) await removeFolder(path)
      await runExperiment({ ...recipe, name }, { ...quiet, resume: begun })
    }
    await removeFolder(join(path, 'model'))
    const { training, seconds } = (await readJson(metrics)) as SearchMetrics
    scores.push({ rate, score: training.best_dev_score, seconds: seconds.total })
  }
  const best = scores.reduce((a, b) => (b.score > a.score ? b : a))
  const all = scores.map(({ rate, score }) => `${rate}: ${score.toFixed(4)}`).join(', ')
  hooks.say?.(`learning rate ${best.rate}, the best on dev (${all})`)
  return { rate: best.rate, seconds: scores.reduce((sum, { seconds }) => sum + seconds, 0) }
}

interface SearchMetrics {
  readonly training: { readonly best_dev_score: number }
  readonly seconds: { readonly total: number }
}

/** Whether a recipe's dev split is made of its training queries. */
export const splitsOff = ({ data: { dev } }: Recipe): boolean => !dev || dev.length === 0

function tried(recipe: Recipe, rate: number, devShare: number, out: string): Recipe {
  const held = splitsOff(recipe) ? { dev_share: recipe.data.dev_share ?? devShare } : {}
  return {
    ...recipe,
    out,
    data: { ...recipe.data, ...held, tests: [] },
    train: { ...recipe.train!, learning_rate: rate, eval_every: recipe.train!.eval_every ?? AT_END },
  }
}
