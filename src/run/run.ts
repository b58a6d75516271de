// The whole experiment, in reading order: data → model → baselines and scores before → each training, its model saved and scored → report. One
// folder under runs/ holds all of it, and is enough to go on from wherever a run stopped.
import type { Backend } from '../backend/backend.js'
import { parseTuning, tuningText } from '../backend/webgpu/tuning.js'
import { recipeToToml } from '../recipe/load.js'
import type { Recipe } from '../recipe/schema.js'
import { exists, join, listFolder, makeFolder, readText, removeFolder } from '../runtime/files.js'
import { removeLeftovers, writeFile } from '../runtime/write.js'
import { openBackend } from './backend.js'
import { evaluateBm25 } from './bm25.js'
import { openClock, type RunClock } from './clock.js'
import { comparisonRecord, groupScores } from './comparison.js'
import { checkSameRecipe, letGo, newRunFolder, type RunFolder, unfinishedRunFolder } from './folder.js'
import type { RunHooks } from './hooks.js'
import { measureMachine } from './machine.js'
import { mixtureCard } from './mixture-card.js'
import type { ModelSource } from './model.js'
import { openPairs, type RunPairs, writeRemoved } from './pairs.js'
import { placeFrozen } from './placed.js'
import { metricsRecord, type Outcome, type System, type TestScores, testScores } from './record.js'
import { renderComparison } from './report/page.js'
import type { Score } from './report/record.js'
import { openRecipeData, openRecipeModel } from './sources.js'
import type { TdroOutcome } from './tdro/stage.js'
import { readWeights, trainAll } from './tdro/trainings.js'
import { heldOutTest, keptResults, openTests, scoreTests, type Test } from './tests.js'
import { type Training, type TrainingOutcome, trainingFolder, trainingsOf } from './trainings.js'

export interface RunResult {
  readonly folder: string
  readonly report: string
  readonly tests: readonly TestScores[]
  /** In the order of the tables. */
  readonly systems: readonly { readonly key: string; readonly label: string }[]
  /** Means over groups of tests. */
  readonly groups: readonly Score[]
  /** The recipe's own first; none where nothing was trained. */
  readonly trainings: readonly TrainingOutcome[]
  /** Where weights of the training sets were learned. */
  readonly tdro?: TdroOutcome
}

/** Runs a recipe from its data to its report. Rejects with the signal's reason where it is interrupted; what was done is kept then. */
export async function runExperiment(recipe: Recipe, hooks: RunHooks = {}): Promise<RunResult> {
  const started = { date: new Date(), clock: performance.now() }
  const warnings: string[] = []
  const warn = (line: string) => {
    if (warnings.includes(line)) return
    warnings.push(line)
    hooks.warn?.(line)
  }
  const data = await openRecipeData(recipe)
  const source = await openRecipeModel(recipe, data, {
    ...{ say: hooks.say, signal: hooks.signal },
    onProgress: ({ file, bytes: done, total }) =>
      hooks.progress?.({ name: `fetching ${file}`, done, total, unit: 'bytes' }),
  })
  try {
    const trainings = hooks.weightsOnly ? [] : trainingsOf(recipe)
    const untested = hooks.trainOnly || hooks.weightsOnly
    const tests = await openTests(source, recipe, untested ? [] : data.tests, warn)
    const watched = trainings.some(({ recipe: { train } }) => train?.eval_every)
    const given = await openTests(source, recipe, watched ? data.dev : [], warn)
    const pairs = await openPairs(recipe, trainings, source, data, warn)
    const held = watched ? pairs.any?.heldOut : undefined
    const dev = held ? [await heldOutTest(source, recipe, held)] : given
    if (held) hooks.say?.(`dev: ${held.queries.ids.length} training queries held out by the seed`)
    const files = await readWeights(trainings, pairs)
    sayPairs(pairs, hooks)
    hooks.signal?.throwIfAborted()

    const { folder, clock } = await openFolder(recipe, started.clock, hooks)
    try {
      const mixed = trainings.some(({ recipe: { train } }) => train?.precision === 'mixed')
      const { backend, reason } = await openRunBackend(recipe, mixed, folder, hooks)
      try {
        const context = { backend, source, folder, clock, tests, dev, hooks, warn }
        const systems = await scoreUntrained(recipe, trainings.length > 0, context)
        await clock.keep()
        const removed = pairs.any?.removed ?? []
        if (removed.length > 0) await writeRemoved(join(folder.path, 'near-duplicates.jsonl'), removed)
        const { outcomes, tdro } = await trainAll(recipe, trainings, pairs, files, data, context)
        systems.push(
          ...outcomes.map(
            ({ training: { key, label }, results }): System => ({ key, label, kind: 'trained', results }),
          ),
        )
        const seconds = clock.seconds()
        const scores = testScores(tests, source, recipe, systems)
        const machine = untested ? {} : await measureMachine(backend)
        const outcome: Outcome = {
          ...{
            backend,
            reason,
            machine,
            started: started.date,
            seconds,
            source,
            tests,
            scores,
            systems,
            outcomes,
            warnings,
          },
          ...(tdro && { tdro }),
        }
        const groups = await writeResults(folder, clock, recipe, outcome, hooks)
        return {
          ...{ groups, folder: folder.path, report: folder.report, tests: scores, trainings: outcomes },
          systems: systems.map(({ key, label }) => ({ key, label })),
          ...(tdro && { tdro }),
        }
      } finally {
        backend.close()
      }
    } catch (error) {
      // On a disk that is full there is no room for it, and the error says so.
      await clock.keep(true).catch(() => undefined)
      throw await sayWhatIsKept(error as Error, folder, trainings, hooks)
    } finally {
      await letGo(folder)
    }
  } finally {
    await source.close()
  }
}

/** How negatives were found; of a mixture what each set holds. */
function sayPairs({ of, proxy, any }: RunPairs, { say }: RunHooks): void {
  const notes = [...of.values(), proxy].flatMap(pairs => pairs?.notes ?? [])
  for (const line of new Set(notes)) say?.(line)
  if (!any || any.sets.length < 2) return
  for (const line of mixtureCard(any.cards)) say?.(line)
}

/** `started`: when this part of the run began, by performance.now(). */
async function openFolder(
  recipe: Recipe,
  started: number,
  { resume, say }: RunHooks,
): Promise<{ folder: RunFolder; clock: RunClock }> {
  const out = recipe.out ?? 'runs'
  const folder = resume ? await unfinishedRunFolder(out, recipe.name) : await newRunFolder(out, recipe.name)
  try {
    say?.(`${resume ? 'resuming' : 'run'}: ${folder.path}`)
    const written = recipeToToml(recipe, folder.path)
    if (resume) checkSameRecipe(await readText(folder.recipe), written, folder.path)
    else await writeFile(folder.recipe, written)
    for (const path of [folder.path, folder.runs]) await removeLeftovers(path)
    await makeFolder(folder.runs)
    return { folder, clock: await openClock(folder.path, started) }
  } catch (error) {
    await letGo(folder)
    if (!resume) await removeFolder(folder.path)
    throw error
  }
}

/** Which variants of its kernels a GPU takes is kept with the run, so that it goes on in the same bits whatever is measured since. */
async function openRunBackend(recipe: Recipe, mixed: boolean, folder: RunFolder, { say, profile }: RunHooks) {
  const kept = (await exists(folder.tuning)) ? parseTuning(await readText(folder.tuning)) : undefined
  const { backend, reason, tuning } = await openBackend({ ...recipe, mixed, profile, tuning: kept })
  try {
    if (tuning && !kept) await writeFile(folder.tuning, tuningText(tuning))
    say?.(`backend: ${reason}`)
    return { backend, reason }
  } catch (error) {
    backend.close()
    throw error
  }
}

interface ScoringContext {
  readonly backend: Backend
  readonly source: ModelSource
  readonly folder: RunFolder
  readonly tests: readonly Test[]
  readonly hooks: RunHooks
}

/** Baselines, and the model as it is. */
async function scoreUntrained(
  recipe: Recipe,
  trains: boolean,
  { backend, source, folder, tests, hooks }: ScoringContext,
): Promise<System[]> {
  const systems: System[] = []
  if (tests.length === 0) return systems
  const { k, protocol, measures } = recipe.eval
  if (recipe.eval.baselines.includes('bm25')) {
    const results = await keptResults(folder, 'bm25', recipe, tests, async () =>
      tests.map(({ tokenized }) => evaluateBm25(tokenized.collection, {}, { k, protocol, measures })),
    )
    systems.push({ key: 'bm25', label: 'BM25', kind: 'baseline', results })
  }
  if (recipe.eval.before || !trains) {
    const results = await keptResults(folder, 'before', recipe, tests, async () => {
      const loaded = await placeFrozen(backend, source)
      try {
        const phase = trains ? 'before training' : 'scoring'
        return await scoreTests(backend, loaded, source, recipe, tests, phase, hooks)
      } finally {
        loaded.release()
      }
    })
    systems.push({ key: 'before', label: trains ? 'before' : 'model', kind: 'untrained', results })
  }
  return systems
}

/** Metrics and report; metrics come last, for they mark a run as ended. */
async function writeResults(
  folder: RunFolder,
  clock: RunClock,
  recipe: Recipe,
  outcome: Outcome,
  hooks: RunHooks,
): Promise<Score[]> {
  const { tests, systems } = outcome
  const groups = groupScores(recipe, tests, systems)
  const record = comparisonRecord(recipe, folder.path, outcome, groups, hooks.command ?? 'wgpu-retrieve run')
  await writeFile(folder.report, await renderComparison(record))
  await clock.end()
  await writeFile(folder.metrics, `${JSON.stringify(metricsRecord(recipe, outcome, groups), null, 1)}\n`)
  return groups
}

/** The error of a run that stopped, with what is kept of it. A folder in which nothing was computed yet is removed. */
async function sayWhatIsKept(
  error: Error,
  folder: RunFolder,
  trainings: readonly Training[],
  { command = 'wgpu-retrieve run', resume, signal }: RunHooks,
): Promise<Error> {
  const saying = (more: string) =>
    Object.assign(new Error(error.message + more, { cause: error }), { name: error.name })
  const checkpoints: string[] = []
  for (const training of trainings) {
    const { checkpoint } = trainingFolder(folder, training)
    if (await exists(checkpoint)) checkpoints.push(checkpoint)
  }
  const results = (await exists(folder.runs)) ? await listFolder(folder.runs) : []
  const begun = resume || (await exists(folder.log)) || (await exists(join(folder.path, 'tdro'))) || results.length > 0
  if (signal?.aborted && begun)
    return saying(
      `${checkpoints.length > 0 ? `; a checkpoint is kept: ${checkpoints.join(', ')}` : ''}\ngo on with: ${command} --resume`,
    )
  // What refuses a checkpoint begins with its path: that one is nothing to go on from.
  if (checkpoints.some(path => error.message.startsWith(path))) return error
  if (checkpoints.length > 0)
    return saying(`\nthe last checkpoint is kept: ${checkpoints.join(', ')} (--resume goes on from it)`)
  if (begun) return error
  await removeFolder(folder.path)
  return signal?.aborted ? saying(' before the first step; nothing is kept') : error
}
