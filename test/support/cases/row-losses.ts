// Queries against their own passages, losses of such rows, and columns copied.
import type { KernelName, ParamArguments } from '../../../src/backend/kernels.js'
import { seededValues } from '../values.js'
import { caseOf, type KernelCase } from './case.js'

const random = seededValues(223)

export const copyColumnsCases = (): KernelCase[] =>
  [
    [1, 1, 1],
    [5, 37, 12],
    [9, 12, 37],
    [33, 64, 64],
    [3, 768, 2304],
    [0, 4, 4],
  ].flatMap(([rows, source, columns]) =>
    [0, 1].map(accumulate => {
      const size = Math.max(1, rows! * columns!)
      const y = accumulate ? random.normal(size) : size
      const params = { rows: rows!, source: source!, columns: columns!, accumulate }
      const tensors = { x: random.normal(Math.max(1, rows! * source!)), y }
      return caseOf('copy_columns', `${rows}: ${source} to ${columns}, accumulate ${accumulate}`, params, tensors)
    }),
  )

/** (queries, passages of each, width) */
const groups = [
  [1, 1, 1],
  [5, 3, 7],
  [33, 8, 96],
  [4, 2, 770],
  [0, 2, 4],
] as const

export const groupScoresCases = (): KernelCase[] =>
  groups.map(([rows, columns, width]) => {
    const size = Math.max(1, rows * columns)
    const tensors = { query: random.normal(size * width), passage: random.normal(size * width), scores: size }
    const params = { rows, columns, width, alpha: 20 }
    return caseOf('group_scores', `${rows} of ${columns}, ${width} wide`, params, tensors, { terms: width })
  })

export const groupQueryCases = (): KernelCase[] =>
  groups.flatMap(([rows, columns, width]) =>
    [0, 1].map(accumulate => {
      const size = Math.max(1, rows * width)
      const tensors = {
        dscores: random.normal(Math.max(1, rows * columns)),
        passage: random.normal(size * columns),
        dquery: accumulate ? random.normal(size) : size,
      }
      const params = { rows, columns, width, alpha: 0.7, accumulate }
      return caseOf(
        'group_scores_backward_query',
        `${rows} of ${columns}, ${width} wide, ${accumulate}`,
        params,
        tensors,
      )
    }),
  )

export const groupPassageCases = (): KernelCase[] =>
  groups.flatMap(([rows, columns, width]) =>
    [0, 1].map(accumulate => {
      const size = Math.max(1, rows * columns * width)
      const tensors = {
        dscores: random.normal(Math.max(1, rows * columns)),
        query: random.normal(Math.max(1, rows * width)),
        dpassage: accumulate ? random.normal(size) : size,
      }
      const params = { rows, columns, width, alpha: 0.7, accumulate }
      const name = `${rows} of ${columns}, ${width} wide, ${accumulate}`
      return caseOf('group_scores_backward_passage', name, params, tensors)
    }),
  )

type RowLoss = Extract<KernelName, 'pairwise_softmax' | 'triplet_margin' | 'margin_mse' | 'kl_divergence'>

function rowLossCases<K extends RowLoss>(kernel: K, more: Record<string, number>, teaches: boolean): KernelCase[] {
  const shapes: [number, number, number][] = [
    [1, 2, 1],
    [8, 2, 20],
    [65, 8, 3],
    [9, 33, 0.1],
    [0, 2, 1],
  ]
  return shapes.map(([rows, columns, spread]) => {
    const size = Math.max(1, rows * columns)
    const tensors = {
      scores: random.uniform(size, -spread, spread),
      ...(teaches && { teacher: random.uniform(size, -3, 3) }),
      weights: random.uniform(Math.max(1, rows), 0, 1),
      losses: Math.max(1, rows),
      dscores: size,
    }
    const params = { rows, columns, ...more } as unknown as ParamArguments<K, number>
    return caseOf(kernel, `${rows} of ${columns}, ±${spread}`, params, tensors as never, { terms: columns })
  })
}

export const pairwiseSoftmaxCases = () => rowLossCases('pairwise_softmax', {}, false)
export const tripletMarginCases = () => rowLossCases('triplet_margin', { margin: 0.3 }, false)
export const marginMseCases = () => rowLossCases('margin_mse', {}, true)
export const klDivergenceCases = () => rowLossCases('kl_divergence', { sharpness: 0.5 }, true)
