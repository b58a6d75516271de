// The rows of a set of any size in random order, computed position by position (assembly/sampling/permutation.ts):
// nothing is held, and where one is in the order is all there is to save.
import { checkInteger, putRows, startSampling } from './sampling.js'

export interface Permutation {
  readonly rows: number
  /**
   * The rows at positions first … first + count − 1 of an epoch's order. Blocks of some thousands are fastest. (count)
   */
  rowsAt(epoch: number, first: number, count: number): Float64Array
}

/** `rows`: 1 to 2^53 − 1. Each seed, `set` and epoch has an order of its own. */
export function createPermutation(settings: {
  readonly seed: number
  readonly rows: number
  readonly set?: number
}): Permutation {
  const { seed, rows, set = 0 } = settings
  const sampling = startSampling(seed)
  checkInteger('the number of rows to permute', rows, 1, Number.MAX_SAFE_INTEGER)
  checkInteger('the number of the set', set, 0, 2 ** 31 - 1)
  return {
    rows,
    rowsAt(epoch, first, count) {
      checkInteger('the epoch', epoch, 0, Number.MAX_SAFE_INTEGER)
      checkInteger('the first position', first, 0, rows - 1)
      checkInteger(`the number of positions from ${first} on`, count, 0, Math.min(rows - first, 2 ** 31))
      return putRows(sampling, new Float64Array(count), set, epoch, rows, first)
    },
  }
}
