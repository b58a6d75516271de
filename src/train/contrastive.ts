// One training step of a bi-encoder with InfoNCE, in GradCache's one shape (Gao et al. 2021): (1) forward by chunks, representations kept; (2) the
// loss and its gradient on all representations; (3) per chunk forward again with the same dropout, and backward. Where the whole batch is one
// chunk, all of it is one plan and nothing is computed twice. Dropout is keyed by row and position, never by chunk.
import type { Backend } from '../backend/backend.js'
import { batchArrays, type PackedBatch } from '../model/batch.js'
import { type Encoder, encoderWidth } from '../model/encoder.js'
import { freeTensors, stateTensor, type Trainable } from '../tensor/parameters.js'
import { createPlan } from '../tensor/plan.js'
import { createPool, createProgram, type Program, poolBytes, releasePool } from '../tensor/program.js'
import type { Tensor, Values } from '../tensor/tensor.js'
import { createTrace, runTape, type Trace } from '../tensor/trace.js'
import { type LossOptions, lossInputs, lossShape, onOwn } from './contrastive-loss.js'
import {
  chunksOf,
  firstRowOf,
  recordCachedLoss,
  recordChunk,
  recordChunkBackward,
  recordForwardAndLoss,
  recordLossAlone,
  rowsOf,
  type Side,
  sidesOf,
} from './contrastive-trace.js'
import { type LateSettings, lateInputs, lateValues } from './late-loss.js'
import {
  createStatus,
  type OptimizerSettings,
  readStatus,
  recordUpdate,
  type StepStatus,
  updateValues,
} from './optimizer.js'
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
  const pool = createPool(backend)
  const status = createStatus(backend)
  const width = encoderWidth(settings.query)
  const programs = new Map<string, Program>()
  const domains =
    settings.domains === undefined ? undefined : createDomainGradients(backend, settings.domains, byPrefix(settings))
  let cache: { rows: number; reps: Tensor; dreps: Tensor } | undefined

  const shapeOf = (batch: ContrastiveBatch) => {
    if (!settings.late) return lossShape(batch, settings)
    return { values: { ...lossShape(batch).values, ...lateValues(batch) }, tiles: 1 }
  }
  const inputsOf = (batch: ContrastiveBatch) => ({
    ...lossInputs(batch, settings),
    ...(settings.late && lateInputs(batch, settings.late)),
  })
  const program = (name: string, record: (trace: Trace) => void, training = true): Program => {
    const present = programs.get(name)
    if (present) return present
    const trace = createTrace({ training })
    record(trace)
    const made = createProgram(createPlan(name, trace), pool)
    programs.set(name, made)
    return made
  }
  const update = (trace: Trace) => recordUpdate(trace, trainable.segments, status.state, optimizer)

  const wholeStep = (withUpdate: boolean, tiles: number) =>
    program(`${withUpdate ? 'step' : 'gradients'}.${tiles}`, trace => {
      if (domains) for (const prefix of byPrefix(settings).keys()) domains.declare(trace, prefix)
      recordForwardAndLoss(trace, settings, status.loss, tiles)
      runTape(trace)
      if (withUpdate) update(trace)
    })

  const fits = (sequences: number) => chunkSize === undefined || sequences <= chunkSize

  /** → the program that had the loss */
  const microBatch = async (batch: ContrastiveBatch, at: Values, withUpdate: boolean): Promise<Program> => {
    const sides = sidesOf(batch, settings)
    const sequences = batch.query.offsets.length + batch.passage.offsets.length - 2
    if (fits(sequences)) return runWhole(tiles => wholeStep(withUpdate, tiles), batch, sides, at)
    const lossProgram = await cachedGradients(batch, sides, at)
    if (withUpdate) await program('update', update).run(at)
    return lossProgram
  }

  const runWhole = async (
    made: (tiles: number) => Program,
    batch: ContrastiveBatch,
    sides: Side[],
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

  const runCachedLoss = async (made: (tiles: number) => Program, batch: ContrastiveBatch, at: Values) => {
    const { values, tiles } = shapeOf(batch)
    const lossProgram = made(tiles)
    await lossProgram.run({ ...at, ...values }, inputsOf(batch))
    return lossProgram
  }

  const measureLosses = async (batch: ContrastiveBatch, at: Values): Promise<Float32Array> => {
    const sides = sidesOf(batch, settings)
    const sequences = batch.query.offsets.length + batch.passage.offsets.length - 2
    const measuring = (name: string, record: (trace: Trace, tiles: number) => void) => (tiles: number) =>
      program(`${name}.${tiles}`, trace => record(trace, tiles), false)
    if (fits(sequences)) {
      const whole = measuring('measure', (trace, tiles) => recordForwardAndLoss(trace, settings, status.loss, tiles))
      return (await runWhole(whole, batch, sides, at)).read('losses')
    }
    const { reps } = await cachedForward(sides, at)
    const alone = measuring('cache.measure', (trace, tiles) =>
      recordLossAlone(trace, settings, reps, status.loss, tiles),
    )
    return (await runCachedLoss(alone, batch, at)).read('losses')
  }

  // The programs that are bound to the cache go with it.
  const releaseCache = (): void => {
    for (const [name, made] of programs) {
      if (!name.startsWith('cache')) continue
      made.release()
      programs.delete(name)
    }
    const old = cache
    cache = undefined
    if (old) freeTensors(backend, [old.reps, old.dreps])
  }

  /** `of`: the batch, where gradients are kept by domain. */
  const eachChunk = async (sides: Side[], at: Values, made: (side: Side) => Program, of?: ContrastiveBatch) => {
    for (const side of sides) {
      const sequences = of && sequenceDomains(of, side.prefix)
      for (const { part, first } of chunksOf(side.batch, chunkSize!)) {
        const { values, inputs } = batchArrays(part, side.prefix, side.encoder)
        const rows = sequences && domains!.arrays(side.prefix, part, sequences.subarray(first))
        const all = { ...at, ...values, ...rows?.values, first: firstRowOf(side, first) }
        await made(side).run(all, { ...inputs, ...rows?.inputs })
      }
    }
  }

  const cachedForward = async (sides: Side[], at: Values) => {
    const rows = sides.reduce((sum, side) => sum + rowsOf(side), 0)
    if (!cache || cache.rows < rows) {
      releaseCache()
      cache = {
        rows,
        reps: stateTensor(backend, 'cache', [rows, width]),
        dreps: stateTensor(backend, 'dcache', [rows, width]),
      }
    }
    const { reps, dreps } = cache
    await eachChunk(sides, at, side =>
      program(`cache.forward.${side.prefix}`, trace => void recordChunk(trace, side, settings, reps), false),
    )
    return { reps, dreps }
  }

  const cachedGradients = async (batch: ContrastiveBatch, sides: Side[], at: Values): Promise<Program> => {
    const { reps, dreps } = await cachedForward(sides, at)
    const withGradient = (tiles: number) =>
      program(`cache.loss.${tiles}`, trace => recordCachedLoss(trace, settings, reps, dreps, status.loss, tiles))
    const lossProgram = await runCachedLoss(withGradient, batch, at)
    const backward = (side: Side) =>
      program(`cache.backward.${side.prefix}`, trace => {
        domains?.declare(trace, side.prefix)
        recordChunkBackward(trace, side, settings, dreps)
      })
    await eachChunk(sides, at, backward, domains && batch)
    return lossProgram
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
    if (domains) await program('domains', trace => domains.recordProducts(trace), false).run({})
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
    peakBytes() {
      const own = [...programs.values()].reduce((sum, made) => sum + made.bytes(), 0)
      const cached = cache ? [cache.reps, cache.dreps].reduce((sum, { view }) => sum + view!.bytes, 0) : 0
      return poolBytes(pool) + own + cached + status.memory.bytes + (domains?.bytes ?? 0)
    },
    release() {
      releaseCache()
      for (const made of programs.values()) made.release()
      releasePool(pool)
      backend.free(status.memory.memory)
      domains?.release()
    },
  }
}
