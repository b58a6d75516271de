// A study's dry run: every cell listed with what it will hold and take, and one cell of each kind gone through on made data. The study's folder is neither
// made nor changed.
import { type ModelConfig, parseConfig } from '../model/config.js'
import type { Recipe } from '../recipe/schema.js'
import { configOf } from '../run/dry/made.js'
import { planTrainings } from '../run/dry/plan.js'
import { type DryOptions, goThrough, missingData } from '../run/dry/run.js'
import type { RunHooks } from '../run/hooks.js'
import { readJson } from '../runtime/files.js'
import type { Cell } from './grid.js'
import type { LoadedStudy } from './load.js'
import { type CheckedCell, checkCell, checkCells, impossibleError, impossibleLines, planStudy } from './plan.js'

export interface CellPlan {
  readonly key: string
  readonly state: 'done' | 'to do' | 'impossible'
  /** Held at most: measured where it is done, else planned. Absent where the model's sizes are not known. */
  readonly bytes?: number
  /** Absent where its steps are not known. */
  readonly seconds?: number
  /** What is wrong with it, or not here yet. */
  readonly note?: string
}

export interface StudyDryRun {
  readonly folder: string
  readonly cells: readonly CellPlan[]
  /** Keys of the cells that were gone through. */
  readonly tried: readonly string[]
}

interface DryHooks extends RunHooks {
  readonly keepGoing?: boolean
  /** Told the plan before anything is tried. */
  readonly onPlan?: (plan: Omit<StudyDryRun, 'tried'>) => void
}

/** Fails where cells are impossible, unless it is to keep going. */
export async function dryStudy(loaded: LoadedStudy, options: DryOptions, hooks: DryHooks = {}): Promise<StudyDryRun> {
  const { folder, grid, results, todo } = await planStudy(loaded)
  const given = options.config === undefined ? undefined : parseConfig(await readJson(options.config), options.config)
  const check = (recipe: Recipe) => checkWhatIsHere(recipe, given)
  const checked = await checkCells(todo, check, hooks.signal)
  const impossible = impossibleLines(grid, checked)
  const wrong = new Map(impossible.map(line => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)]))
  const planned = new Map(grid.cells.map(cell => [cell.key, cell]))
  const cells = [...grid.cells, ...grid.impossible].map(({ key }): CellPlan => {
    const problem = wrong.get(key)
    if (problem !== undefined) return { key, state: 'impossible', note: problem }
    const done = results.get(key)
    if (done) return { key, state: 'done', bytes: done.peak_bytes, seconds: done.seconds.total }
    const { recipe } = planned.get(key)!
    const found = checked.get(key)!
    const note = found.lacks && { note: `not here yet: ${found.lacks.join(', ')}` }
    return { key, state: 'to do', ...figures(recipe, found, options), ...note }
  })
  hooks.onPlan?.({ folder, cells })
  const possible = todo.filter(({ cell }) => !wrong.has(cell.key)).map(({ cell }) => cell)
  if (impossible.length > 0 && !hooks.keepGoing) throw impossibleError(grid, impossible, results.size + possible.length)
  return { folder, cells, tried: await tryKinds(possible, hooks) }
}

/** What is not here yet is noted, and not looked into: nothing is fetched for a dry run. */
async function checkWhatIsHere(recipe: Recipe, given: ModelConfig | undefined): Promise<CheckedCell> {
  const { path } = recipe.model
  const config = given ?? (await configOf(recipe))
  const lacks = [...(path !== undefined && !config ? [path] : []), ...(await missingData(recipe))]
  if (!given && !path?.startsWith('hub:') && lacks.length === 0) return checkCell(recipe)
  return { ...(config && { config }), ...(lacks.length > 0 && { lacks }) }
}

/** Of its trainings, which follow one another. */
function figures(recipe: Recipe, { config, steps }: CheckedCell, { rate }: DryOptions) {
  if (!config) return {}
  const plans = planTrainings(recipe, config, steps)
  const bytes = Math.max(...plans.map(({ weights, activations, representations: r }) => weights + activations + r))
  const known = plans.every(({ epochs }) => epochs === undefined)
  return { bytes, ...(known && { seconds: plans.reduce((sum, { flops }) => sum + flops, 0) / rate }) }
}

/** One cell for each architecture, method and kind of negatives that has something to do. */
async function tryKinds(possible: readonly Cell[], hooks: DryHooks): Promise<string[]> {
  const kinds = new Map<string, Cell>()
  for (const cell of possible) {
    const { architecture, method, negatives } = cell.axes
    const kind = [architecture, method, negatives].join(', ')
    if (!kinds.has(kind)) kinds.set(kind, cell)
  }
  // Of made data there is nothing to warn of.
  const { say, warn: _, onPlan: __, keepGoing: ___, ...quiet } = hooks
  const tried: string[] = []
  for (const [kind, { key, recipe }] of kinds) {
    hooks.signal?.throwIfAborted()
    try {
      await goThrough(recipe, quiet)
    } catch (error) {
      throw Object.assign(new Error(`dry run of ${key}: ${(error as Error).message}`, { cause: error }), {
        name: (error as Error).name,
      })
    }
    tried.push(key)
    say?.(`dry run ${tried.length}/${kinds.size}: ${kind}`)
  }
  if (tried.length > 0)
    say?.(`dry run: went through ${tried.length} cells, on made data and narrow models; nothing is kept`)
  return tried
}
