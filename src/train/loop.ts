// The training loop: seeded batches of pairs, contrastive steps under a schedule, evaluation on a dev split every n steps with early stopping, and
// checkpoints from which a run goes on with the same bits. It reads no files and scores nothing: hooks do.
import type { Backend } from '../backend/backend.js'
import { createExampleBatches, type ExampleBatchesState, type ExampleOrder } from '../data/example-batches.js'
import type { PackedBatch } from '../model/batch.js'
import type { Trainable } from '../tensor/parameters.js'
import { type Checkpoint, putParameters, putSnapshot, takeParameters, takeSnapshot } from './checkpoint.js'
import type { ContrastiveTrainer, StepOutcome } from './contrastive.js'
import { type Drawn, drawBatch } from './draw.js'
import { firstScaler, nextScaler, type ScalerState } from './loss-scale.js'
import { rateFactor, type ScheduleSettings } from './schedule.js'
import { type Weighting, weighted } from './weighting.js'

/** A query, its positive and what hard negatives there are: sequences of the store. */
export interface Example {
  readonly query: number
  readonly positive: number
  readonly negatives: readonly number[]
  /** The same in other words, such as with another prompt: each time one of these is drawn. */
  readonly variants?: readonly Example[]
  /** A teacher's scores of these passages. */
  readonly scores?: { readonly positive: number; readonly negatives: readonly number[] }
}

export interface LoopSettings {
  readonly seed: number
  /** Optimizer steps. */
  readonly steps: number
  /** Examples of a micro-batch: with the hard negatives, what one query is told apart from. */
  readonly batchSize: number
  /** Micro-batches of an optimizer step. */
  readonly accumulation: number
  readonly dropLast: boolean
  /** How examples are put into batches; default: uniform. */
  readonly order?: ExampleOrder
  /** What the examples of several sets count in the loss; default: all the same. */
  readonly weighting?: Weighting
  /** Hard negatives drawn a query. */
  readonly hardNegatives: number
  /** Whether the other queries' passages are candidates too. */
  readonly inBatch: boolean
  /** Whether batches hold a teacher's scores; every example must have them then. */
  readonly teacher?: boolean
  readonly learningRate: number
  /** Products narrow their factors to f16: the loss is scaled, and steps whose gradients are not finite are skipped. */
  readonly mixed?: boolean
  readonly schedule: ScheduleSettings
  /** Steps between evaluations and between checkpoints; absent: none. */
  readonly evaluateEvery?: number
  readonly checkpointEvery?: number
  /** Steps after which hooks.mine finds negatives again; absent: before the first step only. */
  readonly mineEvery?: number
  /** Evaluations without a better score after which training stops; absent: never. */
  readonly patience?: number
}

export interface StepRecord {
  /** From 0. */
  readonly step: number
  readonly epoch: number
  readonly loss: number
  readonly learning_rate: number
  readonly gradient_norm: number
  readonly tokens: number
  readonly seconds: number
  /** Where the loss is scaled. */
  readonly loss_scale?: number
  /** The gradients were not finite, and nothing was changed. */
  readonly skipped?: true
  /** Of several training sets: examples drawn from each. */
  readonly drawn?: readonly number[]
  /** What the weighting of the sets says of the step. */
  readonly weighting?: Readonly<Record<string, unknown>>
  /** Where the step ended in an evaluation. */
  readonly dev_score?: number
}

export interface LoopHooks {
  readonly onStep?: (record: StepRecord) => void | Promise<void>
  /** Higher is better. */
  readonly evaluate?: () => Promise<number>
  readonly saveCheckpoint?: (checkpoint: Checkpoint) => Promise<void>
  /** The negatives of each example under the model as it is now; undefined where an example keeps its own. */
  readonly mine?: () => Promise<readonly (readonly number[] | undefined)[]>
  /** Aborting saves a checkpoint and rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

export interface LoopResult {
  /** Steps done, those before a resume included. */
  readonly steps: number
  readonly stoppedEarly: boolean
  readonly bestStep?: number
  readonly bestScore?: number
  /** Of this process: tokens and seconds of steps alone. */
  readonly tokens: number
  readonly seconds: number
  /** Queries that had fewer hard negatives than asked, so that some were drawn twice. */
  readonly repeatedNegatives: number
}

/** What a checkpoint keeps beside the parameters. */
interface LoopState {
  readonly step: number
  readonly counter: number
  readonly sampler: ExampleBatchesState
  readonly weighting?: unknown
  /** After the last step whose outcome is known, and as the next one takes it: the one before it may not have ended when it starts. */
  readonly scaler?: ScalerState
  readonly lagging?: ScalerState
  readonly best?: { readonly step: number; readonly score: number }
  readonly evaluationsSinceBest: number
  readonly repeatedNegatives: number
  /** What hooks.mine found, null for undefined. */
  readonly mined?: { readonly step: number; readonly negatives: readonly (readonly number[] | null)[] }
}

export async function trainLoop(
  backend: Backend,
  trainer: ContrastiveTrainer,
  trainable: Trainable,
  texts: PackedBatch,
  examples: readonly Example[],
  settings: LoopSettings,
  hooks: LoopHooks = {},
  resume?: Checkpoint,
): Promise<LoopResult> {
  const { steps, seed, batchSize, accumulation, dropLast, weighting, order = { kind: 'uniform' } } = settings
  const sampler = createExampleBatches({ seed, examples: examples.length, batchSize, dropLast, order })
  let state: LoopState = {
    ...{ step: 0, counter: 0, sampler: sampler.save(), evaluationsSinceBest: 0, repeatedNegatives: 0 },
    ...(settings.mixed && { scaler: firstScaler, lagging: firstScaler }),
  }
  let best = resume?.best
  if (resume) {
    state = resume.state as LoopState
    sampler.restore(state.sampler)
    weighting?.restore(state.weighting)
    putSnapshot(backend, trainable, resume.snapshot)
  }
  let current = withNegatives(examples, state)
  const checkpoint = async () => {
    if (hooks.saveCheckpoint)
      await hooks.saveCheckpoint({ snapshot: await takeSnapshot(backend, trainable), state, ...(best && { best }) })
  }
  const sum = { tokens: 0, seconds: 0 }
  let stoppedEarly = settings.patience !== undefined && state.evaluationsSinceBest >= settings.patience

  /** What is to be done once the loss of a step is known, while the parameters are as it left them: the next one waits then. */
  const due = (every: number | undefined, done: number) => every !== undefined && (done % every === 0 || done === steps)
  const waits = (done: number) =>
    done === steps ||
    weighting !== undefined ||
    due(settings.evaluateEvery, done) ||
    due(settings.checkpointEvery, done)

  let pending: Started | undefined
  let settled = 0
  /** Waits for the step that was started last: checks and reports it, evaluates and saves where that is due. */
  const settle = async () => {
    if (!pending) return
    const { outcome, drawn, started, lossScale, ...rest } = pending
    pending = undefined
    const { loss, gradientNorm, finite, losses, products } = await outcome
    const done = rest.step + 1
    const said = await weighting?.end(rest.step, drawn.map(setsOf), losses ?? [], products)
    const good = finite && Number.isFinite(loss)
    if (state.scaler) state = { ...state, scaler: nextScaler(state.scaler, good, rest.step, lossScale!) }
    else checkFinite(rest.step, loss, gradientNorm, finite)
    if (weighting) state = { ...state, weighting: weighting.save() }
    const now = performance.now()
    const seconds = (now - Math.max(started, settled)) / 1000
    settled = now
    const tokens = drawn.reduce((total, { batch }) => total + batch.query.ids.length + batch.passage.ids.length, 0)
    sum.tokens += tokens
    sum.seconds += seconds
    const devScore = hooks.evaluate && due(settings.evaluateEvery, done) ? await hooks.evaluate() : undefined
    if (devScore !== undefined) {
      const better = state.best === undefined || devScore > state.best.score
      if (better) best = await takeParameters(backend, trainable)
      state = {
        ...state,
        evaluationsSinceBest: better ? 0 : state.evaluationsSinceBest + 1,
        ...(better && { best: { step: done, score: devScore } }),
      }
      stoppedEarly = settings.patience !== undefined && state.evaluationsSinceBest >= settings.patience
    }
    await hooks.onStep?.({
      ...rest,
      loss,
      gradient_norm: gradientNorm,
      tokens,
      seconds,
      ...(lossScale && { loss_scale: lossScale }),
      ...(!good && { skipped: true as const }),
      ...('sets' in order && { drawn: countSets(order.sets.length, drawn) }),
      ...(said && { weighting: said }),
      ...(devScore !== undefined && { dev_score: devScore }),
    })
    if (due(settings.checkpointEvery, done) || (stoppedEarly && settings.checkpointEvery !== undefined))
      await checkpoint()
  }

  while (state.step < steps && !stoppedEarly) {
    if (hooks.signal?.aborted) {
      await settle()
      await checkpoint()
      hooks.signal.throwIfAborted()
    }
    if (hooks.mine && isDue(state, settings.mineEvery)) {
      await settle()
      const found = await hooks.mine()
      state = { ...state, mined: { step: state.step, negatives: found.map(each => each ?? null) } }
      current = withNegatives(examples, state)
    }
    const started = performance.now()
    const { step } = state
    const rate = settings.learningRate * rateFactor(step, settings.schedule)
    const drawn = Array.from({ length: accumulation }, () => drawBatch(sampler, texts, current, settings))
    const { lagging } = state
    const lossScale = lagging?.scale
    const t = step + 1 - (lagging?.skipped ?? 0)
    const at = { rate, t, seed, counter: state.counter, ...(lossScale && { lossScale }) }
    const batches = weighting ? await weighted(weighting, drawn, trainer, at) : drawn.map(({ batch }) => batch)
    const { outcome } = await trainer.start(batches, at)
    // The device has the next step before the last one's loss is waited for.
    await settle()
    pending = { step, epoch: drawn[0]!.epoch, learning_rate: rate, outcome, drawn, started, lossScale }
    state = {
      ...state,
      ...(state.scaler && { lagging: state.scaler }),
      step: step + 1,
      counter: state.counter + accumulation,
      sampler: sampler.save(),
      repeatedNegatives: state.repeatedNegatives + drawn.reduce((total, d) => total + d.repeated, 0),
    }
    if (waits(step + 1)) await settle()
    // Lets timers and signals run where the backend computes on this thread.
    await new Promise(resolve => setTimeout(resolve, 0))
  }
  if (best) putParameters(backend, trainable, best)
  return {
    steps: state.step,
    stoppedEarly,
    ...(state.best && { bestStep: state.best.step, bestScore: state.best.score }),
    ...sum,
    repeatedNegatives: state.repeatedNegatives,
  }
}

/** A step that the device has, and what its record says of it already. */
interface Started extends Pick<StepRecord, 'step' | 'epoch' | 'learning_rate'> {
  readonly lossScale: number | undefined
  readonly outcome: Promise<StepOutcome>
  readonly drawn: readonly Drawn[]
  /** When its batches began to be drawn. */
  readonly started: number
}

function checkFinite(step: number, loss: number, gradientNorm: number, finite: boolean): void {
  if (finite && Number.isFinite(loss)) return
  throw new Error(
    `step ${step}: the ${Number.isFinite(loss) ? `gradient norm is ${gradientNorm}` : `loss is ${loss}`}, expected a finite number; ` +
      'lower the learning rate or raise the temperature, and start anew',
  )
}

/** Whether negatives are to be mined before this step: where none were, and every so many steps, once. */
const isDue = ({ mined, step }: LoopState, every: number | undefined): boolean =>
  mined === undefined || (every !== undefined && step % every === 0 && mined.step !== step)

const withNegatives = (examples: readonly Example[], { mined }: LoopState): readonly Example[] =>
  mined
    ? examples.map((example, i) => {
        const negatives = mined.negatives[i]
        return negatives ? { ...example, negatives } : example
      })
    : examples

const countSets = (sets: number, drawn: readonly Drawn[]): number[] => {
  const counts = Array<number>(sets).fill(0)
  for (const { sets: chosen = [] } of drawn) for (const set of chosen) counts[set]!++
  return counts
}

const setsOf = ({ sets = new Int32Array() }: Drawn): Int32Array => sets
