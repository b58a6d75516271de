// Batches of about as many tokens each, of texts of about the same length: each epoch's order is cut into windows, a
// window's rows are sorted by length and packed, longest first, until a batch is full, and its batches are shuffled.
// The state is where the next batch lies.
import { checkInteger, checkSame, LARGEST_SET, putRows, type Sampling, startSampling } from './sampling.js'
import { type Draws, drawsOf } from './sampling-draws.js'

export interface LengthBatchesSettings {
  readonly seed: number
  /** Tokens of each row: whole numbers of at least 1, at most `tokens`. (rows) */
  readonly lengths: ArrayLike<number>
  /** Tokens of a batch at most. */
  readonly tokens: number
  /** Whether every row of a batch counts as long as its longest. Default: no, rows are packed. */
  readonly padded?: boolean
  /** Rows of a batch at most; default: any number. */
  readonly batchSize?: number
  /**
   * Rows sorted at once; default 16,384. Larger ones make the lengths in a batch more equal, smaller ones the batches
   * more random; each window ends in a batch that may be far from full.
   */
  readonly window?: number
}

export interface LengthBatch {
  /** From 0. */
  readonly epoch: number
  readonly lastOfEpoch: boolean
  /** Longest first. */
  readonly indices: Int32Array
  /** Without padding. */
  readonly tokens: number
}

/** Plain JSON. `epoch`, `windowIndex` and `batch` (within the window) are those of the next batch. */
export interface LengthBatchesState {
  readonly seed: number
  readonly rows: number
  /** Of all rows: tells other texts from those of the saved run. */
  readonly totalTokens: number
  readonly tokens: number
  readonly padded: boolean
  readonly batchSize: number
  readonly window: number
  readonly epoch: number
  readonly windowIndex: number
  readonly batch: number
  readonly draws: number
}

export interface LengthBatches extends Draws {
  /** The next batch; epochs follow one another without end. Every row comes once an epoch. */
  next(): LengthBatch
  save(): LengthBatchesState
  /** Continues as the saved batches would have; refuses a state of other settings. */
  restore(state: LengthBatchesState): void
}

interface Cut {
  readonly tokens: number
  readonly padded: boolean
  readonly batchSize: number
}

export function createLengthBatches(settings: LengthBatchesSettings): LengthBatches {
  const { seed, lengths, tokens, padded = false, batchSize = LARGEST_SET, window = 16384 } = settings
  checkInteger('the token budget of a batch', tokens, 1, LARGEST_SET)
  checkInteger('the batch size', batchSize, 1, LARGEST_SET)
  checkInteger('the window', window, 1, 2 ** 24)
  const own = {
    ...{ seed, rows: lengths.length, totalTokens: totalOf(lengths, tokens) },
    ...{ tokens, padded, batchSize, window },
  }
  const sampling = startSampling(seed)
  const windows = Math.ceil(lengths.length / window)
  const batchesAt = (epoch: number, windowIndex: number): Int32Array[] => {
    const rows = new Int32Array(Math.min(window, lengths.length - windowIndex * window))
    putRows(sampling, rows, 0, epoch, lengths.length, windowIndex * window)
    const batches = packed(longestFirst(rows, lengths), lengths, own)
    return shuffled(sampling, batches, 1 + windowIndex, epoch)
  }
  let [epoch, windowIndex, batch] = [0, 0, 0]
  let batches = batchesAt(0, 0)
  const moveOn = () => {
    batch++
    if (batch < batches.length) return
    ;[windowIndex, batch] = [windowIndex + 1, 0]
    if (windowIndex === windows) [epoch, windowIndex] = [epoch + 1, 0]
    batches = batchesAt(epoch, windowIndex)
  }
  return {
    ...drawsOf(sampling),
    next() {
      const indices = batches[batch]!
      const lastOfEpoch = batch + 1 === batches.length && windowIndex + 1 === windows
      const drawn = { epoch, lastOfEpoch, indices, tokens: indices.reduce((sum, row) => sum + lengths[row]!, 0) }
      moveOn()
      return drawn
    },
    save: () => ({ ...own, epoch, windowIndex, batch, draws: sampling.drawCount() }),
    restore(state) {
      checkSame('batches by length', state, own)
      checkInteger("the saved batches' epoch", state.epoch, 0, Number.MAX_SAFE_INTEGER)
      checkInteger("the saved batches' window", state.windowIndex, 0, windows - 1)
      checkInteger("the saved batches' number of draws", state.draws, 0, Number.MAX_SAFE_INTEGER)
      const found = batchesAt(state.epoch, state.windowIndex)
      checkInteger("the saved batches' batch", state.batch, 0, found.length - 1)
      ;({ epoch, windowIndex, batch } = state)
      batches = found
      sampling.setDrawCount(state.draws)
    },
  }
}

function totalOf(lengths: ArrayLike<number>, tokens: number): number {
  if (lengths.length === 0) throw new Error('there are no texts to make batches of; check the training file')
  checkInteger('the number of texts', lengths.length, 1, LARGEST_SET)
  let total = 0
  for (let row = 0; row < lengths.length; row++) {
    const length = lengths[row]!
    if (!Number.isInteger(length) || length < 1 || length > tokens)
      throw new Error(
        `the length of row ${row} must be an integer from 1 to ${tokens}, the token budget of a batch, found ${length}; raise the budget or cut the text`,
      )
    total += length
  }
  return total
}

/** Rows of the same length stay in the window's order. */
function longestFirst(rows: Int32Array, lengths: ArrayLike<number>): Int32Array {
  const keys = Float64Array.from(rows, (row, i) => i - lengths[row]! * rows.length).sort()
  return Int32Array.from(keys, key => rows[((key % rows.length) + rows.length) % rows.length]!)
}

function packed(rows: Int32Array, lengths: ArrayLike<number>, { tokens, padded, batchSize }: Cut): Int32Array[] {
  const batches: Int32Array[] = []
  let [begin, sum] = [0, 0]
  for (const [i, row] of rows.entries()) {
    const length = padded ? lengths[rows[begin]!]! : lengths[row]!
    if (sum + length > tokens || i - begin === batchSize) {
      batches.push(rows.slice(begin, i))
      ;[begin, sum] = [i, 0]
    }
    sum += padded ? lengths[rows[begin]!]! : length
  }
  return [...batches, rows.slice(begin)]
}

function shuffled<Item>(sampling: Sampling, items: readonly Item[], set: number, epoch: number): Item[] {
  const order = putRows(sampling, new Int32Array(items.length), set, epoch, items.length, 0)
  return Array.from(order, i => items[i]!)
}
