// Losses, the gradient's norm, AdamW and the best k.
import { NORM_CHUNK } from '../../src/backend/kernels.js'
import type { Reference } from './types.js'

export const mask_duplicates: Reference<'mask_duplicates'> = ({ targets, labels, scores }, { rows, columns }) => {
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const target = targets[row * 3]!
      if (column !== target && labels[column] === labels[target])
        scores[row * columns + column] = -3.4028234663852886e38
    }
}

export const softmax_cross_entropy_forward: Reference<'softmax_cross_entropy_forward'> = (
  tensors,
  { rows, columns },
) => {
  const { scores, targets, losses, lse } = tensors
  for (let row = 0; row < rows; row++) {
    const [target, begin, end] = [targets[row * 3]!, targets[row * 3 + 1]!, targets[row * 3 + 2]!]
    const allowed = scores.subarray(row * columns + begin, row * columns + end)
    const maximum = allowed.reduce((a, b) => Math.max(a, b), -Infinity)
    lse[row] = maximum + Math.log(allowed.reduce((sum, score) => sum + Math.exp(score - maximum), 0))
    losses[row] = lse[row]! - scores[row * columns + target]!
  }
}

export const softmax_cross_entropy_backward: Reference<'softmax_cross_entropy_backward'> = (
  tensors,
  { rows, columns },
) => {
  const { targets, weights, lse, scores } = tensors
  for (let row = 0; row < rows; row++) {
    const [target, begin, end] = [targets[row * 3]!, targets[row * 3 + 1]!, targets[row * 3 + 2]!]
    const line = scores.subarray(row * columns, (row + 1) * columns)
    const inside = (column: number) => column >= begin && column < end
    const exponentials = line.map((score, column) => (inside(column) ? Math.exp(score - lse[row]!) : 0))
    const sum = exponentials.reduce((a, b) => a + b, 0)
    const others = exponentials.reduce((total, value, column) => (column === target ? total : total + value), 0)
    for (let column = 0; column < columns; column++) {
      const share = column === target ? -others / sum : exponentials[column]! / sum
      line[column] = inside(column) ? weights[row]! * share : 0
    }
  }
}

export const weighted_sum: Reference<'weighted_sum'> = ({ x, weights, out }, { count, accumulate }) => {
  let sum = 0
  for (let i = 0; i < count; i++) sum += x[i]! * weights[i]!
  out[0] = (accumulate ? out[0]! : 0) + sum
}

export const sum_of_squares: Reference<'sum_of_squares'> = ({ x, partials }, { count, first }) => {
  for (let start = 0, u = first; start < count; start += NORM_CHUNK, u++) {
    partials[u] = 0
    for (let i = start; i < Math.min(start + NORM_CHUNK, count); i++) partials[u]! += x[i]! ** 2
  }
}

export const gradient_norm: Reference<'gradient_norm'> = ({ partials, state }, { count, maxNorm, unscale }) => {
  let sum = 0
  for (let i = 0; i < count; i++) sum += partials[i]!
  const norm = unscale * Math.sqrt(sum)
  const finite = Number.isFinite(norm)
  const factor = unscale * (maxNorm === 0 ? 1 : Math.min(1, maxNorm / (norm + 1e-6)))
  state.set([norm, factor, finite ? 1 : 0, state[3]! + (finite ? 0 : 1)])
}

export const adamw: Reference<'adamw'> = ({ gradient, state, parameters, m, v }, p) => {
  const [factor, finite] = [state[1]!, state[2]!]
  if (!finite) return
  for (let i = 0; i < p.count; i++) {
    let g = factor * gradient[i]!
    if (p.decoupled) parameters[i]! *= 1 - p.rate * p.decay
    else g += p.decay * parameters[i]!
    m[i] = p.beta1 * m[i]! + p.oneMinusBeta1 * g
    v[i] = p.beta2 * v[i]! + p.oneMinusBeta2 * g * g
    parameters[i]! -= (p.rate * (m[i]! * p.correction1)) / (Math.sqrt(v[i]! * p.correction2) + p.epsilon)
  }
}

/** Entries with index −1 are missing, not candidates: they may not push out a column whose score is −∞. */
export const top_k: Reference<'top_k'> = ({ scores, values, indices }, { rows, columns, k, first, fresh }) => {
  for (let row = 0; row < rows; row++) {
    const candidates: { value: number; index: number }[] = []
    for (let slot = row * k; slot < (row + 1) * k && !fresh; slot++)
      if (indices[slot]! >= 0) candidates.push({ value: values[slot]!, index: indices[slot]! })
    for (let column = 0; column < columns; column++) {
      const score = scores[row * columns + column]!
      candidates.push({ value: Number.isNaN(score) ? -Infinity : score, index: first + column })
    }
    // −∞ − −∞ is NaN, which is falsy like 0: a tie.
    candidates.sort((a, b) => b.value - a.value || a.index - b.index)
    for (let place = 0; place < k; place++) {
      values[row * k + place] = candidates[place]?.value ?? -Infinity
      indices[row * k + place] = candidates[place]?.index ?? -1
    }
  }
}

export const nearest: Reference<'nearest'> = ({ query, corpus, values, indices }, p) => {
  const { queries, rows, width, k, slices, first, fresh } = p
  const share = 4 * Math.ceil(Math.ceil(rows / slices) / 4)
  for (let slice = 0; slice < slices; slice++) {
    const begin = Math.min(rows, slice * share)
    const columns = Math.min(rows, begin + share) - begin
    const scores = Float64Array.from({ length: queries * columns }, (_, i) => {
      const [q, row] = [Math.floor(i / columns), begin + (i % columns)]
      let sum = 0
      for (let c = 0; c < width; c++) sum += query[q * width + c]! * corpus[row * width + c]!
      return sum
    })
    const own = [slice * queries * k, (slice + 1) * queries * k] as const
    const kept = { values: values.subarray(...own), indices: indices.subarray(...own) }
    top_k({ scores, ...kept }, { rows: queries, columns, k, first: first + begin, fresh })
  }
}
