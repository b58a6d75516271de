// What is done once a step's outcome is known: it is checked and told, the dev split scored, a checkpoint saved, where that is due.
import type { Backend } from '../backend/backend.js'
import type { ExampleBatches, ExampleBatchesState } from '../data/example-batches.js'
import type { PackedBatch } from '../model/batch.js'
import type { Trainable } from '../tensor/parameters.js'
import { takeParameters, takeSnapshot } from './checkpoint.js'
import type { ContrastiveTrainer, StepOutcome } from './contrastive.js'
import type { Drawn } from './draw.js'
import type { Example, LoopHooks, LoopSettings, StepRecord } from './loop.js'
import { nextScaler, type ScalerState } from './loss-scale.js'

/** What a checkpoint keeps beside the parameters. */
export interface LoopState {
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
  readonly tokens: number
  readonly seconds: number
  readonly peakBytes: number
  /** What hooks.mine found, null for undefined. */
  readonly mined?: { readonly step: number; readonly negatives: readonly (readonly number[] | null)[] }
}

/** A step that the device has, and what its record says of it already. */
export interface Started extends Pick<StepRecord, 'step' | 'epoch' | 'learning_rate'> {
  readonly lossScale: number | undefined
  readonly outcome: Promise<StepOutcome>
  readonly drawn: readonly Drawn[]
  /** When its batches began to be drawn. */
  readonly started: number
}

/** A training that goes on. */
export interface Loop {
  readonly backend: Backend
  readonly trainer: ContrastiveTrainer
  readonly trainable: Trainable
  readonly texts: PackedBatch
  readonly settings: LoopSettings
  readonly hooks: LoopHooks
  readonly sampler: ExampleBatches
  /** As they were given, and with the negatives that were mined for them. */
  readonly examples: readonly Example[]
  current: readonly Example[]
  state: LoopState
  /** The parameters that scored best on the dev split. */
  best?: readonly Float32Array[] | undefined
  stoppedEarly: boolean
  /** The step that was started last, until its outcome is known. */
  pending?: Started | undefined
  /** When that of the step before it was. */
  settled: number
}

export async function saveCheckpoint({ backend, trainable, hooks, state, best }: Loop): Promise<void> {
  if (hooks.saveCheckpoint)
    await hooks.saveCheckpoint({ snapshot: await takeSnapshot(backend, trainable), state, ...(best && { best }) })
}

/** Every so many steps, and after the last. */
const due = ({ steps }: LoopSettings, every: number | undefined, done: number): boolean =>
  every !== undefined && (done % every === 0 || done === steps)

/** Whether the next step waits for the end of this one: what is done then needs the parameters as it left them. */
export const isWaitedFor = (settings: LoopSettings, done: number): boolean =>
  done === settings.steps ||
  settings.weighting !== undefined ||
  due(settings, settings.evaluateEvery, done) ||
  due(settings, settings.checkpointEvery, done)

/** Waits for the step that was started last: checks and reports it, evaluates and saves where that is due. */
export async function settle(loop: Loop): Promise<void> {
  const { pending, settings, hooks } = loop
  if (!pending) return
  const { outcome, drawn, started, lossScale, ...rest } = pending
  loop.pending = undefined
  const { loss, gradientNorm, finite, losses, products } = await outcome
  const done = rest.step + 1
  const said = await settings.weighting?.end(rest.step, drawn.map(setsOf), losses ?? [], products)
  const good = finite && Number.isFinite(loss)
  if (!loop.state.scaler) checkFinite(rest.step, loss, gradientNorm, finite)
  const now = performance.now()
  const seconds = (now - Math.max(started, loop.settled)) / 1000
  loop.settled = now
  const tokens = drawn.reduce((total, { batch }) => total + batch.query.ids.length + batch.passage.ids.length, 0)
  const { state } = loop
  loop.state = {
    ...state,
    ...(state.scaler && { scaler: nextScaler(state.scaler, good, rest.step, lossScale!) }),
    ...(settings.weighting && { weighting: settings.weighting.save() }),
    tokens: state.tokens + tokens,
    seconds: state.seconds + seconds,
    peakBytes: Math.max(state.peakBytes, loop.trainer.peakBytes()),
  }
  const devScore = hooks.evaluate && due(settings, settings.evaluateEvery, done) ? await hooks.evaluate() : undefined
  if (devScore !== undefined) await judge(loop, done, devScore)
  const { order } = settings
  await hooks.onStep?.({
    ...rest,
    loss,
    gradient_norm: gradientNorm,
    tokens,
    seconds,
    ...(lossScale && { loss_scale: lossScale }),
    ...(!good && { skipped: true as const }),
    ...(order && 'sets' in order && { drawn: countSets(order.sets.length, drawn) }),
    ...(said && { weighting: said }),
    ...(devScore !== undefined && { dev_score: devScore }),
  })
  const { checkpointEvery } = settings
  if (due(settings, checkpointEvery, done) || (loop.stoppedEarly && checkpointEvery !== undefined))
    await saveCheckpoint(loop)
}

/** Keeps the parameters where they score best, and stops where they have not for too long. */
async function judge(loop: Loop, step: number, score: number): Promise<void> {
  const { state, settings } = loop
  const better = state.best === undefined || score > state.best.score
  if (better) loop.best = await takeParameters(loop.backend, loop.trainable)
  const evaluationsSinceBest = better ? 0 : state.evaluationsSinceBest + 1
  loop.state = { ...state, evaluationsSinceBest, ...(better && { best: { step, score } }) }
  loop.stoppedEarly = hasStopped(settings, loop.state)
}

export const hasStopped = ({ patience }: LoopSettings, { evaluationsSinceBest }: LoopState): boolean =>
  patience !== undefined && evaluationsSinceBest >= patience

function checkFinite(step: number, loss: number, gradientNorm: number, finite: boolean): void {
  if (finite && Number.isFinite(loss)) return
  throw new Error(
    `step ${step}: the ${Number.isFinite(loss) ? `gradient norm is ${gradientNorm}` : `loss is ${loss}`}, expected a finite number; ` +
      'lower the learning rate or raise the temperature, and start anew',
  )
}

const countSets = (sets: number, drawn: readonly Drawn[]): number[] => {
  const counts = Array<number>(sets).fill(0)
  for (const { sets: chosen = [] } of drawn) for (const set of chosen) counts[set]!++
  return counts
}

const setsOf = ({ sets = new Int32Array() }: Drawn): Int32Array => sets
