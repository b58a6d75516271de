// A study run: every cell of its grid that is not done, one after another, each a run of its own in the study's folder; what is done is never done
// again. Figures are written after each cell, so that a study that stops has a report of what it has.
import type { Recipe } from '../recipe/schema.js'
import type { RunHooks } from '../run/hooks.js'
import { runExperiment } from '../run/run.js'
import { exists, join, makeFolder, removeFolder } from '../runtime/files.js'
import { writeFile } from '../runtime/write.js'
import type { Cell } from './grid.js'
import { likenessOf } from './likeness.js'
import type { LoadedStudy } from './load.js'
import { cellFile, checkCell, checkCells, impossibleError, impossibleLines, planStudy, type Task } from './plan.js'
import { renderStudy } from './report.js'
import { type CellResult, readCell, resultsJson } from './result.js'
import { searchRate, splitsOff } from './search.js'
import { domainMean } from './tables.js'
import { studyCsv } from './texts.js'

export interface StudyHooks extends RunHooks {
  /** Leaves impossible cells out, and goes on after one that failed. */
  readonly keepGoing?: boolean
}

export interface StudyOutcome {
  readonly folder: string
  readonly report: string
  readonly cells: readonly CellResult[]
  /** Lines: impossible cells, and those that failed. */
  readonly missing: readonly string[]
}

export async function runStudy(loaded: LoadedStudy, given: StudyHooks = {}): Promise<StudyOutcome> {
  const hooks = { ...given, ...(given.warn && { warn: once(given.warn) }) }
  const { folder, grid, results, todo } = await planStudy(loaded)
  await makeFolder(join(folder, 'cells'))
  const checked = await checkCells(todo, checkCell, hooks.signal)
  const impossible = impossibleLines(grid, checked)
  const possible = todo.filter(({ cell }) => checked.get(cell.key)!.problem === undefined)
  if (impossible.length > 0 && !hooks.keepGoing) throw impossibleError(grid, impossible, results.size + possible.length)
  hooks.say?.(`study: ${folder}, ${results.size} cells done, ${possible.length} to do`)
  sayRules(loaded, possible, hooks)
  const missing = [...impossible]
  const write = (complete: boolean) => writeStudy(loaded, folder, grid.cells, results, missing, complete, hooks)
  const started = performance.now()
  try {
    for (const [i, task] of possible.entries()) {
      const { key } = task.cell
      try {
        results.set(key, await runCell(task, folder, loaded, hooks))
      } catch (error) {
        if (hooks.signal?.aborted || !hooks.keepGoing) throw inCell(error as Error, key)
        missing.push(`${key}: ${(error as Error).message}`)
        hooks.warn?.(`${key} failed: ${(error as Error).message}`)
        continue
      }
      const each = (performance.now() - started) / 1000 / (i + 1)
      hooks.say?.(rowOf(results.get(key)!, `${i + 1}/${possible.length}`, each * (possible.length - i - 1)))
      await write(false)
    }
  } catch (error) {
    await write(true)
    throw error
  }
  const report = await write(true)
  return { folder, report, cells: ordered(grid.cells, results), missing }
}

/** What the figures to come are of. */
function sayRules({ study }: LoadedStudy, possible: readonly Task[], { say }: StudyHooks): void {
  const samples = new Set(possible.map(({ cell }) => cell.recipe.data.corpus_sample))
  for (const sample of samples)
    if (sample !== undefined) say?.(`corpus_sample = ${sample}: searched are the judged documents and ${sample} others`)
  const { learning_rates: rates, dev_share: share } = study.study
  if (rates && possible.some(({ cell }) => splitsOff(cell.recipe)))
    say?.(
      `dev: ${Number((100 * share).toPrecision(3))} % of the training queries, held out by the seed to choose learning rates with: there is no data.dev`,
    )
}

/** What cells have in common is said once. */
function once(warn: (line: string) => void): (line: string) => void {
  const said = new Set<string>()
  return line => {
    if (!said.has(line)) warn(line)
    said.add(line)
  }
}

const ordered = (cells: readonly Cell[], results: ReadonlyMap<string, CellResult>): CellResult[] =>
  cells.flatMap(({ key }) => results.get(key) ?? [])

const inCell = (error: Error, key: string): Error =>
  Object.assign(new Error(`cell ${key}: ${error.message}\nthe same command goes on from there`, { cause: error }), {
    name: error.name,
  })

async function runCell(
  { cell, hash }: Task,
  folder: string,
  { study }: LoadedStudy,
  hooks: StudyHooks,
): Promise<CellResult> {
  const { key, axes } = cell
  const path = join(folder, 'cells', key)
  const rates = study.study.learning_rates
  // Of a cell's own lines its bars are enough.
  const { say: _, ...quiet } = hooks
  const found = rates && (await searchRate(cell, rates, study.study.dev_share, join(folder, 'search'), hooks))
  const recipe = found ? withRate(cell.recipe, found.rate) : cell.recipe
  const begun = await exists(join(path, 'recipe.toml'))
  // Killed before it was begun: another would lie beside it under another name.
  if (!begun && (await exists(path))) await removeFolder(path)
  if (!(await exists(join(path, 'metrics.json')))) await runExperiment(recipe, { ...quiet, resume: begun })
  const read = await readCell(path, hash, axes, key)
  const result = found ? { ...read, seconds: { ...read.seconds, search: found.seconds } } : read
  await writeFile(cellFile(folder, key), `${JSON.stringify(result)}\n`)
  if (!study.study.keep_models) for (const name of ['model', 'variants']) await removeFolder(join(path, name))
  return result
}

const withRate = (recipe: Recipe, rate: number): Recipe => ({
  ...recipe,
  train: { ...recipe.train!, learning_rate: rate },
})

const percent = (value: number | undefined): string =>
  value === undefined ? '    –' : (100 * value).toFixed(1).padStart(5)

/** A line of the live table. */
function rowOf(cell: CellResult, place: string, left: number): string {
  const seconds = `${cell.seconds.total.toFixed(0)} s`
  const rest = left > 0 ? `, about ${Math.ceil(left / 60)} min left` : ''
  return `${place.padStart(7)}  in ${percent(domainMean(cell, 'in'))}  out ${percent(domainMean(cell, 'out'))}  ${cell.key} (${seconds}${rest})`
}

/** results.json and table.csv after every cell, the report when the study ends or stops. */
async function writeStudy(
  loaded: LoadedStudy,
  folder: string,
  cells: readonly Cell[],
  results: ReadonlyMap<string, CellResult>,
  missing: readonly string[],
  complete: boolean,
  hooks: StudyHooks,
): Promise<string> {
  const report = join(folder, 'report.html')
  const done = ordered(cells, results)
  const lines = [...missing]
  const waiting = cells.length - done.length
  if (waiting > missing.length) lines.push(`${waiting - missing.length} cells are still to be run`)
  const { basis } = loaded.study.study
  const alike = complete && !hooks.signal?.aborted ? await likenessOf(cells, done, folder, hooks) : undefined
  await writeFile(
    join(folder, 'results.json'),
    resultsJson({ name: loaded.name, basis, missing: lines, alike, cells: done }),
  )
  await writeFile(join(folder, 'table.csv'), studyCsv(done))
  if (!complete) return report
  const { name, question } = loaded
  await writeFile(
    report,
    await renderStudy({ name, question, basis, cells: done, missing: lines, notes: [], ...(alike && { alike }) }),
  )
  return report
}
