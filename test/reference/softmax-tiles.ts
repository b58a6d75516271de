// Softmax cross-entropy of rows that are seen a tile of columns at a time.
import type { Reference } from './types.js'

interface Row {
  readonly target: number
  readonly begin: number
  readonly end: number
  readonly isCandidate: (column: number) => boolean
}

function rowOf(targets: Int32Array, labels: Int32Array | undefined, row: number): Row {
  const [target, begin, end] = [targets[row * 3]!, targets[row * 3 + 1]!, targets[row * 3 + 2]!]
  const unlike = (column: number) => !labels || column === target || labels[column] !== labels[target]
  return { target, begin, end, isCandidate: column => column >= begin && column < end && unlike(column) }
}

const LOWEST = -3.4028234663852886e38

export const softmax_tile_forward: Reference<'softmax_tile_forward'> = (
  { scores, targets, labels, stats },
  { rows, columns, first, hasLabels, fresh },
) => {
  for (let row = 0; row < rows; row++) {
    const { target, isCandidate } = rowOf(targets, hasLabels ? labels : undefined, row)
    const [before, sum, own] = fresh ? [LOWEST, 0, 0] : [...stats.subarray(row * 3, row * 3 + 3)]
    const columnsHere = Array.from({ length: columns }, (_, i) => first + i).filter(isCandidate)
    const scoreOf = (column: number) => scores[row * columns + column - first]!
    const greatest = columnsHere.reduce((most, column) => Math.max(most, scoreOf(column)), before!)
    const others = columnsHere
      .filter(column => column !== target)
      .reduce((total, column) => total + Math.exp(scoreOf(column) - greatest), sum! * Math.exp(before! - greatest))
    stats.set([greatest, others, target >= first && target < first + columns ? scoreOf(target) : own!], row * 3)
  }
}

const totalOf = (stats: Float64Array, row: number, { target, begin, end }: Row): number => {
  const [greatest, others, own] = [stats[row * 3]!, stats[row * 3 + 1]!, stats[row * 3 + 2]!]
  return others + (target >= begin && target < end ? Math.exp(own - greatest) : 0)
}

export const softmax_tile_losses: Reference<'softmax_tile_losses'> = ({ targets, stats, losses }, { rows }) => {
  for (let row = 0; row < rows; row++) {
    const total = totalOf(stats, row, rowOf(targets, undefined, row))
    losses[row] = stats[row * 3]! + Math.log(total) - stats[row * 3 + 2]!
  }
}

export const softmax_tile_backward: Reference<'softmax_tile_backward'> = (
  { targets, labels, weights, stats, scores },
  { rows, columns, first, hasLabels },
) => {
  for (let row = 0; row < rows; row++) {
    const about = rowOf(targets, hasLabels ? labels : undefined, row)
    const factor = weights[row]! / totalOf(stats, row, about)
    for (let column = first; column < first + columns; column++) {
      const at = row * columns + column - first
      const share = column === about.target ? -stats[row * 3 + 1]! : Math.exp(scores[at]! - stats[row * 3]!)
      scores[at] = about.isCandidate(column) ? factor * share : 0
    }
  }
}
