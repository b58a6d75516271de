// Softmax cross-entropy of rows whose scores are seen a tile of columns at a time: columns first … first + columns − 1 of each row.
// stats (rows, 3) = (greatest score, Σ exp(score − greatest) over the candidates but the target, the target's score): updated (=, where fresh).
// A column is a candidate within [begin, end) of its row, but not where it has the target's label and is another. Sums of a tile are f64.
import { at, bytes, rowAt } from './memory'
import { exp4, max4, sum4 } from './math'

export function softmax_tile_forward(scores: usize, targets: usize, labels: usize, stats: usize, rows: u32, columns: u32, first: u32, hasLabels: u32, fresh: u32, begin: u32, end: u32): void {
  const label = hasLabels ? labels : 0
  for (let row = begin; row < end; row++) {
    const stat = rowAt(stats, row, 3)
    let greatest: f32 = fresh ? -f32.MAX_VALUE : load<f32>(stat)
    let others: f64 = fresh ? 0 : <f64>load<f32>(stat, 4)
    let own: f32 = fresh ? 0 : load<f32>(stat, 8)
    const target = load<u32>(rowAt(targets, row, 3))
    const from = clampTo(load<u32>(rowAt(targets, row, 3), 4), first, columns)
    const to = clampTo(load<u32>(rowAt(targets, row, 3), 8), first, columns)
    const line = rowAt(scores, row, columns)
    const here = target - first // beyond every column where the target is in another tile
    const middle = here < columns ? max(from, min(here, to)) : to
    const after = here < to && here >= from ? middle + 1 : middle
    const tile = max(greatestOf(line, label, first, target, from, middle), greatestOf(line, label, first, target, after, to))
    let higher = max(greatest, tile)
    if (here < columns) {
      own = load<f32>(at(line, here))
      if (here >= from && here < to) higher = max(higher, own)
    }
    others = others * Math.exp(<f64>greatest - <f64>higher)
    others += sumOf(line, label, first, target, from, middle, higher) + sumOf(line, label, first, target, after, to, higher)
    store<f32>(stat, higher)
    store<f32>(stat, <f32>others, 4)
    store<f32>(stat, own, 8)
  }
}

/** losses (rows) of whole rows' stats. */
export function softmax_tile_losses(targets: usize, stats: usize, losses: usize, rows: u32, begin: u32, end: u32): void {
  for (let row = begin; row < end; row++) {
    const stat = rowAt(stats, row, 3)
    const gap = <f64>load<f32>(stat) - <f64>load<f32>(stat, 8)
    store<f32>(at(losses, row), <f32>(gap + Math.log(totalOf(rowAt(targets, row, 3), stat))))
  }
}

/** In place: the tile's scores become their gradient, weights[row] · (p − [column = target]); the target's is −weights[row] · Σ of the others' p. */
export function softmax_tile_backward(targets: usize, labels: usize, weights: usize, stats: usize, scores: usize, rows: u32, columns: u32, first: u32, hasLabels: u32, begin: u32, end: u32): void {
  for (let row = begin; row < end; row++) {
    const stat = rowAt(stats, row, 3)
    const aim = rowAt(targets, row, 3)
    const target = load<u32>(aim)
    const from = clampTo(load<u32>(aim, 4), first, columns)
    const to = clampTo(load<u32>(aim, 8), first, columns)
    const line = rowAt(scores, row, columns)
    const factor = <f64>load<f32>(at(weights, row)) / totalOf(aim, stat)
    memory.fill(line, 0, bytes(from))
    memory.fill(at(line, to), 0, bytes(columns - to))
    gradients(line, hasLabels ? labels : 0, first, target, from, to, load<f32>(stat), <f32>factor)
    const here = target - first
    if (here >= from && here < to) store<f32>(at(line, here), -<f32>(factor * <f64>load<f32>(stat, 4)))
  }
}

/** Σ exp(score − greatest) over all candidates. */
function totalOf(aim: usize, stat: usize): f64 {
  const target = load<u32>(aim)
  const inside = target >= load<u32>(aim, 4) && target < load<u32>(aim, 8)
  const own = <f64>load<f32>(stat, 8) - <f64>load<f32>(stat)
  return <f64>load<f32>(stat, 4) + (inside ? Math.exp(own) : 0)
}

/** A column of the whole row as one of the tile. */
@inline
function clampTo(column: u32, first: u32, columns: u32): u32 {
  return column <= first ? 0 : min(column - first, columns)
}

/** Lanes of four columns from j on that are candidates as far as labels go. */
@inline
function unlike(labels: usize, j: u32, label: v128): v128 {
  return i32x4.ne(v128.load(at(labels, j)), label)
}

function greatestOf(line: usize, labels: usize, first: u32, target: u32, from: u32, to: u32): f32 {
  const lowest = f32x4.splat(-f32.MAX_VALUE)
  let greatest = lowest
  const label = labels ? load<i32>(at(labels, target)) : 0
  let j = from
  for (; j + 4 <= to; j += 4) {
    let value = v128.load(at(line, j))
    if (labels) value = v128.bitselect(value, lowest, unlike(labels, first + j, i32x4.splat(label)))
    greatest = f32x4.pmax(greatest, value)
  }
  for (; j < to; j++)
    if (!labels || load<i32>(at(labels, first + j)) != label) greatest = f32x4.pmax(greatest, v128.load32_splat(at(line, j)))
  return max4(greatest)
}

function sumOf(line: usize, labels: usize, first: u32, target: u32, from: u32, to: u32, greatest: f32): f64 {
  const shift = f32x4.splat(greatest)
  const label = labels ? load<i32>(at(labels, target)) : 0
  let sum: f64 = 0
  let j = from
  for (; j + 4 <= to; j += 4) {
    let value = exp4(f32x4.sub(v128.load(at(line, j)), shift))
    if (labels) value = v128.and(value, unlike(labels, first + j, i32x4.splat(label)))
    sum += sum4(value)
  }
  for (; j < to; j++)
    if (!labels || load<i32>(at(labels, first + j)) != label)
      sum += <f64>f32x4.extract_lane(exp4(f32x4.sub(v128.load32_splat(at(line, j)), shift)), 0)
  return sum
}

/** x = factor · exp(x − greatest), 0 where a column is no candidate; the target's own is overwritten after. */
function gradients(line: usize, labels: usize, first: u32, target: u32, from: u32, to: u32, greatest: f32, factor: f32): void {
  const shift = f32x4.splat(greatest)
  const label = labels ? load<i32>(at(labels, target)) : 0
  let j = from
  for (; j + 4 <= to; j += 4) {
    let value = f32x4.mul(f32x4.splat(factor), exp4(f32x4.sub(v128.load(at(line, j)), shift)))
    if (labels) value = v128.and(value, unlike(labels, first + j, i32x4.splat(label)))
    v128.store(at(line, j), value)
  }
  for (; j < to; j++) {
    const alike = labels ? load<i32>(at(labels, first + j)) == label : false
    const value = f32x4.extract_lane(exp4(f32x4.sub(v128.load32_splat(at(line, j)), shift)), 0)
    store<f32>(at(line, j), alike ? 0 : factor * value)
  }
}
