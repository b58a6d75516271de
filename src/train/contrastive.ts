// One training step of a bi-encoder with InfoNCE, in GradCache's one shape (Gao et al. 2021): (1) forward by chunks, representations kept; (2) the
// loss and its gradient on all representations; (3) per chunk forward again with the same dropout, and backward. Where the whole batch is one
// chunk, all of it is one plan and nothing is computed twice. Dropout is keyed by row and position, never by chunk.
import type { Backend } from '../backend/backend.js'
import { batchArrays, batchInputs, joinBatches, type PackedBatch, selectSequences } from '../model/batch.js'
import { type Encoder, encode, trainingRates } from '../model/encoder.js'
import { crossEntropy, similarity } from '../ops/contrastive.js'
import { splitRows } from '../ops/pooling.js'
import { freeTensors, stateTensor, type Trainable } from '../tensor/parameters.js'
import { createPlan } from '../tensor/plan.js'
import { createPool, createProgram, type Program, poolBytes, releasePool } from '../tensor/program.js'
import type { Tensor, Values } from '../tensor/tensor.js'
import { backward, call, createTrace, input, runTape, type Trace, temporary } from '../tensor/trace.js'
import {
  createStatus,
  type OptimizerSettings,
  readStatus,
  recordUpdate,
  type StepStatus,
  updateValues,
} from './optimizer.js'

/** Queries and their passages, [positive, negatives …] for each query. */
export interface ContrastiveBatch {
  readonly query: PackedBatch
  readonly passage: PackedBatch
  /** (Q, 3): target column, first candidate, end of candidates */
  readonly targets: Int32Array
  /** (Q): what each query's loss counts; 1/Q for a mean */
  readonly weights: Float32Array
}

export interface ContrastiveSettings {
  readonly query: Encoder
  /** The same object as `query` where one encoder serves both sides. */
  readonly passage: Encoder
  readonly trainable: Trainable
  readonly temperature: number
  readonly optimizer: OptimizerSettings
  /** Sequences of a chunk; absent: the whole batch at once. */
  readonly chunkSize?: number
  /** Overrides the model's own dropout (hidden states and attention). */
  readonly dropout?: number
}

export interface ContrastiveTrainer {
  /** One optimizer step over one or several micro-batches; t counts optimizer steps from 1, `counter` micro-batches from 0. */
  step(
    batches: readonly ContrastiveBatch[],
    at: { rate: number; t: number; seed: number; counter: number },
  ): Promise<StepStatus>
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

export function createContrastiveTrainer(backend: Backend, settings: ContrastiveSettings): ContrastiveTrainer {
  const { trainable, optimizer, chunkSize } = settings
  const pool = createPool(backend)
  const status = createStatus(backend)
  const width = settings.query.config.hidden
  const programs = new Map<string, Program>()
  let cache: { rows: number; reps: Tensor; dreps: Tensor } | undefined

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

  const wholeStep = (withUpdate: boolean) =>
    program(withUpdate ? 'step' : 'gradients', trace => {
      recordForwardAndLoss(trace, settings, status.loss)
      runTape(trace)
      if (withUpdate) update(trace)
    })

  const microBatch = async (batch: ContrastiveBatch, at: Values, withUpdate: boolean): Promise<void> => {
    const sides = sidesOf(batch, settings)
    const sequences = batch.query.offsets.length + batch.passage.offsets.length - 2
    if (chunkSize === undefined || sequences <= chunkSize) {
      const arrays = sides.map(side => batchArrays(side.batch, side.prefix, trainsEmbeddings(side.encoder)))
      const values = Object.assign({ ...at, ...lossValues(batch) }, ...arrays.map(a => a.values))
      const inputs = Object.assign({ targets: batch.targets, weights: batch.weights }, ...arrays.map(a => a.inputs))
      return wholeStep(withUpdate).run(values, inputs)
    }
    await cachedGradients(batch, sides, sequences, at)
    if (withUpdate) await program('update', update).run(at)
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

  const cachedGradients = async (
    batch: ContrastiveBatch,
    sides: Side[],
    sequences: number,
    at: Values,
  ): Promise<void> => {
    if (!cache || cache.rows < sequences) {
      releaseCache()
      cache = {
        rows: sequences,
        reps: stateTensor(backend, 'cache', [sequences, width]),
        dreps: stateTensor(backend, 'dcache', [sequences, width]),
      }
    }
    const { reps, dreps } = cache
    const eachChunk = async (made: (side: Side) => Program) => {
      for (const side of sides)
        for (const { part, first } of chunksOf(side.batch, chunkSize!)) {
          const { values, inputs } = batchArrays(part, side.prefix, trainsEmbeddings(side.encoder))
          await made(side).run({ ...at, ...values, first: side.first + first }, inputs)
        }
    }
    await eachChunk(side =>
      program(`cache.forward.${side.prefix}`, trace => void recordChunk(trace, side, settings, reps), false),
    )
    const lossProgram = program('cache.loss', trace => recordCachedLoss(trace, settings, reps, dreps, status.loss))
    await lossProgram.run({ ...at, ...lossValues(batch) }, { targets: batch.targets, weights: batch.weights })
    await eachChunk(side =>
      program(`cache.backward.${side.prefix}`, trace => {
        const out = recordChunk(trace, side, settings)
        const dout = temporary(`d${out.name}`, out.shape)
        call(
          trace,
          'copy_rows',
          { x: dreps, y: dout },
          { rows: out.shape[0]!, columns: width, from: 'first', to: 0, accumulate: 0 },
        )
        backward(trace, out, dout)
      }),
    )
  }

  return {
    async step(batches, { rate, t, seed, counter }) {
      const shared = updateValues(rate, t, optimizer)
      for (const [i, batch] of batches.entries()) {
        const at = { ...shared, seed, step: counter + i, addsToLoss: i === 0 ? 0 : 1 }
        await microBatch(batch, at, i === batches.length - 1)
      }
      return readStatus(backend, status)
    },
    async gradients(batch, { seed, counter }) {
      await microBatch(batch, { seed, step: counter, addsToLoss: 0 }, false)
      return (await readStatus(backend, status)).loss
    },
    peakBytes() {
      const own = [...programs.values()].reduce((sum, made) => sum + made.bytes(), 0)
      const cached = cache ? [cache.reps, cache.dreps].reduce((sum, { view }) => sum + view!.bytes, 0) : 0
      return poolBytes(pool) + own + cached + status.memory.bytes
    },
    release() {
      releaseCache()
      for (const made of programs.values()) made.release()
      releasePool(pool)
      backend.free(status.memory.memory)
    },
  }
}

/** One encoder's part of a batch: both sides where it is shared. `first` is its first row among all representations. */
interface Side {
  readonly prefix: string
  readonly encoder: Encoder
  readonly batch: PackedBatch
  readonly first: number
}

function sidesOf({ query, passage }: ContrastiveBatch, settings: ContrastiveSettings): Side[] {
  if (settings.query === settings.passage)
    return [{ prefix: '', encoder: settings.query, batch: joinBatches([query, passage]), first: 0 }]
  const queries = query.offsets.length - 1
  return [
    { prefix: 'q.', encoder: settings.query, batch: query, first: 0 },
    { prefix: 'p.', encoder: settings.passage, batch: passage, first: queries },
  ]
}

const trainsEmbeddings = ({ weights }: Encoder): boolean => weights('embeddings.word_embeddings.weight').needsGradient

/** Two encoders of one trace draw from different dropout sites. */
const PASSAGE_SITE = 1 << 20

const lossValues = ({ query, passage }: ContrastiveBatch): Values => ({
  Q: query.offsets.length - 1,
  P: passage.offsets.length - 1,
})

function recordSide(trace: Trace, prefix: string, encoder: Encoder, dropout: number | undefined): Tensor {
  const batch = batchInputs(trace, prefix, trainsEmbeddings(encoder))
  return encode(trace, encoder, batch, trainingRates(encoder, dropout, prefix === 'p.' ? PASSAGE_SITE : 0))
}

function recordForwardAndLoss(trace: Trace, settings: ContrastiveSettings, loss: Tensor): void {
  const { query, passage, dropout } = settings
  if (query !== passage) {
    const q = recordSide(trace, 'q.', query, dropout)
    const p = recordSide(trace, 'p.', passage, dropout)
    recordLoss(trace, q, p, settings, loss)
  } else {
    const reps = recordSide(trace, '', query, dropout)
    const [q, p] = splitRows(trace, reps, ['Q', 'P'], ['query', 'passage'])
    recordLoss(trace, q!, p!, settings, loss)
  }
}

function recordLoss(trace: Trace, q: Tensor, p: Tensor, { temperature }: ContrastiveSettings, loss: Tensor): void {
  const queries = q.shape[0]!
  const candidates = {
    targets: input(trace, 'targets', [queries, 3]),
    weights: input(trace, 'weights', [queries], 'f32'),
  }
  const scores = similarity(trace, q, p, temperature, 'scores')
  crossEntropy(trace, scores, candidates, loss, 'addsToLoss')
}

/** A chunk's representations, copied to their rows of `cache` where one is given. */
function recordChunk(trace: Trace, side: Side, { dropout }: ContrastiveSettings, cache?: Tensor): Tensor {
  const out = recordSide(trace, side.prefix, side.encoder, dropout)
  if (cache) {
    const columns = out.shape[1] as number
    call(
      trace,
      'copy_rows',
      { x: out, y: cache },
      { rows: out.shape[0]!, columns, from: 0, to: 'first', accumulate: 0 },
    )
  }
  return out
}

/** The loss on all representations, and its gradient into `dreps`. */
function recordCachedLoss(
  trace: Trace,
  settings: ContrastiveSettings,
  reps: Tensor,
  dreps: Tensor,
  loss: Tensor,
): void {
  const all: Tensor = { ...reps, needsGradient: true, gradient: dreps }
  const [q, p] = splitRows(trace, all, ['Q', 'P'], ['query', 'passage'])
  recordLoss(trace, q!, p!, settings, loss)
  runTape(trace)
}

function chunksOf(batch: PackedBatch, size: number): { part: PackedBatch; first: number }[] {
  const sequences = batch.offsets.length - 1
  return Array.from({ length: Math.ceil(sequences / size) }, (_, i) => {
    const chosen = Array.from({ length: Math.min(size, sequences - i * size) }, (_, j) => i * size + j)
    return { part: { ...selectSequences(batch, chosen), rows: Int32Array.from(chosen) }, first: i * size }
  })
}
