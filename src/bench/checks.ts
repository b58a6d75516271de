// Checks of kernels in f64, at sampled rows, columns or elements: each gives the largest error as a part of the largest value compared. The
// formulas are those of the kernel table.
import type { Params } from '../backend/kernels.js'
import { threefry2x32 } from '../backend/random.js'
import { type Data, type HostTensors, integersBelow } from './host.js'
import { gelu } from './reference-transformer.js'

type Check = (before: HostTensors, after: HostTensors, params: Params) => number

/** Gathers what was found beside what was expected. A NaN stays: Math.max gives it back. */
export function comparison() {
  let [worst, largest] = [0, 1e-30]
  return {
    add(found: number, expected: number) {
      const error = Math.abs(found - expected)
      worst = Math.max(worst, error)
      largest = Math.max(largest, Math.abs(expected))
    },
    error: () => worst / largest,
  }
}

const SAMPLES = 16
/** First, last and some between. */
export const sampled = (count: number, samples = SAMPLES): number[] => [
  ...new Set([0, count - 1, ...integersBelow(samples, count, 31)]),
]

const at = (params: Params, name: string): number => params[name] ?? 0

/** What an element is multiplied by: 0 where it is dropped. Counter (first, second) gives it and its neighbour a word each. */
export function dropoutFactor(p: Params, first: number, second: number, word: 0 | 1): number {
  if (at(p, 'threshold') === 0) return 1
  const words = threefry2x32(first | 0, second | 0, at(p, 'key0'), at(p, 'key1'))
  return words[word] < at(p, 'threshold') ? 0 : at(p, 'scale')
}

const rowDropout = (p: Params, keys: Data | undefined, row: number, column: number): number =>
  keys ? dropoutFactor(p, keys[row]!, column >> 1, (column & 1) as 0 | 1) : 1

export const checkDropout: Check = (before, after, p) => {
  const all = comparison()
  const columns = at(p, 'columns')
  for (const row of sampled(at(p, 'rows')))
    for (let c = 0; c < columns; c++) {
      const i = row * columns + c
      all.add(after.y![i]!, before.x![i]! * rowDropout(p, before.keys, row, c))
    }
  return all.error()
}

export const checkGeluForward: Check = (before, after, p) => {
  const all = comparison()
  for (const i of sampled(at(p, 'count'), 4096)) all.add(after.y![i]!, gelu(before.x![i]!, at(p, 'kind') === 1))
  return all.error()
}

/** The derivative by central differences: exact to about 1e-10 in f64. */
export const checkGeluBackward: Check = (before, after, p) => {
  const all = comparison()
  const tanh = at(p, 'kind') === 1
  const step = 1e-5
  for (const i of sampled(at(p, 'count'), 4096)) {
    const x = before.x![i]!
    all.add(after.dx![i]!, (before.dy![i]! * (gelu(x + step, tanh) - gelu(x - step, tanh))) / (2 * step))
  }
  return all.error()
}

export const checkLayerNormForward: Check = (before, after, p) => {
  const all = comparison()
  const width = at(p, 'columns')
  for (const row of sampled(at(p, 'rows'))) {
    const sum = Array.from({ length: width }, (_, c) => {
      const i = row * width + c
      return before.residual![i]! + before.x![i]! * rowDropout(p, before.keys, row, c)
    })
    const mean = sum.reduce((total, value) => total + value, 0) / width
    const variance = sum.reduce((total, value) => total + (value - mean) ** 2, 0) / width
    const rstd = 1 / Math.sqrt(variance + at(p, 'epsilon'))
    sum.forEach((value, c) => {
      all.add(after.y![row * width + c]!, (value - mean) * rstd * before.gamma![c]! + before.beta![c]!)
    })
  }
  return all.error()
}

export const checkLayerNormBackward: Check = (before, after, p) => {
  const all = comparison()
  const width = at(p, 'columns')
  for (const row of sampled(at(p, 'rows'))) {
    const [mean, rstd] = [before.stats![2 * row]!, before.stats![2 * row + 1]!]
    const normal = Array.from({ length: width }, (_, c) => (before.z![row * width + c]! - mean) * rstd)
    const g = normal.map((_, c) => before.dy![row * width + c]! * before.gamma![c]!)
    const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / width
    const [gMean, gxMean] = [meanOf(g), meanOf(g.map((value, c) => value * normal[c]!))]
    g.forEach((value, c) => {
      all.add(after.dz![row * width + c]!, rstd * (value - gMean - normal[c]! * gxMean))
    })
  }
  return all.error()
}

export const checkLayerNormParameters: Check = (before, after, p) => {
  const [gammas, betas] = [comparison(), comparison()]
  const width = at(p, 'columns')
  for (const c of sampled(width)) {
    let [dgamma, dbeta] = [before.dgamma![c]!, before.dbeta![c]!]
    for (let row = 0; row < at(p, 'rows'); row++) {
      const dy = before.dy![row * width + c]!
      dgamma += dy * (before.z![row * width + c]! - before.stats![2 * row]!) * before.stats![2 * row + 1]!
      dbeta += dy
    }
    gammas.add(after.dgamma![c]!, dgamma)
    betas.add(after.dbeta![c]!, dbeta)
  }
  return Math.max(gammas.error(), betas.error())
}

export const checkColumnSum: Check = (before, after, p) => {
  const all = comparison()
  const width = at(p, 'columns')
  for (const c of sampled(width)) {
    let sum = before.out![c]!
    for (let row = 0; row < at(p, 'rows'); row++) sum += before.x![row * width + c]!
    all.add(after.out![c]!, sum)
  }
  return all.error()
}

/** With state (·, 1, 1, ·): nothing is clipped or skipped. */
export const checkAdamw: Check = (before, after, p) => {
  const all = comparison()
  for (const i of sampled(at(p, 'count'), 4096)) {
    const g = before.gradient![i]!
    const m = at(p, 'beta1') * before.m![i]! + at(p, 'oneMinusBeta1') * g
    const v = at(p, 'beta2') * before.v![i]! + at(p, 'oneMinusBeta2') * g * g
    const step = (m * at(p, 'correction1')) / (Math.sqrt(v * at(p, 'correction2')) + at(p, 'epsilon'))
    all.add(after.parameters![i]!, before.parameters![i]! * (1 - at(p, 'rate') * at(p, 'decay')) - at(p, 'rate') * step)
  }
  return all.error()
}

/** The part of the sampled results that is not the one that sorting gives. */
export const checkTopK: Check = (before, after, p) => {
  const [columns, k] = [at(p, 'columns'), at(p, 'k')]
  const rows = sampled(at(p, 'rows'), 4)
  let wrong = 0
  for (const row of rows) {
    const scores = before.scores!.subarray(row * columns, (row + 1) * columns)
    const order = Array.from(scores, (_, i) => i).sort((i, j) => scores[j]! - scores[i]! || i - j)
    for (let i = 0; i < k; i++) {
      const found = after.indices![row * k + i]
      if (found !== order[i] || after.values![row * k + i] !== scores[found!]) wrong++
    }
  }
  return wrong / (rows.length * k)
}
