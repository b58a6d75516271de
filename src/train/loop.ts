// The training loop: seeded batches of pairs, contrastive steps under a schedule, evaluation on a dev split every n steps with early stopping, and
// checkpoints from which a run goes on with the same bits. It reads no files and scores nothing: hooks do.
import type { Backend } from '../backend/backend.js'
import { createExampleBatches, type ExampleBatches, type ExampleOrder } from '../data/example-batches.js'
import type { PackedBatch } from '../model/batch.js'
import type { Trainable } from '../tensor/parameters.js'
import { type Checkpoint, putParameters, putSnapshot } from './checkpoint.js'
import type { ContrastiveTrainer } from './contrastive.js'
import { drawBatch } from './draw.js'
import { firstScaler } from './loss-scale.js'
import { rateFactor, type ScheduleSettings } from './schedule.js'
import { hasStopped, isWaitedFor, type Loop, type LoopState, saveCheckpoint, settle } from './settle.js'
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

/** A step of training, as log.jsonl has it. */
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
  /** Of steps alone, those before a resume included. */
  readonly tokens: number
  readonly seconds: number
  /** What the trainer held at most beside the parameters, before a resume or since. In bytes. */
  readonly peakBytes: number
  /** Queries that had fewer hard negatives than asked, so that some were drawn twice. */
  readonly repeatedNegatives: number
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
  const { seed, batchSize, dropLast, order = { kind: 'uniform' } } = settings
  const sampler = createExampleBatches({ seed, examples: examples.length, batchSize, dropLast, order })
  const state = { ...firstState(sampler, settings), ...(resume?.state as LoopState | undefined) }
  if (resume) {
    sampler.restore(state.sampler)
    settings.weighting?.restore(state.weighting)
    putSnapshot(backend, trainable, resume.snapshot)
  }
  const loop: Loop = {
    ...{ backend, trainer, trainable, texts, settings, hooks, sampler, examples },
    ...{ current: withNegatives(examples, state), state, best: resume?.best },
    ...{ stoppedEarly: hasStopped(settings, state), settled: 0 },
  }
  while (loop.state.step < settings.steps && !loop.stoppedEarly) {
    if (hooks.signal?.aborted) {
      await settle(loop)
      await saveCheckpoint(loop)
      hooks.signal.throwIfAborted()
    }
    if (hooks.mine && isDue(loop.state, settings.mineEvery)) await mineAgain(loop, hooks.mine)
    await startStep(loop)
    if (isWaitedFor(settings, loop.state.step)) await settle(loop)
    // Lets timers and signals run where the backend computes on this thread.
    await new Promise(resolve => setTimeout(resolve, 0))
  }
  if (loop.best) putParameters(backend, trainable, loop.best)
  const { step, best, tokens, seconds, peakBytes, repeatedNegatives } = loop.state
  return {
    ...{ steps: step, stoppedEarly: loop.stoppedEarly },
    ...(best && { bestStep: best.step, bestScore: best.score }),
    ...{ tokens, seconds, peakBytes, repeatedNegatives },
  }
}

const firstState = (sampler: ExampleBatches, { mixed }: LoopSettings): LoopState => ({
  ...{ step: 0, counter: 0, sampler: sampler.save(), evaluationsSinceBest: 0, repeatedNegatives: 0 },
  ...{ tokens: 0, seconds: 0, peakBytes: 0 },
  ...(mixed && { scaler: firstScaler, lagging: firstScaler }),
})

async function mineAgain(loop: Loop, mine: NonNullable<LoopHooks['mine']>): Promise<void> {
  await settle(loop)
  const found = await mine()
  loop.state = { ...loop.state, mined: { step: loop.state.step, negatives: found.map(each => each ?? null) } }
  loop.current = withNegatives(loop.examples, loop.state)
}

/** Draws the next step's batches and hands them to the device, before the last one's loss is waited for. */
async function startStep(loop: Loop): Promise<void> {
  const { settings, sampler, trainer, state } = loop
  const { accumulation, seed, weighting } = settings
  const { step, counter, lagging } = state
  const started = performance.now()
  const rate = settings.learningRate * rateFactor(step, settings.schedule)
  const drawn = Array.from({ length: accumulation }, () => drawBatch(sampler, loop.texts, loop.current, settings))
  const lossScale = lagging?.scale
  const t = step + 1 - (lagging?.skipped ?? 0)
  const at = { rate, t, seed, counter, ...(lossScale && { lossScale }) }
  const batches = weighting ? await weighted(weighting, drawn, trainer, at) : drawn.map(({ batch }) => batch)
  const { outcome } = await trainer.start(batches, at)
  await settle(loop)
  loop.pending = { step, epoch: drawn[0]!.epoch, learning_rate: rate, outcome, drawn, started, lossScale }
  const { state: settled } = loop
  loop.state = {
    ...settled,
    ...(settled.scaler && { lagging: settled.scaler }),
    step: step + 1,
    counter: counter + accumulation,
    sampler: sampler.save(),
    repeatedNegatives: settled.repeatedNegatives + drawn.reduce((total, d) => total + d.repeated, 0),
  }
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
