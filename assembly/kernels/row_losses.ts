// Losses of rows of scores (rows, columns), the positive's in column 0, with their gradient: losses (rows) and dscores = weights[row] · ∂loss/∂scores
// are set (=). Rows are short: one passage a column. In f64.
import { at, rowAt } from './memory'

/** The mean over negatives of log(1 + exp(s_j − s_0)): the softmax of each pair. */
export function pairwise_softmax(scores: usize, weights: usize, losses: usize, dscores: usize, rows: u32, columns: u32, begin: u32, end: u32): void {
  for (let row = begin; row < end; row++) {
    const from = rowAt(scores, row, columns)
    const to = rowAt(dscores, row, columns)
    const share = 1.0 / <f64>(columns - 1)
    const factor = <f64>load<f32>(at(weights, row)) * share
    let loss: f64 = 0
    let own: f64 = 0
    for (let j: u32 = 1; j < columns; j++) {
      const gap = <f64>load<f32>(at(from, j)) - <f64>load<f32>(from)
      const small = Math.exp(-Math.abs(gap))
      loss += max(gap, 0) + Math.log1p(small)
      const p = (gap > 0 ? 1 : small) / (1 + small)
      store<f32>(at(to, j), <f32>(factor * p))
      own -= factor * p
    }
    store<f32>(to, <f32>own)
    store<f32>(at(losses, row), <f32>(loss * share))
  }
}

/** The mean over negatives of max(0, margin + s_j − s_0). */
export function triplet_margin(scores: usize, weights: usize, losses: usize, dscores: usize, rows: u32, columns: u32, margin: f32, begin: u32, end: u32): void {
  for (let row = begin; row < end; row++) {
    const from = rowAt(scores, row, columns)
    const to = rowAt(dscores, row, columns)
    const share = 1.0 / <f64>(columns - 1)
    const factor = <f64>load<f32>(at(weights, row)) * share
    let loss: f64 = 0
    let own: f64 = 0
    for (let j: u32 = 1; j < columns; j++) {
      const excess = <f64>margin + (<f64>load<f32>(at(from, j)) - <f64>load<f32>(from))
      // A NaN stays one
      const inside = !(excess <= 0)
      if (inside) {
        loss += excess
        own -= factor
      }
      store<f32>(at(to, j), inside ? <f32>factor : 0)
    }
    store<f32>(to, <f32>own)
    store<f32>(at(losses, row), <f32>(loss * share))
  }
}

/** The mean over negatives of ((s_0 − s_j) − (t_0 − t_j))². */
export function margin_mse(scores: usize, teacher: usize, weights: usize, losses: usize, dscores: usize, rows: u32, columns: u32, begin: u32, end: u32): void {
  for (let row = begin; row < end; row++) {
    const from = rowAt(scores, row, columns)
    const by = rowAt(teacher, row, columns)
    const to = rowAt(dscores, row, columns)
    const share = 1.0 / <f64>(columns - 1)
    const factor = 2 * <f64>load<f32>(at(weights, row)) * share
    let loss: f64 = 0
    let own: f64 = 0
    for (let j: u32 = 1; j < columns; j++) {
      const margin = <f64>load<f32>(from) - <f64>load<f32>(at(from, j))
      const error = margin - (<f64>load<f32>(by) - <f64>load<f32>(at(by, j)))
      loss += error * error
      store<f32>(at(to, j), <f32>(-factor * error))
      own += factor * error
    }
    store<f32>(to, <f32>own)
    store<f32>(at(losses, row), <f32>(loss * share))
  }
}

/** Σ t (log t − log softmax(scores)), t = softmax(sharpness · teacher). */
export function kl_divergence(scores: usize, teacher: usize, weights: usize, losses: usize, dscores: usize, rows: u32, columns: u32, sharpness: f32, begin: u32, end: u32): void {
  for (let row = begin; row < end; row++) {
    const from = rowAt(scores, row, columns)
    const by = rowAt(teacher, row, columns)
    const to = rowAt(dscores, row, columns)
    const weight = <f64>load<f32>(at(weights, row))
    const logSum = logSumOfExponentials(from, 1, columns)
    const teacherLogSum = logSumOfExponentials(by, <f64>sharpness, columns)
    let loss: f64 = 0
    for (let j: u32 = 0; j < columns; j++) {
      const logP = <f64>load<f32>(at(from, j)) - logSum
      const logT = <f64>sharpness * <f64>load<f32>(at(by, j)) - teacherLogSum
      const t = Math.exp(logT)
      if (t > 0) loss += t * (logT - logP)
      store<f32>(at(to, j), <f32>(weight * (Math.exp(logP) - t)))
    }
    store<f32>(at(losses, row), <f32>loss)
  }
}

function logSumOfExponentials(x: usize, factor: f64, count: u32): f64 {
  let greatest: f64 = -Infinity
  for (let j: u32 = 0; j < count; j++) greatest = max(greatest, factor * <f64>load<f32>(at(x, j)))
  let sum: f64 = 0
  for (let j: u32 = 0; j < count; j++) sum += Math.exp(factor * <f64>load<f32>(at(x, j)) - greatest)
  return greatest + Math.log(sum)
}
