// What a contrastive step records: one encoder's chunk forward and backward, and the loss, on a whole batch or on cached representations.
import { batchInputs, joinBatches, type PackedBatch, selectSequences } from '../model/batch.js'
import { type Encoder, encode, trainingRates } from '../model/encoder.js'
import { splitRows } from '../ops/pooling.js'
import type { Tensor } from '../tensor/tensor.js'
import { backward, call, runTape, type Trace, temporary } from '../tensor/trace.js'
import type { ContrastiveBatch, ContrastiveSettings } from './contrastive.js'
import { recordLoss } from './contrastive-loss.js'

/** One encoder's part of a batch: both sides where it is shared. `first` is its first row among all representations. */
export interface Side {
  readonly prefix: string
  readonly encoder: Encoder
  readonly batch: PackedBatch
  readonly first: number
}

export function sidesOf({ query, passage }: ContrastiveBatch, settings: ContrastiveSettings): Side[] {
  if (settings.query === settings.passage)
    return [{ prefix: '', encoder: settings.query, batch: joinBatches([query, passage]), first: 0 }]
  const queries = query.offsets.length - 1
  return [
    { prefix: 'q.', encoder: settings.query, batch: query, first: 0 },
    { prefix: 'p.', encoder: settings.passage, batch: passage, first: queries },
  ]
}

/** Two encoders of one trace draw from different dropout sites. */
const PASSAGE_SITE = 1 << 20

function recordSide(trace: Trace, prefix: string, encoder: Encoder, dropout: number | undefined): Tensor {
  const batch = batchInputs(trace, prefix, encoder)
  return encode(trace, encoder, batch, trainingRates(encoder, dropout, prefix === 'p.' ? PASSAGE_SITE : 0))
}

/** What the loss is recorded with; `tiles` as lossShape gives them. */
const lossOptions = (settings: ContrastiveSettings, tiles: number) => ({
  ...settings,
  unit: settings.query.normalize,
  tiles,
})

export function recordForwardAndLoss(trace: Trace, settings: ContrastiveSettings, loss: Tensor, tiles: number): void {
  const { query, passage, dropout } = settings
  const options = lossOptions(settings, tiles)
  if (query !== passage) {
    const q = recordSide(trace, 'q.', query, dropout)
    const p = recordSide(trace, 'p.', passage, dropout)
    recordLoss(trace, q, p, options, loss)
  } else {
    const reps = recordSide(trace, '', query, dropout)
    const [q, p] = splitRows(trace, reps, ['Q', 'P'], ['query', 'passage'])
    recordLoss(trace, q!, p!, options, loss)
  }
}

/** A chunk's representations, copied to their rows of `cache` where one is given. */
export function recordChunk(trace: Trace, side: Side, { dropout }: ContrastiveSettings, cache?: Tensor): Tensor {
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

/** A chunk's forward pass again, and its backward pass from the gradient in its rows of `dreps`. */
export function recordChunkBackward(trace: Trace, side: Side, settings: ContrastiveSettings, dreps: Tensor): void {
  const out = recordChunk(trace, side, settings)
  const dout = temporary(`d${out.name}`, out.shape)
  const columns = out.shape[1] as number
  call(trace, 'copy_rows', { x: dreps, y: dout }, { rows: out.shape[0]!, columns, from: 'first', to: 0, accumulate: 0 })
  backward(trace, out, dout)
}

/** The loss on all representations, without gradients. */
export function recordLossAlone(
  trace: Trace,
  settings: ContrastiveSettings,
  reps: Tensor,
  loss: Tensor,
  tiles: number,
): void {
  const [q, p] = splitRows(trace, reps, ['Q', 'P'], ['query', 'passage'])
  recordLoss(trace, q!, p!, lossOptions(settings, tiles), loss)
}

/** The loss on all representations, and its gradient into `dreps`. */
export function recordCachedLoss(
  trace: Trace,
  settings: ContrastiveSettings,
  reps: Tensor,
  dreps: Tensor,
  loss: Tensor,
  tiles: number,
): void {
  const all: Tensor = { ...reps, needsGradient: true, gradient: dreps }
  const [q, p] = splitRows(trace, all, ['Q', 'P'], ['query', 'passage'])
  recordLoss(trace, q!, p!, lossOptions(settings, tiles), loss)
  runTape(trace)
}

export function chunksOf(batch: PackedBatch, size: number): { part: PackedBatch; first: number }[] {
  const sequences = batch.offsets.length - 1
  return Array.from({ length: Math.ceil(sequences / size) }, (_, i) => {
    const chosen = Array.from({ length: Math.min(size, sequences - i * size) }, (_, j) => i * size + j)
    return { part: { ...selectSequences(batch, chosen), rows: Int32Array.from(chosen) }, first: i * size }
  })
}
