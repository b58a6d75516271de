// Batches over several training sets, drawn by weight: mixed (each example's set is drawn on its own, as tDRO wants it)
// or homogeneous (a batch is of one set, so that its negatives are of one task). A set that is used up starts again in
// a new order; larger sets are not waited for. The stream of batches depends on the settings alone, not on what else is
// drawn from it.
import { checkInteger, checkSame, LARGEST_BLOCK, putRows, type Sampling, startSampling } from './sampling.js'
import { type Draws, drawsOf } from './sampling-draws.js'
import { createWeightedChoice } from './sampling-weighted.js'

export interface ExampleSet {
  readonly name: string
  /** 1 to 2^53 − 1. */
  readonly rows: number
  /** In proportion to the other sets'; default 1. */
  readonly weight?: number
}

export interface SetBatchesSettings {
  readonly seed: number
  readonly sets: readonly ExampleSet[]
  readonly batchSize: number
  readonly mode: 'mixed' | 'homogeneous'
  /**
   * Homogeneous batches: leaves out what is left of a set where it does not fill a batch (other rows each time), so
   * that no batch has a row twice unless its set is smaller than a batch. Default: the batch goes on with the next
   * order. Mixed batches always do.
   */
  readonly dropLast?: boolean
}

export interface SetBatch {
  /** From 0. */
  readonly step: number
  /** The set of each example: an index of `sets`. (batchSize) */
  readonly sets: Int32Array
  /** Its row in that set. (batchSize) */
  readonly rows: Float64Array
}

/** Plain JSON. `step` is that of the next batch. */
export interface SetBatchesState extends Required<SetBatchesSettings> {
  readonly step: number
  /** Raw draws of sets. */
  readonly choices: number
  /** Rows taken from each set so far, over all its orders. */
  readonly taken: readonly number[]
  /** Raw draws of negatives and integers. */
  readonly draws: number
}

export interface SetBatches extends Draws {
  /** The next batch; there is always one. */
  next(): SetBatch
  save(): SetBatchesState
  /** Continues as the saved batches would have; refuses a state of other settings. */
  restore(state: SetBatchesState): void
}

export function createSetBatches(settings: SetBatchesSettings): SetBatches {
  checkSettings(settings)
  const { seed, batchSize, mode, dropLast = false } = settings
  const sets = settings.sets.map(({ name, rows, weight = 1 }) => ({ name, rows, weight }))
  const own = { seed, sets, batchSize, mode, dropLast }
  const sampling = startSampling(seed)
  const choice = createWeightedChoice({ seed, weights: sets.map(set => set.weight), stream: 1 })
  // Rows of an order that are used.
  const used = sets.map(({ rows }) =>
    mode === 'homogeneous' && dropLast && rows >= batchSize ? rows - (rows % batchSize) : rows,
  )
  let step = 0
  let taken = sets.map(() => 0)
  const take = (set: number, count: number): Float64Array => {
    const rows = rowsFrom(sampling, set, sets[set]!.rows, used[set]!, taken[set]!, count)
    taken[set]! += count
    return rows
  }
  return {
    ...drawsOf(sampling),
    next() {
      const chosen = mode === 'mixed' ? choice.draw(batchSize) : new Int32Array(batchSize).fill(choice.draw(1)[0]!)
      return { step: step++, sets: chosen, rows: rowsOfSets(chosen, take) }
    },
    save: () => ({ ...own, step, choices: choice.save().draws, taken: [...taken], draws: sampling.drawCount() }),
    restore(state) {
      checkSame('batches', state, own)
      for (const name of ['step', 'choices', 'draws'] as const)
        checkInteger(`the saved batches' ${name}`, state[name], 0, Number.MAX_SAFE_INTEGER)
      checkInteger("the saved batches' number of counts of taken rows", state.taken.length, sets.length, sets.length)
      for (const [i, count] of state.taken.entries())
        checkInteger(`the saved batches' rows taken from ${sets[i]!.name}`, count, 0, Number.MAX_SAFE_INTEGER)
      step = state.step
      taken = [...state.taken]
      choice.restore({ ...choice.save(), draws: state.choices })
      sampling.setDrawCount(state.draws)
    },
  }
}

/** The rows of each set in one piece, then one by one where it was chosen. */
function rowsOfSets(chosen: Int32Array, take: (set: number, count: number) => Float64Array): Float64Array {
  const counts = new Map<number, number>()
  for (const set of chosen) counts.set(set, (counts.get(set) ?? 0) + 1)
  const rest = new Map([...counts].map(([set, count]) => [set, take(set, count).values()]))
  return Float64Array.from(chosen, set => rest.get(set)!.next().value!)
}

/** `count` rows behind the first `taken` ones of a set's orders, of each of which the first `used` rows count. */
function rowsFrom(
  sampling: Sampling,
  set: number,
  total: number,
  used: number,
  taken: number,
  count: number,
): Float64Array {
  const rows = new Float64Array(count)
  for (let done = 0; done < count; ) {
    const position = (taken + done) % used
    const epoch = (taken + done - position) / used
    const piece = rows.subarray(done, done + Math.min(count - done, used - position))
    putRows(sampling, piece, set, epoch, total, position)
    done += piece.length
  }
  return rows
}

function checkSettings({ seed, sets, batchSize, mode }: SetBatchesSettings): void {
  checkInteger('the seed', seed, 0, Number.MAX_SAFE_INTEGER)
  checkInteger('the number of training sets', sets.length, 1, 2 ** 24)
  for (const { name, rows, weight = 1 } of sets) {
    if (rows === 0) throw new Error(`the training set ${name} has no examples: leave it out, or check its file`)
    checkInteger(`the number of examples of ${name}`, rows, 1, Number.MAX_SAFE_INTEGER)
    if (!(weight >= 0 && weight < Infinity))
      throw new Error(`the weight of ${name} must be a finite number of 0 or more, found ${weight}`)
  }
  checkInteger('the batch size', batchSize, 1, LARGEST_BLOCK)
  if (mode !== 'mixed' && mode !== 'homogeneous')
    throw new Error(`the mode of the batches must be mixed or homogeneous, found ${mode}`)
}
