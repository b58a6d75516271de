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
  /**
   * 2: no batch has a single row, in which nothing is told apart: the last one of a window takes another from the one
   * before. `tokens` and `batchSize` must hold any three rows then. Default 1.
   */
  readonly leastRows?: 1 | 2
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
  readonly leastRows: number
  readonly epoch: number
  readonly windowIndex: number
  readonly batch: number
  readonly draws: number
}

export interface LengthBatches extends Draws {
  /** The next batch; epochs follow one another without end. Every row comes once an epoch. */
  next(): LengthBatch
  /** Batches of the first so many epochs together. */
  batchesIn(epochs: number): number
  save(): LengthBatchesState
  /** Continues as the saved batches would have; refuses a state of other settings. */
  restore(state: LengthBatchesState): void
}

interface Cut {
  readonly tokens: number
  readonly padded: boolean
  readonly batchSize: number
  readonly leastRows: number
}

export function createLengthBatches(settings: LengthBatchesSettings): LengthBatches {
  const { seed, lengths, tokens, padded = false, batchSize = LARGEST_SET, window = 16384, leastRows = 1 } = settings
  checkInteger('the token budget of a batch', tokens, 1, LARGEST_SET)
  checkInteger('the batch size', batchSize, 1, LARGEST_SET)
  checkInteger('the window', window, 1, 2 ** 24)
  const own = {
    ...{ seed, rows: lengths.length, totalTokens: totalOf(lengths, tokens) },
    ...{ tokens, padded, batchSize, window, leastRows },
  }
  if (leastRows === 2) checkThreeFit(lengths, own)
  const sampling = startSampling(seed)
  const windows = Math.ceil(lengths.length / window)
  const cutsAt = (epoch: number, windowIndex: number): Int32Array[] => {
    const rows = new Int32Array(Math.min(window, lengths.length - windowIndex * window))
    putRows(sampling, rows, 0, epoch, lengths.length, windowIndex * window)
    return packed(longestFirst(rows, lengths), lengths, own)
  }
  const batchesAt = (epoch: number, windowIndex: number): Int32Array[] =>
    shuffled(sampling, cutsAt(epoch, windowIndex), 1 + windowIndex, epoch)
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
    batchesIn(epochs) {
      // A single window holds the same lengths each time.
      if (windows === 1) return epochs * cutsAt(0, 0).length
      let count = 0
      for (let i = 0; i < epochs * windows; i++) count += cutsAt(Math.floor(i / windows), i % windows).length
      return count
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

function checkThreeFit(lengths: ArrayLike<number>, { tokens, batchSize }: Cut): void {
  let longest = 0
  for (let row = 0; row < lengths.length; row++) longest = Math.max(longest, lengths[row]!)
  if (lengths.length < 2 || batchSize < 3 || tokens < 3 * longest)
    throw new Error(
      `batches of two rows at least need two rows, a batch size of 3 and a token budget for any three rows, found ${lengths.length} rows, a batch size of ${batchSize} and ${tokens} tokens where the longest row has ${longest}`,
    )
}

function packed(rows: Int32Array, lengths: ArrayLike<number>, cut: Cut): Int32Array[] {
  const { tokens, padded, batchSize, leastRows } = cut
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
  // Each batch before the last has three rows or more where there have to be two.
  if (leastRows === 2 && begin === rows.length - 1 && begin > 0) {
    batches.push(batches.pop()!.slice(0, -1))
    begin--
  }
  return [...batches, rows.slice(begin)]
}

function shuffled<Item>(sampling: Sampling, items: readonly Item[], set: number, epoch: number): Item[] {
  const order = putRows(sampling, new Int32Array(items.length), set, epoch, items.length, 0)
  return Array.from(order, i => items[i]!)
}
