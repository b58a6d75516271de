// What a study has done and has to do: its cells told apart by the figures that are there, and what can be known to be wrong with the others found before
// anything runs.
import { hashLines } from '../data/fingerprint.js'
import type { ModelConfig } from '../model/config.js'
import type { Recipe } from '../recipe/schema.js'
import { orderOf } from '../run/batches.js'
import { openPairs } from '../run/pairs.js'
import { openRecipeData, openRecipeModel } from '../run/sources.js'
import { loopSettings } from '../run/train.js'
import { trainingsOf } from '../run/trainings.js'
import { exists, join, readJson } from '../runtime/files.js'
import { type Cell, cellIdentity, expandGrid, type Grid, keyOf } from './grid.js'
import type { LoadedStudy } from './load.js'
import type { CellResult } from './result.js'

export interface Task {
  readonly cell: Cell
  readonly hash: string
}

export interface StudyPlan {
  readonly folder: string
  readonly grid: Grid
  /** By the keys of cells that are done. */
  readonly results: Map<string, CellResult>
  readonly todo: readonly Task[]
}

/** What is known of a cell before it runs: what is wrong with it, else its steps and its model's config. */
export interface CheckedCell {
  readonly problem?: string
  readonly steps?: number
  readonly config?: ModelConfig
  /** Paths that are not here, with which it was not looked further into. */
  readonly lacks?: readonly string[]
}

/** Reads what is done; nothing is written. */
export async function planStudy({ name, out, base, study, source }: LoadedStudy): Promise<StudyPlan> {
  const folder = join(out, name)
  const grid = expandGrid(base, study, source, join(folder, 'cells'))
  const results = new Map<string, CellResult>()
  const todo: Task[] = []
  const known = study.study.reuse ? await readResults(study.study.reuse) : new Map<string, CellResult>()
  for (const cell of grid.cells) {
    const hash = await hashLines([cellIdentity(cell), JSON.stringify(study.study.learning_rates ?? [])])
    const done = known.get(hash) ?? (await doneBefore(folder, cell, hash))
    if (done) results.set(cell.key, { ...done, key: cell.key, axes: cell.axes })
    else todo.push({ cell, hash })
  }
  return { folder, grid, results, todo }
}

/** The cells of a results.json by their hash. */
async function readResults(path: string): Promise<Map<string, CellResult>> {
  if (!(await exists(path))) return new Map()
  const { cells } = (await readJson(path)) as { cells: CellResult[] }
  return new Map(cells.map(cell => [cell.hash, cell]))
}

export const cellFile = (folder: string, key: string): string => join(folder, 'cells', key, 'cell.json')

async function doneBefore(folder: string, { key }: Cell, hash: string): Promise<CellResult | undefined> {
  const path = cellFile(folder, key)
  if (!(await exists(path))) return undefined
  const result = (await readJson(path)) as CellResult
  if (result.hash !== hash)
    throw new Error(
      `${path} was made with other settings than the cell has now; remove ${join(folder, 'cells', key)} to run it again, or give the study another --name`,
    )
  return result
}

/** By key; seeds of one cell are checked once. */
export async function checkCells(
  todo: readonly Task[],
  check: (recipe: Recipe) => Promise<CheckedCell> = checkCell,
  signal?: AbortSignal,
): Promise<Map<string, CheckedCell>> {
  const known = new Map<string, CheckedCell>()
  const checked = new Map<string, CheckedCell>()
  for (const { cell } of todo) {
    signal?.throwIfAborted()
    const id = keyOf({ ...cell.axes, seed: 0 })
    const found = known.get(id) ?? (await check(cell.recipe))
    known.set(id, found)
    checked.set(cell.key, found)
  }
  return checked
}

/** Its data and its model read, its pairs tokenized. */
export async function checkCell(recipe: Recipe): Promise<CheckedCell> {
  try {
    const data = await openRecipeData(recipe)
    const source = await openRecipeModel(recipe, data)
    try {
      const { any } = await openPairs(recipe, trainingsOf(recipe), source, data, () => {})
      const { train, seed } = recipe
      const { config } = source.weights
      if (!train || !any) return { config }
      const count = any.examples.length * (train.negatives.source === 'both' ? 2 : 1)
      return { config, steps: loopSettings(train, count, seed, orderOf(train, any)).steps }
    } finally {
      await source.close()
    }
  } catch (error) {
    return { problem: (error as Error).message }
  }
}

/** A line for each impossible cell: those that contradict themselves, and those with which something was found to be wrong. */
export const impossibleLines = ({ impossible }: Grid, checked: ReadonlyMap<string, CheckedCell>): string[] => [
  ...impossible.map(({ key, problems }) => `${key}: ${problems.map(each => `${each.key} ${each.message}`).join('; ')}`),
  ...[...checked].flatMap(([key, { problem }]) => (problem === undefined ? [] : [`${key}: ${problem}`])),
]

/** What a study that has impossible cells fails with; `left`: cells that are done or can be run. */
export const impossibleError = ({ cells, impossible }: Grid, lines: readonly string[], left: number): Error =>
  new Error(
    `${lines.length} of ${cells.length + impossible.length} cells are impossible:\n  ${lines.join('\n  ')}\n` +
      `correct the grid, or leave them out by --keep-going (${left} are left)`,
  )
