// Scores of queries against their own passages, and the losses of their rows.
import type { Reference } from './types.js'

export const copy_columns: Reference<'copy_columns'> = ({ x, y }, { rows, source, columns, accumulate }) => {
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const value = column < source ? x[row * source + column]! : 0
      y[row * columns + column] = value + (accumulate ? y[row * columns + column]! : 0)
    }
}

export const group_scores: Reference<'group_scores'> = (
  { query, passage, scores },
  { rows, columns, width, alpha },
) => {
  for (let i = 0; i < rows * columns; i++) {
    scores[i] = 0
    for (let c = 0; c < width; c++)
      scores[i]! += alpha * query[Math.floor(i / columns) * width + c]! * passage[i * width + c]!
  }
}

export const group_scores_backward_query: Reference<'group_scores_backward_query'> = (
  { dscores, passage, dquery },
  { rows, columns, width, alpha, accumulate },
) => {
  if (!accumulate) dquery.fill(0, 0, rows * width)
  for (let i = 0; i < rows * columns; i++)
    for (let c = 0; c < width; c++)
      dquery[Math.floor(i / columns) * width + c]! += alpha * dscores[i]! * passage[i * width + c]!
}

export const group_scores_backward_passage: Reference<'group_scores_backward_passage'> = (
  { dscores, query, dpassage },
  { rows, columns, width, alpha, accumulate },
) => {
  if (!accumulate) dpassage.fill(0, 0, rows * columns * width)
  for (let i = 0; i < rows * columns; i++)
    for (let c = 0; c < width; c++)
      dpassage[i * width + c]! += alpha * dscores[i]! * query[Math.floor(i / columns) * width + c]!
}

interface RowTensors {
  readonly scores: Float64Array
  readonly weights: Float64Array
  readonly losses: Float64Array
  readonly dscores: Float64Array
}

/** The mean over negatives of a loss of s_j − s_0, given as its value and its derivative. */
function overNegatives(
  { scores, weights, losses, dscores }: RowTensors,
  { rows, columns }: { rows: number; columns: number },
  loss: (gap: number, at: number, positive: number) => readonly [number, number],
): void {
  for (let row = 0; row < rows; row++) {
    const positive = row * columns
    losses[row] = 0
    dscores[positive] = 0
    for (let at = positive + 1; at < positive + columns; at++) {
      const [value, slope] = loss(scores[at]! - scores[positive]!, at, positive)
      losses[row]! += value / (columns - 1)
      dscores[at] = (weights[row]! * slope) / (columns - 1)
      dscores[positive]! -= dscores[at]!
    }
  }
}

export const pairwise_softmax: Reference<'pairwise_softmax'> = (tensors, params) =>
  overNegatives(tensors, params, gap => [
    Math.max(gap, 0) + Math.log1p(Math.exp(-Math.abs(gap))),
    1 / (1 + Math.exp(-gap)),
  ])

export const triplet_margin: Reference<'triplet_margin'> = (tensors, { margin, ...params }) =>
  overNegatives(tensors, params, gap => [Math.max(0, margin + gap), margin + gap > 0 ? 1 : 0])

export const margin_mse: Reference<'margin_mse'> = ({ teacher, ...tensors }, params) =>
  overNegatives(tensors, params, (gap, at, positive) => {
    const error = gap - (teacher[at]! - teacher[positive]!)
    return [error ** 2, 2 * error]
  })

const softmax = (x: Float64Array): Float64Array => {
  const greatest = x.reduce((a, b) => Math.max(a, b), -Infinity)
  const powers = x.map(value => Math.exp(value - greatest))
  const sum = powers.reduce((a, b) => a + b, 0)
  return powers.map(value => value / sum)
}

export const kl_divergence: Reference<'kl_divergence'> = (
  { scores, teacher, weights, losses, dscores },
  { rows, columns, sharpness },
) => {
  for (let row = 0; row < rows; row++) {
    const of = (x: Float64Array) => x.subarray(row * columns, (row + 1) * columns)
    const p = softmax(of(scores))
    const t = softmax(of(teacher).map(value => sharpness * value))
    losses[row] = t.reduce((sum, each, j) => sum + (each > 0 ? each * (Math.log(each) - Math.log(p[j]!)) : 0), 0)
    dscores.set(
      p.map((each, j) => weights[row]! * (each - t[j]!)),
      row * columns,
    )
  }
}
