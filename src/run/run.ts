// The whole experiment, in reading order: data → model → scores before → training → model saved → scores after → report. One folder under
// runs/ holds all of it.
import type { Backend } from '../backend/backend.js'
import { loadCollection } from '../data/collection.js'
import { hashCollection } from '../data/fingerprint.js'
import { writeRun } from '../data/trec.js'
import type { Encoder } from '../model/encoder.js'
import { recipeToToml } from '../recipe/load.js'
import type { Recipe } from '../recipe/schema.js'
import { exists, join, makeFolder, openLog, readLines, removeFile, removeFolder } from '../runtime/files.js'
import { writeFile } from '../runtime/write.js'
import { megabytes } from '../tensor/plan.js'
import type { StepRecord } from '../train/loop.js'
import { openBackend } from './backend.js'
import { type CollectionScores, evaluateCollection, tokenizeCollection } from './evaluate.js'
import { newRunFolder, type RunFolder, unfinishedRunFolder } from './folder.js'
import { type ModelSource, placeModel, saveModel } from './model.js'
import {
  adapterWarnings,
  metricsRecord,
  type Outcome,
  reportRecord,
  type Test,
  type TestScores,
  type TrainingSummary,
  testScores,
  trainingSummary,
  trainingWarnings,
} from './record.js'
import { renderReport } from './report.js'
import { openRecipeData, openRecipeModel } from './sources.js'
import { checkTraining, type Trained, tokenizePairs, trainModel } from './train.js'

/** Where a run is: for a bar or lines on a terminal. */
export interface Phase {
  readonly name: string
  /** What was done before this process, where a run is resumed; default 0. */
  readonly first?: number
  readonly done: number
  readonly total: number
  readonly unit: string
  readonly note?: string
}

export interface RunHooks {
  /** A line for people: what was chosen, warnings. */
  readonly say?: (line: string) => void
  readonly warn?: (line: string) => void
  readonly progress?: (phase: Phase) => void
  readonly signal?: AbortSignal
  /** The command that repeats the run, for the report. */
  readonly command?: string
  readonly resume?: boolean
  /** Leaves the tests out. */
  readonly trainOnly?: boolean
}

export interface RunResult {
  readonly folder: string
  readonly report: string
  readonly tests: readonly TestScores[]
  /** Absent where nothing was trained. */
  readonly training?: TrainingSummary
}

/** Runs a recipe from its data to its report. Rejects with the signal's reason where it is interrupted; a checkpoint is kept then. */
export async function runExperiment(recipe: Recipe, hooks: RunHooks = {}): Promise<RunResult> {
  const started = { date: new Date(), clock: performance.now() }
  const warnings: string[] = []
  const warn = (line: string) => {
    warnings.push(line)
    hooks.warn?.(line)
  }
  const paths = await openRecipeData(recipe)
  const source = await openRecipeModel(recipe, paths)
  try {
    const tests: Test[] = []
    for (const test of hooks.trainOnly ? [] : paths.tests) tests.push(await openTest(source, recipe, test, warn))
    const dev = recipe.train?.eval_every && paths.dev ? await openTest(source, recipe, paths.dev, warn) : undefined
    const pairs =
      recipe.train && paths.train ? await tokenizePairs(paths.train, source, recipe.train.max_length) : undefined
    for (const line of pairs?.warnings ?? []) warn(line)
    if (pairs && source.adapter) for (const line of adapterWarnings(source.adapter, recipe)) warn(line)
    if (pairs) checkTraining(source, pairs, recipe.train!, recipe.lora, recipe.seed)
    hooks.signal?.throwIfAborted()

    const { backend, reason } = await openBackend(recipe)
    hooks.say?.(`backend: ${reason}`)
    try {
      const folder = await openFolder(recipe, hooks)
      const losses: StepRecord[] = []
      let trained: Trained | undefined
      try {
        const before =
          tests.length > 0 && (recipe.eval.before || !pairs)
            ? await scoreUntrained(backend, source, recipe, tests, hooks)
            : undefined
        trained = pairs && (await train(backend, source, recipe, pairs, dev, folder, losses, hooks))
        for (const line of trained ? trainingWarnings(trained) : []) warn(line)
        const after = trained && (await saveAndScore(backend, source, recipe, tests, trained, folder, hooks))
        const seconds = { total: (performance.now() - started.clock) / 1000, training: trained?.seconds ?? 0 }
        const scores = testScores(tests, source, recipe, before, after)
        const times = { started: started.date, seconds }
        const outcome: Outcome = {
          ...{ backend, reason, ...times, source, scores, before, after, trained, losses, warnings },
        }
        return await writeResults(folder, recipe, tests, outcome, hooks.command ?? 'wgpu-retrieve run')
      } catch (error) {
        throw await sayWhatIsKept(error as Error, folder, losses.length > 0, hooks)
      } finally {
        trained?.loaded.release()
      }
    } finally {
      backend.close()
    }
  } finally {
    await source.close()
  }
}

async function openFolder(recipe: Recipe, { resume, say }: RunHooks): Promise<RunFolder> {
  const out = recipe.out ?? 'runs'
  const folder = resume ? await unfinishedRunFolder(out, recipe.name) : await newRunFolder(out, recipe.name)
  say?.(`${resume ? 'resuming' : 'run'}: ${folder.path}`)
  if (!resume) await writeFile(folder.recipe, recipeToToml(recipe, folder.path))
  return folder
}

/** The error of a run that stopped, with where its checkpoint lies. A folder in which nothing was trained yet is removed. */
async function sayWhatIsKept(
  error: Error,
  folder: RunFolder,
  begun: boolean,
  { command = 'wgpu-retrieve run', resume, signal }: RunHooks,
): Promise<Error> {
  const saying = (more: string) =>
    Object.assign(new Error(error.message + more, { cause: error }), { name: error.name })
  if (await exists(folder.checkpoint))
    return signal?.aborted
      ? saying(`; a checkpoint is kept: ${folder.checkpoint}\ngo on with: ${command} --resume`)
      : saying(`\nthe last checkpoint is kept: ${folder.checkpoint} (--resume goes on from it)`)
  if (begun || resume) return error
  await removeFolder(folder.path)
  return signal?.aborted ? saying(' before the first step; nothing is kept') : error
}

async function saveAndScore(
  backend: Backend,
  source: ModelSource,
  recipe: Recipe,
  tests: readonly Test[],
  trained: Trained,
  folder: RunFolder,
  hooks: RunHooks,
): Promise<CollectionScores[]> {
  const form = await saveModel(folder.model, source, trained.loaded)
  hooks.say?.(`model: ${folder.model} (${form})`)
  return scoreTests(backend, trained.loaded.encoder, source, recipe, tests, 'after training', hooks)
}

/** TREC runs, metrics and report; metrics come last, for they mark a run as ended. */
async function writeResults(
  folder: RunFolder,
  recipe: Recipe,
  tests: readonly Test[],
  outcome: Outcome,
  command: string,
): Promise<RunResult> {
  const { before, after, scores, trained, losses } = outcome
  await makeFolder(folder.runs)
  for (const [i, { name }] of tests.entries())
    for (const [when, all] of Object.entries({ before, after }))
      if (all) await writeRun(join(folder.runs, `${name}.${when}.trec`), all[i]!.run, { tag: `${recipe.name}.${when}` })
  await writeFile(folder.report, renderReport(reportRecord(recipe, folder.path, outcome, command)))
  await writeFile(folder.metrics, `${JSON.stringify(metricsRecord(recipe, outcome), null, 1)}\n`)
  await removeFile(folder.checkpoint)
  const training = trained && trainingSummary(trained, losses)
  return { folder: folder.path, report: folder.report, tests: scores, ...(training && { training }) }
}

async function openTest(
  source: ModelSource,
  recipe: Recipe,
  { path, split, name = 'dev' }: { readonly path: string; readonly split: string; readonly name?: string },
  warn: (line: string) => void,
): Promise<Test> {
  const collection = await loadCollection(path, { split })
  for (const line of collection.warnings) warn(line)
  const tokenized = tokenizeCollection(source.tokenizer!, source.settings, collection, recipe.eval.max_length)
  return { name, tokenized, dataHash: await hashCollection(collection) }
}

async function scoreUntrained(
  backend: Backend,
  source: ModelSource,
  recipe: Recipe,
  tests: readonly Test[],
  hooks: RunHooks,
) {
  const loaded = await placeModel(backend, source)
  try {
    return await scoreTests(
      backend,
      loaded.encoder,
      source,
      recipe,
      tests,
      recipe.train ? 'before training' : 'scoring',
      hooks,
    )
  } finally {
    loaded.release()
  }
}

async function scoreTests(
  backend: Backend,
  encoder: Encoder,
  source: ModelSource,
  recipe: Recipe,
  tests: readonly Test[],
  when: string,
  { progress, signal }: RunHooks,
): Promise<CollectionScores[]> {
  const { k, protocol, measures, max_length: maxLength, batch_tokens: batchTokens } = recipe.eval
  const all: CollectionScores[] = []
  for (const { name, tokenized } of tests) {
    const scores = await evaluateCollection(
      backend,
      encoder,
      source.settings.similarity,
      tokenized,
      { k, protocol, measures, maxLength, batchTokens },
      {
        onProgress: each => progress?.({ name: `${name}, ${when}`, ...each }),
        ...(signal && { signal }),
      },
    )
    all.push(scores)
  }
  return all
}

async function train(
  backend: Backend,
  source: ModelSource,
  recipe: Recipe,
  pairs: Awaited<ReturnType<typeof tokenizePairs>>,
  dev: Test | undefined,
  folder: RunFolder,
  losses: StepRecord[],
  hooks: RunHooks,
): Promise<Trained> {
  const settings = recipe.train!
  const metric = settings.early_stopping?.metric ?? 'ndcg_at_10'
  let log: Awaited<ReturnType<typeof openLog>> | undefined
  let first = 0
  let steps = 0
  try {
    return await trainModel(backend, source, pairs, settings, recipe.lora, recipe.seed, {
      checkpoint: folder.checkpoint,
      resume: hooks.resume ?? false,
      ...(hooks.signal && { signal: hooks.signal }),
      ...(dev && {
        evaluate: async ({ encoder }) => {
          const { k, protocol, max_length: maxLength, batch_tokens: batchTokens } = recipe.eval
          const limits = { k, protocol, measures: [metric], maxLength, batchTokens }
          const { scores } = await evaluateCollection(
            backend,
            encoder,
            source.settings.similarity,
            dev.tokenized,
            limits,
          )
          return scores[metric]!
        },
      }),
      async onStart(start) {
        first = start.step
        steps = start.steps
        hooks.say?.(
          `training: ${settings.method}, ${start.parameters} parameters, ${start.steps} steps${start.step ? `, from step ${start.step}` : ''}`,
        )
        hooks.say?.(`memory: at most ${megabytes(start.bytes)} on the backend`)
        losses.push(...(await keepLog(folder.log, start.step)))
        log = await openLog(folder.log)
      },
      async onStep(record) {
        losses.push(record)
        await log!.append(JSON.stringify(record))
        const score = record.dev_score === undefined ? '' : `, dev ${metric} ${record.dev_score.toFixed(4)}`
        hooks.progress?.({
          name: 'training',
          first,
          done: record.step + 1,
          total: steps,
          unit: 'steps',
          note: `loss ${record.loss.toFixed(4)}${score}`,
        })
      },
    })
  } finally {
    await log?.close()
  }
}

/** The lines of the log before this step; later ones, of steps that will be done again, are dropped from the file. */
async function keepLog(path: string, step: number): Promise<StepRecord[]> {
  const kept: StepRecord[] = []
  if (step > 0)
    for await (const line of readLines(path)) {
      const record = parseRecord(line)
      if (record && record.step < step) kept.push(record)
    }
  await writeFile(path, kept.map(record => `${JSON.stringify(record)}\n`).join(''))
  return kept
}

// The last line may have been cut off, by a full disk or a machine that stopped.
function parseRecord(line: string): StepRecord | undefined {
  try {
    return JSON.parse(line) as StepRecord
  } catch {
    return undefined
  }
}
