// One training step of a bi-encoder with InfoNCE, in GradCache's one shape (Gao et al. 2021): (1) forward by chunks, representations kept; (2) the
// loss and its gradient on all representations; (3) per chunk forward again with the same dropout, and backward. Where the whole batch is one
// chunk, all of it is one plan and nothing is computed twice. Dropout is keyed by row and position, never by chunk.
import type { Backend } from '../backend/backend.js'
import { batchArrays, type PackedBatch } from '../model/batch.js'
import type { Encoder } from '../model/encoder.js'
import type { Trainable } from '../tensor/parameters.js'
import type { Program } from '../tensor/program.js'
import type { Values } from '../tensor/tensor.js'
import { runTape, type Trace } from '../tensor/trace.js'
import { createChunkedSteps } from './chunks.js'
import { type LossOptions, lossInputs, lossShape, onOwn } from './contrastive-loss.js'
import { recordForwardAndLoss, type Side, sidesOf } from './contrastive-trace.js'
import { type LateSettings, lateInputs, lateValues } from './late-loss.js'
import {
  createStatus,
  type OptimizerSettings,
  readStatus,
  recordUpdate,
  type StepStatus,
  updateValues,
} from './optimizer.js'
import { createPrograms } from './programs.js'
import { createDomainGradients, sequenceDomains } from './tdro/domain-gradients.js'

/** Queries and their passages, [positive, negatives …] for each query. */
export interface ContrastiveBatch {
  readonly query: PackedBatch
  readonly passage: PackedBatch
  /** (Q, 3): target column, first candidate, end of candidates */
  readonly targets: Int32Array
  /** (Q): what each query's loss counts; 1/Q for a mean */
  readonly weights: Float32Array
  /** (P): the same number for the same passage; needed where duplicates are masked. */
  readonly labels?: Int32Array
  /** (Q): the domain of each query; needed where gradients are kept by domain. */
  readonly domains?: Int32Array
  /** (Q, passages of a query): a teacher's scores of each query's own passages; needed by the losses that follow one. */
  readonly teacher?: Float32Array
}

export interface ContrastiveSettings extends LossOptions {
  readonly query: Encoder
  /** The same object as `query` where one encoder serves both sides. */
  readonly passage: Encoder
  readonly trainable: Trainable
  readonly optimizer: OptimizerSettings
  /** Of late interaction: one encoder, placed for one vector a token. */
  readonly late?: LateSettings
  /** Sequences of a chunk; absent: the whole batch at once. */
  readonly chunkSize?: number
  /** Gradients of the last layers are kept for each of so many domains: for losses whose candidates are a query's own passages. */
  readonly domains?: number
  /** Overrides the model's own dropout (hidden states and attention). */
  readonly dropout?: number
}

export interface StepAt {
  readonly rate: number
  readonly t: number
  readonly seed: number
  readonly counter: number
  /** A power of 2 that gradients are multiplied by until the update; default 1. */
  readonly lossScale?: number
}

export type StepOutcome = StepStatus & { readonly losses?: readonly Float32Array[]; readonly products?: number[][] }

export interface ContrastiveTrainer {
  /**
   * One optimizer step over one or several micro-batches; t counts optimizer steps from 1, `counter` micro-batches from 0. → with `keepLosses` the
   * losses of each micro-batch, with `domains` the products of their gradients (domains, domains).
   */
  step(batches: readonly ContrastiveBatch[], at: StepAt): Promise<StepOutcome>
  /** The same, handed to the device: returns before it is done, and what it came to is told as of its end, whatever is started after it. */
  start(batches: readonly ContrastiveBatch[], at: StepAt): Promise<{ readonly outcome: Promise<StepOutcome> }>
  /** The losses (Q) that a step over this batch would have, with its dropout; needs `keepLosses`. */
  measure(batch: ContrastiveBatch, at: { seed: number; counter: number }): Promise<Float32Array>
  /** Gradients only, left in the segments: for tests and for those who step themselves. */
  gradients(batch: ContrastiveBatch, at: { seed: number; counter: number }): Promise<number>
  /** Of all that it holds beside the parameters: enough for the largest step so far. In bytes. */
  peakBytes(): number
  release(): void
}

/** Targets and weights of a mean over queries with `perQuery` passages each; in-batch: all passages of the batch are candidates. */
export function candidatesOf(
  queries: number,
  perQuery: number,
  inBatch: boolean,
): Pick<ContrastiveBatch, 'targets' | 'weights'> {
  const targets = new Int32Array(queries * 3)
  for (let i = 0; i < queries; i++) {
    const own = i * perQuery
    targets.set(inBatch ? [own, 0, queries * perQuery] : [own, own, own + perQuery], i * 3)
  }
  return { targets, weights: new Float32Array(queries).fill(1 / queries) }
}

/** The loss is a weighted sum: what it is scaled by are its weights. */
const scaled = (batch: ContrastiveBatch, scale: number): ContrastiveBatch => ({
  ...batch,
  weights: batch.weights.map(weight => scale * weight),
})

const byPrefix = ({ query, passage }: ContrastiveSettings): ReadonlyMap<string, Encoder> =>
  new Map(
    query === passage
      ? [['', query]]
      : [
          ['q.', query],
          ['p.', passage],
        ],
  )

export function createContrastiveTrainer(backend: Backend, settings: ContrastiveSettings): ContrastiveTrainer {
  const { trainable, optimizer, chunkSize } = settings
  if (settings.domains !== undefined && !onOwn(settings))
    throw new Error(
      "gradients by domain need a loss whose candidates are a query's own passages: infonce without in-batch negatives",
    )
  const programs = createPrograms(backend)
  const status = createStatus(backend)
  const domains =
    settings.domains === undefined ? undefined : createDomainGradients(backend, settings.domains, byPrefix(settings))

  const shapeOf = (batch: ContrastiveBatch) => {
    if (!settings.late) return lossShape(batch, settings)
    return { values: { ...lossShape(batch).values, ...lateValues(batch) }, tiles: 1 }
  }
  const inputsOf = (batch: ContrastiveBatch) => ({
    ...lossInputs(batch, settings),
    ...(settings.late && lateInputs(batch, settings.late)),
  })
  const runLoss = async (made: (tiles: number) => Program, batch: ContrastiveBatch, at: Values): Promise<Program> => {
    const { values, tiles } = shapeOf(batch)
    const lossProgram = made(tiles)
    await lossProgram.run({ ...at, ...values }, inputsOf(batch))
    return lossProgram
  }
  const chunked = createChunkedSteps(backend, settings, programs, status.loss, runLoss, domains)
  const update = (trace: Trace) => recordUpdate(trace, trainable.segments, status.state, optimizer)

  const wholeStep = (withUpdate: boolean) => (tiles: number) =>
    programs.named(`${withUpdate ? 'step' : 'gradients'}.${tiles}`, trace => {
      if (domains) for (const prefix of byPrefix(settings).keys()) domains.declare(trace, prefix)
      recordForwardAndLoss(trace, settings, status.loss, tiles)
      runTape(trace)
      if (withUpdate) update(trace)
    })
  const wholeLoss = (tiles: number) =>
    programs.named(`measure.${tiles}`, trace => recordForwardAndLoss(trace, settings, status.loss, tiles), false)

  const fits = ({ query, passage }: ContrastiveBatch) =>
    chunkSize === undefined || query.offsets.length + passage.offsets.length - 2 <= chunkSize

  const runWhole = async (
    made: (tiles: number) => Program,
    batch: ContrastiveBatch,
    sides: readonly Side[],
    at: Values,
  ): Promise<Program> => {
    const rowsBy = ({ prefix, batch: own }: Side) => domains!.arrays(prefix, own, sequenceDomains(batch, prefix))
    const arrays = [
      ...sides.map(side => batchArrays(side.batch, side.prefix, side.encoder)),
      ...(domains ? sides.map(rowsBy) : []),
    ]
    const { values, tiles } = shapeOf(batch)
    const whole = made(tiles)
    const inputs = Object.assign(inputsOf(batch), ...arrays.map(a => a.inputs))
    await whole.run(Object.assign({ ...at, ...values }, ...arrays.map(a => a.values)), inputs)
    return whole
  }

  /** → the program that had the loss */
  const microBatch = async (batch: ContrastiveBatch, at: Values, withUpdate: boolean): Promise<Program> => {
    const sides = sidesOf(batch, settings)
    if (fits(batch)) return runWhole(wholeStep(withUpdate), batch, sides, at)
    const lossProgram = await chunked.gradients(batch, sides, at)
    if (withUpdate) await programs.named('update', update).run(at)
    return lossProgram
  }

  const measureLosses = async (batch: ContrastiveBatch, at: Values): Promise<Float32Array> => {
    const sides = sidesOf(batch, settings)
    const measured = await (fits(batch) ? runWhole(wholeLoss, batch, sides, at) : chunked.loss(batch, sides, at))
    return measured.read('losses')
  }

  const start = async (given: readonly ContrastiveBatch[], { rate, t, seed, counter, lossScale = 1 }: StepAt) => {
    const shared = updateValues(rate, t, optimizer, lossScale)
    const batches = lossScale === 1 ? given : given.map(batch => scaled(batch, lossScale))
    const reads: Promise<Float32Array>[] = []
    for (const [i, batch] of batches.entries()) {
      const at = {
        ...shared,
        seed,
        step: counter + i,
        addsToLoss: i === 0 ? 0 : 1,
        ...domains?.factors(batch, batches),
      }
      const lossProgram = await microBatch(batch, at, i === batches.length - 1)
      if (settings.keepLosses) reads.push(lossProgram.read('losses'))
    }
    if (domains) await programs.named('domains', trace => domains.recordProducts(trace), false).run({})
    // Reads take their place behind what was handed over, before what comes next.
    const outcome = Promise.all([readStatus(backend, status), Promise.all(reads), domains?.readProducts()]).then(
      ([found, losses, products]): StepOutcome => ({
        ...{ ...found, loss: found.loss / lossScale },
        ...(settings.keepLosses && { losses }),
        ...(products && { products: products.map(row => row.map(x => x / lossScale ** 2)) }),
      }),
    )
    // Whoever waits hears of a failure; until someone does it is no unhandled one.
    outcome.catch(() => undefined)
    return { outcome }
  }

  return {
    start,
    step: async (batches, at) => (await start(batches, at)).outcome,
    measure: (batch, { seed, counter }) => measureLosses(batch, { seed, step: counter, addsToLoss: 0 }),
    async gradients(batch, { seed, counter }) {
      await microBatch(batch, { seed, step: counter, addsToLoss: 0, ...domains?.factors(batch, [batch]) }, false)
      return (await readStatus(backend, status)).loss
    },
    peakBytes: () => programs.bytes() + chunked.bytes() + status.memory.bytes + (domains?.bytes ?? 0),
    release() {
      chunked.release()
      programs.release()
      backend.free(status.memory.memory)
      domains?.release()
    },
  }
}
