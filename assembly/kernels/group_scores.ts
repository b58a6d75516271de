// Scores of each query against its own passages, rows i · columns … of passage for query i, and their gradients: scores (rows, columns) =
// alpha · query · passage, sums in f64. dquery and dpassage are set, or added to where `accumulate` is 1.
import { at, loadFew, rowAt } from './memory'
import { dotOfRows } from './reduce'

export function group_scores(query: usize, passage: usize, scores: usize, rows: u32, columns: u32, width: u32, alpha: f32, begin: u32, end: u32): void {
  for (let row = begin; row < end; row++) {
    const line = rowAt(scores, row, columns)
    for (let j: u32 = 0; j < columns; j++) {
      const own = rowAt(rowAt(passage, row * columns, width), j, width)
      store<f32>(at(line, j), <f32>(<f64>alpha * dotOfRows(rowAt(query, row, width), own, width)))
    }
  }
}

export function group_scores_backward_query(dscores: usize, passage: usize, dquery: usize, rows: u32, columns: u32, width: u32, alpha: f32, accumulate: u32, begin: u32, end: u32): void {
  for (let row = begin; row < end; row++) {
    const to = rowAt(dquery, row, width)
    const line = rowAt(dscores, row, columns)
    for (let c: u32 = 0; c < width; c += 4) {
      let sum = accumulate ? loadFew(at(to, c), width - c) : f32x4.splat(0)
      for (let j: u32 = 0; j < columns; j++) {
        const factor = f32x4.splat(alpha * load<f32>(at(line, j)))
        const own = rowAt(rowAt(passage, row * columns, width), j, width)
        sum = f32x4.add(sum, f32x4.mul(factor, loadFew(at(own, c), width - c)))
      }
      storeFew(at(to, c), sum, width - c)
    }
  }
}

export function group_scores_backward_passage(dscores: usize, query: usize, dpassage: usize, rows: u32, columns: u32, width: u32, alpha: f32, accumulate: u32, begin: u32, end: u32): void {
  for (let row = begin; row < end; row++) {
    const from = rowAt(query, row, width)
    for (let j: u32 = 0; j < columns; j++) {
      const factor = f32x4.splat(alpha * load<f32>(at(rowAt(dscores, row, columns), j)))
      const to = rowAt(rowAt(dpassage, row * columns, width), j, width)
      for (let c: u32 = 0; c < width; c += 4) {
        const value = f32x4.mul(factor, loadFew(at(from, c), width - c))
        storeFew(at(to, c), accumulate ? f32x4.add(loadFew(at(to, c), width - c), value) : value, width - c)
      }
    }
  }
}

@inline
function storeFew(to: usize, value: v128, count: u32): void {
  if (count >= 4) {
    v128.store(to, value)
    return
  }
  v128.store_lane<f32>(to, value, 0)
  if (count > 1) v128.store_lane<f32>(at(to, 1), value, 1)
  if (count > 2) v128.store_lane<f32>(at(to, 2), value, 2)
}
