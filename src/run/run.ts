// The whole experiment, in reading order: data → model → scores before → training → model saved → scores after → report. One folder under
// runs/ holds all of it.
import type { Backend } from '../backend/backend.js'
import { loadCollection } from '../data/collection.js'
import { hashCollection } from '../data/fingerprint.js'
import { writeRun } from '../data/trec.js'
import type { Encoder } from '../model/encoder.js'
import { recipeToToml } from '../recipe/load.js'
import type { Recipe } from '../recipe/schema.js'
import { join, makeFolder, openLog, readLines, removeFile, writeFile } from '../runtime/files.js'
import type { StepRecord } from '../train/loop.js'
import { version } from '../version.js'
import { openBackend } from './backend.js'
import {
  type CollectionScores,
  evaluateCollection,
  fingerprint,
  type TokenizedCollection,
  tokenizeCollection,
} from './evaluate.js'
import { newRunFolder, type RunFolder, unfinishedRunFolder } from './folder.js'
import { type ModelSource, placeModel, promptFor, saveModel } from './model.js'
import { type ReportRecord, renderReport } from './report.js'
import { openRecipeData, openRecipeModel } from './sources.js'
import { type Trained, tokenizePairs, trainModel } from './train.js'

/** Where a run is: for a bar or lines on a terminal. */
export interface Phase {
  readonly name: string
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

export interface TestScores {
  readonly name: string
  readonly split: string
  readonly queries: number
  readonly documents: number
  readonly before?: Readonly<Record<string, number>>
  readonly after?: Readonly<Record<string, number>>
  readonly fingerprint: string
}

export interface RunResult {
  readonly folder: string
  readonly report: string
  readonly tests: readonly TestScores[]
  /** Absent where nothing was trained. */
  readonly training?: TrainingSummary
}

export interface TrainingSummary {
  /** Of every step. */
  readonly loss: readonly number[]
  readonly steps: number
  readonly parameters: number
  /** Of this process. */
  readonly tokens: number
  readonly tokens_per_second: number
  /** Parameters, gradients, moments and activations, in bytes. */
  readonly peak_bytes: number
  readonly stopped_early: boolean
  readonly best_step?: number
  readonly best_dev_score?: number
}

interface Test {
  readonly name: string
  readonly tokenized: TokenizedCollection
  readonly dataHash: string
}

export async function runExperiment(recipe: Recipe, hooks: RunHooks = {}): Promise<RunResult> {
  const started = new Date()
  const clock = performance.now()
  const warnings: string[] = []
  const warn = (line: string) => {
    warnings.push(line)
    hooks.warn?.(line)
  }
  const paths = await openRecipeData(recipe)
  const source = await openRecipeModel(recipe, paths)
  const { backend, reason } = await openBackend({
    backend: recipe.backend,
    ...(recipe.adapter && { adapter: recipe.adapter }),
  })
  hooks.say?.(`backend: ${reason}`)
  try {
    const tests: Test[] = []
    for (const { name, path, split } of hooks.trainOnly ? [] : paths.tests)
      tests.push(await openTest(source, recipe, path, split, name, warn))
    const dev = paths.dev && (await openTest(source, recipe, paths.dev.path, paths.dev.split, 'dev', warn))
    const pairs =
      recipe.train && paths.train ? await tokenizePairs(paths.train, source, recipe.train.max_length) : undefined
    for (const line of pairs?.warnings ?? []) warn(line)

    const folder = hooks.resume
      ? await unfinishedRunFolder(recipe.out!, recipe.name)
      : await newRunFolder(recipe.out!, recipe.name)
    hooks.say?.(`${hooks.resume ? 'resuming' : 'run'}: ${folder.path}`)
    if (!hooks.resume) await writeFile(folder.recipe, recipeToToml(recipe))

    const before =
      tests.length > 0 && (recipe.eval.before || !pairs)
        ? await scoreUntrained(backend, source, recipe, tests, hooks)
        : undefined
    const losses: StepRecord[] = []
    const trained = pairs && (await train(backend, source, recipe, pairs, dev, folder, losses, hooks))
    for (const line of trained ? trainingWarnings(trained) : []) warn(line)
    try {
      if (trained) {
        const form = await saveModel(folder.model, source, trained.loaded)
        hooks.say?.(`model: ${folder.model} (${form})`)
      }
      const after =
        trained && (await scoreTests(backend, trained.loaded.encoder, source, recipe, tests, 'after training', hooks))
      const scores = tests.map((test, i) => testScores(test, source, recipe, before?.[i], after?.[i]))
      await makeFolder(folder.runs)
      for (const [i, { name }] of tests.entries()) {
        if (before)
          await writeRun(join(folder.runs, `${name}.before.trec`), before[i]!.run, { tag: `${recipe.name}.before` })
        if (after)
          await writeRun(join(folder.runs, `${name}.after.trec`), after[i]!.run, { tag: `${recipe.name}.after` })
      }
      const seconds = { total: (performance.now() - clock) / 1000, training: trained?.seconds ?? 0 }
      await writeMetrics(folder, recipe, {
        backend,
        reason,
        scores,
        trained,
        seconds,
        source,
        warnings,
        losses,
        before,
        after,
      })
      await writeFile(
        folder.report,
        renderReport(
          reportRecord(recipe, { started, backend, reason, scores, trained, seconds, source, warnings, losses, hooks }),
        ),
      )
      await removeFile(folder.checkpoint)
      const training = trained && trainingSummary(trained, losses)
      return { folder: folder.path, report: folder.report, tests: scores, ...(training && { training }) }
    } finally {
      trained?.loaded.release()
    }
  } finally {
    backend.close()
    await source.close()
  }
}

async function openTest(
  source: ModelSource,
  recipe: Recipe,
  path: string,
  split: string,
  name: string,
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

const similarityOf = (recipe: Recipe, source: ModelSource) => recipe.train?.similarity ?? source.settings.similarity

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
      similarityOf(recipe, source),
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
            similarityOf(recipe, source),
            dev.tokenized,
            limits,
          )
          return scores[metric]!
        },
      }),
      async onStart(start) {
        steps = start.steps
        hooks.say?.(
          `training: ${settings.method}, ${start.parameters} parameters, ${start.steps} steps${start.step ? `, from step ${start.step}` : ''}`,
        )
        losses.push(...(await keepLog(folder.log, start.step)))
        log = await openLog(folder.log)
      },
      async onStep(record) {
        losses.push(record)
        await log!.append(JSON.stringify(record))
        const score = record.dev_score === undefined ? '' : `, dev ${metric} ${record.dev_score.toFixed(4)}`
        hooks.progress?.({
          name: 'training',
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
      const record = JSON.parse(line) as StepRecord
      if (record.step < step) kept.push(record)
    }
  await writeFile(path, kept.map(record => `${JSON.stringify(record)}\n`).join(''))
  return kept
}

function trainingWarnings({ repeatedNegatives, stoppedEarly, steps, bestStep }: Trained): string[] {
  return [
    ...(repeatedNegatives > 0
      ? [`${repeatedNegatives} times an example had fewer hard negatives than asked, so some were drawn twice`]
      : []),
    ...(stoppedEarly ? [`stopped early after step ${steps}; the weights of step ${bestStep} are kept`] : []),
  ]
}

function testScores(
  { name, tokenized, dataHash }: Test,
  source: ModelSource,
  recipe: Recipe,
  before?: CollectionScores,
  after?: CollectionScores,
): TestScores {
  const { k, protocol, max_length: maxLength } = recipe.eval
  const { settings } = source
  return {
    name,
    split: tokenized.collection.split,
    queries: tokenized.collection.queries.ids.length,
    documents: tokenized.documentIds.length,
    ...(before && { before: before.scores }),
    ...(after && { after: after.scores }),
    fingerprint: fingerprint({
      protocol,
      k,
      maxLength,
      queryPrompt: promptFor(settings, 'query'),
      documentPrompt: promptFor(settings, 'document'),
      pooling: settings.pooling.join('+'),
      similarity: similarityOf(recipe, source),
      modelHash: source.hash,
      dataHash,
    }),
  }
}

interface Outcome {
  readonly backend: Backend
  readonly reason: string
  readonly scores: readonly TestScores[]
  readonly trained: Trained | undefined
  readonly seconds: { readonly total: number; readonly training: number }
  readonly source: ModelSource
  readonly warnings: readonly string[]
  readonly losses: readonly StepRecord[]
}

function trainingSummary(trained: Trained, losses: readonly StepRecord[]): TrainingSummary {
  const { steps, parameters, tokens, seconds, peakBytes, stoppedEarly, bestStep, bestScore } = trained
  return {
    loss: losses.map(record => record.loss),
    steps,
    parameters,
    tokens,
    tokens_per_second: seconds > 0 ? tokens / seconds : 0,
    peak_bytes: peakBytes,
    stopped_early: stoppedEarly,
    ...(bestStep !== undefined && { best_step: bestStep, best_dev_score: bestScore! }),
  }
}

async function writeMetrics(
  folder: RunFolder,
  recipe: Recipe,
  outcome: Outcome & {
    readonly before: readonly CollectionScores[] | undefined
    readonly after: readonly CollectionScores[] | undefined
  },
): Promise<void> {
  const { backend, reason, scores, trained, seconds, source, warnings, losses, before, after } = outcome
  const perQuery = (all: readonly CollectionScores[] | undefined) =>
    all && Object.fromEntries(all.map((each, i) => [scores[i]!.name, each.perQuery]))
  const record = {
    version,
    name: recipe.name,
    seed: recipe.seed,
    backend: { kind: backend.kind, description: backend.description, reason },
    model: { name: source.name, hash: source.hash },
    tests: scores,
    ...(trained && { training: trainingSummary(trained, losses) }),
    seconds,
    warnings,
    per_query: { before: perQuery(before), after: perQuery(after) },
  }
  await writeFile(folder.metrics, `${JSON.stringify(record, null, 1)}\n`)
}

function reportRecord(
  recipe: Recipe,
  outcome: Outcome & { readonly started: Date; readonly hooks: RunHooks },
): ReportRecord {
  const { started, backend, reason, scores, trained, seconds, source, warnings, losses, hooks } = outcome
  return {
    name: recipe.name,
    command: hooks.command ?? 'wgpu-retrieve run',
    version,
    backend: backend.kind,
    adapter: reason,
    started: started.toISOString(),
    seconds,
    model: { name: source.name, parameters: trained?.parameters ?? 0 },
    recipe: recipeToToml(recipe),
    tests: scores.map(({ name, split, queries, documents, before, after }) => ({
      name,
      split,
      queries,
      documents,
      ...(before && { before }),
      ...(after && { after }),
    })),
    losses: losses.map(({ step, loss, learning_rate, gradient_norm }) => ({
      step,
      loss,
      learningRate: learning_rate,
      gradientNorm: gradient_norm,
    })),
    tokensPerSecond: trained && trained.seconds > 0 ? trained.tokens / trained.seconds : 0,
    warnings: [...warnings],
  }
}
