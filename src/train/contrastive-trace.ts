// What a contrastive step records: one encoder's chunk forward and backward, and the loss, on a whole batch or on cached representations.
import { batchInputs, joinBatches, type PackedBatch, selectSequences } from '../model/batch.js'
import { type Encoder, encode, encodeTokenVectors, isPerToken, trainingRates } from '../model/encoder.js'
import { splitRows } from '../ops/pooling.js'
import type { Tensor } from '../tensor/tensor.js'
import { backward, call, runTape, type Trace, temporary } from '../tensor/trace.js'
import type { ContrastiveBatch, ContrastiveSettings } from './contrastive.js'
import { recordLoss } from './contrastive-loss.js'
import { recordLateLoss } from './late-loss.js'

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
  const queries = rowsOf({ encoder: settings.query, batch: query })
  return [
    { prefix: 'q.', encoder: settings.query, batch: query, first: 0 },
    { prefix: 'p.', encoder: settings.passage, batch: passage, first: queries },
  ]
}

/** Two encoders of one trace draw from different dropout sites. */
const PASSAGE_SITE = 1 << 20

function recordSide(trace: Trace, prefix: string, encoder: Encoder, dropout: number | undefined): Tensor {
  const batch = batchInputs(trace, prefix, encoder)
  const record = isPerToken(encoder) ? encodeTokenVectors : encode
  return record(trace, encoder, batch, trainingRates(encoder, dropout, prefix === 'p.' ? PASSAGE_SITE : 0))
}

/** Representations of a side: one a text, or one a token. */
export const rowsOf = ({ encoder, batch }: Pick<Side, 'encoder' | 'batch'>): number =>
  isPerToken(encoder) ? batch.ids.length : batch.offsets.length - 1

/** A sequence's first row among all representations. */
export const firstRowOf = ({ encoder, batch, first }: Side, sequence: number): number =>
  first + (isPerToken(encoder) ? batch.offsets[sequence]! : sequence)

const sideDims = ({ late }: ContrastiveSettings): readonly [string, string] => (late ? ['TQ', 'TP'] : ['Q', 'P'])

function recordEitherLoss(
  trace: Trace,
  q: Tensor,
  p: Tensor,
  settings: ContrastiveSettings,
  loss: Tensor,
  tiles: number,
): void {
  const { late } = settings
  if (late) recordLateLoss(trace, q, p, { ...settings, late }, loss)
  else recordLoss(trace, q, p, lossOptions(settings, tiles), loss)
}

/** What the loss is recorded with; `tiles` as lossShape gives them. */
const lossOptions = (settings: ContrastiveSettings, tiles: number) => ({
  ...settings,
  unit: settings.query.normalize,
  tiles,
})

export function recordForwardAndLoss(trace: Trace, settings: ContrastiveSettings, loss: Tensor, tiles: number): void {
  const { query, passage, dropout } = settings
  if (query !== passage) {
    const q = recordSide(trace, 'q.', query, dropout)
    const p = recordSide(trace, 'p.', passage, dropout)
    recordEitherLoss(trace, q, p, settings, loss, tiles)
  } else {
    const reps = recordSide(trace, '', query, dropout)
    const [q, p] = splitRows(trace, reps, sideDims(settings), ['query', 'passage'])
    recordEitherLoss(trace, q!, p!, settings, loss, tiles)
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
  const [q, p] = splitRows(trace, reps, sideDims(settings), ['query', 'passage'])
  recordEitherLoss(trace, q!, p!, settings, loss, tiles)
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
  const [q, p] = splitRows(trace, all, sideDims(settings), ['query', 'passage'])
  recordEitherLoss(trace, q!, p!, settings, loss, tiles)
  runTape(trace)
}

export function chunksOf(batch: PackedBatch, size: number): { part: PackedBatch; first: number }[] {
  const sequences = batch.offsets.length - 1
  return Array.from({ length: Math.ceil(sequences / size) }, (_, i) => {
    const chosen = Array.from({ length: Math.min(size, sequences - i * size) }, (_, j) => i * size + j)
    return { part: { ...selectSequences(batch, chosen), rows: Int32Array.from(chosen) }, first: i * size }
  })
}
