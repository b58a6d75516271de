// Pooling: a vector of a sequence is a weighted sum of its rows, but for the greatest of each column.
import { POOLINGS } from '../../src/backend/layer-kernels.js'
import type { Reference } from './types.js'

/** What the row at `position` of a sequence of `length` rows, the first that counts at `first`, weighs. */
function weightOf(pooling: (typeof POOLINGS)[number], position: number, first: number, length: number): number {
  if (position < first) return 0
  if (pooling === 'cls') return position === first ? 1 : 0
  if (pooling === 'mean') return 1 / (length - first)
  if (pooling === 'mean_sqrt_len') return 1 / Math.sqrt(length - first)
  if (pooling === 'lasttoken') return position === length - 1 ? 1 : 0
  let total = 0
  for (let at = first; at < length; at++) total += at + 1
  return (position + 1) / total
}

/** The weights (length) of a sequence's rows for one column of x. */
function weights(
  { x, offsets, starts }: { x: Float64Array | undefined; offsets: Int32Array; starts: Int32Array | undefined },
  { columns, mode, hasStarts }: { columns: number; mode: number; hasStarts: number },
  s: number,
  c: number,
): number[] {
  const [start, end] = [offsets[s]!, offsets[s + 1]!]
  const first = hasStarts ? starts![s]! : 0
  const pooling = POOLINGS[mode]!
  const positions = Array.from({ length: end - start }, (_, position) => position)
  if (pooling !== 'max') return positions.map(position => weightOf(pooling, position, first, end - start))
  const value = (position: number) => (position < first ? -Infinity : x![(start + position) * columns + c]!)
  const best = positions.reduce((a, b) => (value(b) > value(a) ? b : a), first)
  return positions.map(position => (position === best ? 1 : 0))
}

export const pool_forward: Reference<'pool_forward'> = ({ out, ...inputs }, p) => {
  for (let s = 0; s < p.sequences; s++)
    for (let c = 0; c < p.columns; c++)
      out[s * p.columns + c] = weights(inputs, p, s, c).reduce(
        (sum, weight, i) => sum + (weight && weight * inputs.x[(inputs.offsets[s]! + i) * p.columns + c]!),
        0,
      )
}

export const pool_backward: Reference<'pool_backward'> = ({ dout, dx, ...inputs }, p) => {
  for (let s = 0; s < p.sequences; s++)
    for (let c = 0; c < p.columns; c++)
      weights(inputs, p, s, c).forEach((weight, i) => {
        const at = (inputs.offsets[s]! + i) * p.columns + c
        dx[at] = (p.accumulate ? dx[at]! : 0) + weight * dout[s * p.columns + c]!
      })
}
