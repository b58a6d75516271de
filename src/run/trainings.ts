// The trainings of a run: the recipe's own and its variants, each trained (or resumed), saved, scored, and marked as done.
import type { Backend } from '../backend/backend.js'
import { describeMemory } from '../model/placement.js'
import type { Recipe } from '../recipe/schema.js'
import { exists, join, makeFolder, openLog, readJson, readLines, removeFile } from '../runtime/files.js'
import { removeLeftovers, writeFile } from '../runtime/write.js'
import { megabytes } from '../tensor/plan.js'
import type { StepRecord } from '../train/loop.js'
import type { RunClock } from './clock.js'
import { type RunFolder, type TrainingFolder, trainingLayout, variantFolder } from './folder.js'
import type { RunHooks } from './hooks.js'
import { type ModelSource, saveModel } from './model.js'
import { skippedSteps, type TrainingSummary, trainingSummary, trainingWarnings } from './record.js'
import { keptResults, scoreTests, type Test, type TestResult } from './tests.js'
import { type TokenizedPairs, type Trained, type TrainHooks, trainModel } from './train.js'

/** One training of a run. */
export interface Training {
  /** In files and records: "after" for the recipe's own, else the variant's name. */
  readonly key: string
  /** In tables: its method, or the variant's name. */
  readonly label: string
  /** With the variant's settings in their places. */
  readonly recipe: Recipe
  /** Below the run's folder; default: by the key. */
  readonly within?: string
}

export interface TrainingOutcome {
  readonly training: Training
  readonly summary: TrainingSummary
  /** A record a step, those before a resume included. */
  readonly steps: readonly StepRecord[]
  readonly results: readonly TestResult[]
}

/** What a resumed run reads of a training that was done. */
interface SavedSummary extends TrainingSummary {
  readonly warnings?: readonly string[]
}

const LABELS = { full: 'full', lora: 'LoRA' }

/** The recipe's own first; none where nothing is trained. */
export function trainingsOf(recipe: Recipe): Training[] {
  const { train, lora: _, variants, ...common } = recipe
  if (!train) return []
  return [
    { key: 'after', label: variants.length > 0 ? LABELS[train.method] : 'after', recipe },
    ...variants.map(({ name, ...own }) => ({ key: name, label: name, recipe: { ...common, variants: [], ...own } })),
  ]
}

export function trainingFolder(folder: RunFolder, { key, within }: Training): TrainingFolder {
  if (within !== undefined) return trainingLayout(join(folder.path, within))
  return key === 'after' ? folder : variantFolder(folder, key)
}

export interface TrainingContext {
  readonly backend: Backend
  readonly source: ModelSource
  readonly folder: RunFolder
  readonly clock: RunClock
  readonly pairs: TokenizedPairs
  readonly tests: readonly Test[]
  readonly dev: readonly Test[]
  readonly hooks: RunHooks
  readonly warn: (line: string) => void
  /** What the sets count in the loss. `start` is called with the step that training begins with. */
  readonly weighting?: NonNullable<TrainHooks['weighting']> & { readonly start?: (step: number) => Promise<void> }
}

/** Trains, saves and scores; what was done before is read from the folder. */
export async function runTraining(training: Training, context: TrainingContext): Promise<TrainingOutcome> {
  const { backend, source, tests, hooks, warn } = context
  const { recipe, key, label } = training
  const files = trainingFolder(context.folder, training)
  const kept = async (score: () => Promise<readonly TestResult[]>) =>
    tests.length === 0 ? [] : keptResults(context.folder, key, recipe, tests, score)
  // Of several trainings a warning says which.
  const warnOf = (lines: readonly string[]) => {
    for (const line of lines) warn(label === 'after' ? line : `${label}: ${line}`)
  }
  await makeFolder(files.path)
  await removeLeftovers(files.path)
  if (await exists(files.summary)) {
    const { warnings = [], ...summary } = (await readJson(files.summary)) as SavedSummary
    warnOf(warnings)
    const steps = await readLog(files.log)
    const results = await kept(() =>
      Promise.reject(
        new Error(`${files.path}: results of ${label} are missing; remove ${files.summary} to train it again`),
      ),
    )
    // It was killed between the two.
    await removeFile(files.checkpoint)
    return { training, summary, steps, results }
  }
  const steps: StepRecord[] = []
  const trained = await train(training, files, steps, context)
  try {
    const warnings = trainingWarnings(trained)
    warnOf(warnings)
    const skipped = skippedSteps(steps)
    if (skipped > 0)
      hooks.say?.(`${skipped} of ${steps.length} steps skipped: gradients beyond f16; the loss is scaled by less since`)
    const form = await saveModel(files.model, source, trained.loaded)
    hooks.say?.(`model: ${files.model} (${form})`)
    const phase = `scoring, ${label === 'after' ? 'after training' : label}`
    const results = await kept(() => scoreTests(backend, trained.loaded, source, recipe, tests, phase, hooks))
    const summary = trainingSummary(trained, steps)
    const saved: SavedSummary = { ...summary, warnings }
    await context.clock.keep()
    // In this order: without the summary a resumed run goes back to the checkpoint.
    await writeFile(files.summary, `${JSON.stringify(saved)}\n`)
    await removeFile(files.checkpoint)
    return { training, summary, steps, results }
  } finally {
    trained.loaded.release()
  }
}

async function train(
  { recipe, label }: Training,
  files: TrainingFolder,
  steps: StepRecord[],
  { backend, source, clock, pairs, dev, hooks, warn, weighting }: TrainingContext,
): Promise<Trained> {
  const settings = recipe.train!
  const metric = settings.early_stopping?.metric ?? 'ndcg_at_10'
  const name = label === 'after' ? 'training' : `training, ${label}`
  let log: Awaited<ReturnType<typeof openLog>> | undefined
  let first = 0
  let total = 0
  try {
    return await trainModel(backend, source, pairs, settings, recipe.lora, recipe.seed, {
      checkpoint: files.checkpoint,
      resume: await exists(files.checkpoint),
      ...(weighting && { weighting }),
      ...(hooks.signal && { signal: hooks.signal }),
      ...(dev.length > 0 &&
        settings.eval_every && {
          evaluate: async loaded => {
            const asked = { ...recipe, eval: { ...recipe.eval, measures: [metric] } }
            // Without a signal: training saves a checkpoint when it is interrupted.
            const all = await scoreTests(backend, loaded, source, asked, dev, 'dev', {})
            return all.reduce((sum, { scores }) => sum + scores[metric]!, 0) / all.length
          },
        }),
      onPlan: plan => hooks.say?.(`memory: ${describeMemory(plan)}`),
      onQuantized: loss => hooks.say?.(`frozen weights are ${(100 * loss).toFixed(2)} % off (root mean square)`),
      async onStart(start) {
        first = start.step
        total = start.steps
        await weighting?.start?.(first)
        const from = start.step ? `, from step ${start.step}` : ''
        hooks.say?.(`${name}: ${settings.method}, ${start.parameters} parameters, ${start.steps} steps${from}`)
        hooks.say?.(`memory: at most ${megabytes(start.bytes)} on the backend`)
        steps.push(...(await readLog(files.log)).filter(({ step }) => step < start.step))
        if (steps.length < start.step)
          warn(
            `${files.log} lacks ${start.step - steps.length} of the ${start.step} steps before the checkpoint, as where a machine lost its power; ` +
              'the model is not affected, the curve of losses is',
          )
        // Lines of steps that will be done again are dropped.
        await writeFile(files.log, steps.map(record => `${JSON.stringify(record)}\n`).join(''))
        log = await openLog(files.log)
        hooks.progress?.({ name, first, done: first, total, unit: 'steps' })
      },
      onMined({ positives, fallbacks, seconds }) {
        const kept = fallbacks > 0 ? `, ${fallbacks} pairs keep their own or the nearest` : ''
        hooks.say?.(`negatives mined in ${seconds.toFixed(1)} s, ${positives} positives excluded${kept}`)
      },
      async onStep(record) {
        steps.push(record)
        await log!.append(JSON.stringify(record))
        await clock.keep()
        const score = record.dev_score === undefined ? '' : `, dev ${metric} ${record.dev_score.toFixed(4)}`
        const note = `loss ${record.loss.toFixed(4)}${score}`
        hooks.progress?.({ name, first, done: record.step + 1, total, unit: 'steps', note })
      },
    })
  } finally {
    await log?.close()
  }
}

/** The records of a log; none where there is none. The last line may have been cut off, by a full disk or a machine that stopped. */
async function readLog(path: string): Promise<StepRecord[]> {
  const records: StepRecord[] = []
  if (!(await exists(path))) return records
  for await (const line of readLines(path)) {
    try {
      records.push(JSON.parse(line) as StepRecord)
    } catch {
      break
    }
  }
  return records
}
