// Draws one by one: negatives of an example, and integers (one of several prompts, say). Their state is the number of
// raw draws.
import { checkInteger, LARGEST_BLOCK, LARGEST_SET, numbersAt, type Sampling } from './sampling.js'

export interface DrawnNegatives {
  /** Below `available`, in random order. (count) */
  readonly indices: Int32Array
  /** True where fewer than `count` were there, so that they were drawn with replacement. */
  readonly repeated: boolean
}

export interface Draws {
  /**
   * Draws `count` of the numbers 0 … available − 1 that are not in `exclude`: without replacement, or with it when
   * fewer than `count` are left (said in the result).
   */
  drawNegatives(count: number, available: number, exclude?: Iterable<number>): DrawnNegatives
  /** One uniform integer from 0 to bound − 1; bound ≤ 2^31 − 1. */
  drawInteger(bound: number): number
}

export const drawsOf = (sampling: Sampling): Draws => ({
  drawNegatives: (count, available, exclude = []) => drawNegatives(sampling, count, available, exclude),
  drawInteger(bound) {
    checkInteger('the bound of a drawn integer', bound, 1, LARGEST_SET)
    return sampling.below(bound)
  },
})

function drawNegatives(
  sampling: Sampling,
  count: number,
  available: number,
  exclude: Iterable<number>,
): DrawnNegatives {
  checkInteger('the number of negatives to draw', count, 0, LARGEST_BLOCK)
  checkInteger('the number of available negatives', available, 0, LARGEST_SET)
  const excluded = [...new Set(exclude)].sort((a, b) => a - b)
  for (const row of excluded) checkInteger('an excluded negative', row, 0, available - 1)
  const left = available - excluded.length
  if (count > 0 && left === 0) {
    throw new Error(
      `cannot draw ${count} negatives: none of ${available} is left after ${excluded.length} excluded; leave this example out or give it negatives`,
    )
  }
  const repeated = left < count
  const address = repeated ? sampling.drawRepeated(count, left) : sampling.drawDistinct(count, left)
  const indices = new Int32Array(numbersAt(sampling, address, count))
  if (excluded.length > 0) for (const [i, index] of indices.entries()) indices[i] = stepOver(index, excluded)
  return { indices, repeated }
}

/** The index-th number that is not in `excluded` (ascending). */
function stepOver(index: number, excluded: readonly number[]): number {
  let number = index
  for (const row of excluded) {
    if (row > number) break
    number++
  }
  return number
}
