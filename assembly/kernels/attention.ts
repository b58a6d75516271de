// Attention over packed sequences, forward: out = dropout(softmax(softmaxScale · q kᵀ + bias)) v, lse = log Σ exp, by blocks of keys with a running
// maximum (Milakov and Gimelshein 2018; Dao et al. 2022). Lanes are query rows, so that softmax never sums across lanes.
import { at, bytes, rowAt } from './memory'
import { exp4 } from './math'
import { drop, word0, word1, words } from './random'
import { BLOCK, GROUP, firstSeen, gather, headAt, lanesAt, packLanes, products, rowsAt, scaleRow, scoresAt, sumsAt } from './attention_tiles'
import { addBias, limitScores, spreadBias } from './attention_window'
import { dotOfRows } from './reduce'

/** Columns of `tiles`. */
const TILE_STRIDE: u32 = 8

/** Below any score, and finite: −∞ − −∞ is no number. */
const LOWEST: f32 = -1e30

const LARGEST: u32 = 0
const TOTAL: u32 = 1
const CORRECTION: u32 = 2

export function attention_forward(
  q: usize, k: usize, v: usize, tiles: usize, bias: usize, out: usize, lse: usize,
  allRows: u32, tileCount: u32, tileRows: u32, heads: u32, keyValueHeads: u32, headSize: u32, softmaxScale: f32,
  before: u32, after: u32, biasRows: u32, threshold: u32, scale: f32, key0: u32, key1: u32,
  begin: u32, end: u32,
): void {
  const keyWidth = keyValueHeads * headSize
  for (let unit = begin; unit < end; unit++) {
    const tile = rowAt(tiles, unit / heads, TILE_STRIDE)
    const head = unit % heads
    const keyHead = head / (heads / keyValueHeads)
    const first = load<u32>(tile)
    const start = load<u32>(tile, 4)
    const last = min(first + tileRows, load<u32>(tile, 8))
    const keys = load<u32>(tile, 12) - start
    if (biasRows) spreadBias(bias, biasRows, heads, head, false)
    for (let row = first; row < last; row += GROUP) {
      const rows = min(GROUP, last - row)
      const position = row - start
      packLanes(headAt(q, row, head, heads, headSize), heads * headSize, rows, headSize, lanesAt(0))
      memory.fill(sumsAt(0), 0, bytes(GROUP * headSize))
      for (let i: u32 = 0; i < GROUP; i++) store<f32>(at(rowsAt(LARGEST), i), LOWEST)
      memory.fill(rowsAt(TOTAL), 0, bytes(GROUP))
      const firstKey = firstSeen(position, before)
      const lastKey = min(keys, position + rows + after)
      for (let j = firstKey; j < lastKey; j += BLOCK) {
        const count = min(BLOCK, lastKey - j)
        products(headAt(k, start + j, keyHead, keyValueHeads, headSize), keyWidth, count, lanesAt(0), rows, headSize, softmaxScale, scoresAt(0))
        if (biasRows) addBias(rows, count, position - j, biasRows)
        limitScores(rows, count, position - j, before, after)
        for (let lane: u32 = 0; lane < rows; lane += 4) {
          softmax4(lane, count)
          if (threshold || scale != 1) dropScores4(lane, count, load<u32>(tile, 16) + position + lane, (head << 15) + (j >> 1), threshold, scale, key0, key1)
        }
        if (j > firstKey) correctSums(rows, headSize)
        gather(scoresAt(0), count, rows, headAt(v, start + j, keyHead, keyValueHeads, headSize), keyWidth, headSize, sumsAt(0), j > firstKey)
      }
      for (let i: u32 = 0; i < rows; i++) {
        const total = load<f32>(at(rowsAt(TOTAL), i))
        scaleRow(rowAt(sumsAt(0), i, headSize), total > 0 ? 1 / total : total, headAt(out, row + i, head, heads, headSize), headSize)
        // Nothing seen: any finite number will do, since the limits apply to the gradients too
        const largest: f64 = total == 0 ? 0 : <f64>load<f32>(at(rowsAt(LARGEST), i)) + Math.log(total)
        store<f32>(at(rowAt(lse, row + i, heads), head), <f32>largest)
      }
    }
  }
}

/** Four lanes of a block of scores become exp(score − largest so far); the running maximum, the sum and the correction of what came before follow. */
function softmax4(lane: u32, count: u32): void {
  const column = at(scoresAt(0), lane)
  const before = v128.load(at(rowsAt(LARGEST), lane))
  let largest = before
  for (let j: u32 = 0; j < count; j++) largest = f32x4.pmax(largest, v128.load(rowAt(column, j, GROUP)))
  let total = f32x4.splat(0)
  for (let j: u32 = 0; j < count; j++) {
    const p = exp4(f32x4.sub(v128.load(rowAt(column, j, GROUP)), largest))
    total = f32x4.add(total, p)
    v128.store(rowAt(column, j, GROUP), p)
  }
  const correction = exp4(f32x4.sub(before, largest))
  v128.store(at(rowsAt(LARGEST), lane), largest)
  v128.store(at(rowsAt(CORRECTION), lane), correction)
  v128.store(at(rowsAt(TOTAL), lane), f32x4.add(f32x4.mul(v128.load(at(rowsAt(TOTAL), lane)), correction), total))
}

/** Dropout of four lanes (query rows, counters from `counter`) of a block of scores; keys in pairs from `pair`. */
function dropScores4(lane: u32, count: u32, counter: u32, pair: u32, threshold: u32, scale: f32, key0: u32, key1: u32): void {
  const counters = i32x4.add(i32x4.splat(counter), i32x4(0, 1, 2, 3))
  const thresholds = i32x4.splat(threshold)
  const scales = f32x4.splat(scale)
  for (let j: u32 = 0; j < count; j += 2) {
    words(counters, i32x4.splat(pair + (j >> 1)), key0, key1)
    const even = at(rowAt(scoresAt(0), j, GROUP), lane)
    v128.store(even, drop(v128.load(even), word0, thresholds, scales))
    if (j + 1 == count) break
    const odd = rowAt(even, 1, GROUP)
    v128.store(odd, drop(v128.load(odd), word1, thresholds, scales))
  }
}

function correctSums(rows: u32, headSize: u32): void {
  for (let i: u32 = 0; i < rows; i++) {
    const sums = rowAt(sumsAt(0), i, headSize)
    scaleRow(sums, load<f32>(at(rowsAt(CORRECTION), i)), sums, headSize)
  }
}

/** Behind the rows of lse in stats. */
export function attention_delta(out: usize, dout: usize, stats: usize, rows: u32, heads: u32, headSize: u32, begin: u32, end: u32): void {
  for (let row = begin; row < end; row++) {
    for (let head: u32 = 0; head < heads; head++) {
      store<f32>(at(rowAt(stats, rows + row, heads), head), deltaOf(out, dout, row, head, heads, headSize))
    }
  }
}

@inline
export function deltaOf(out: usize, dout: usize, row: u32, head: u32, heads: u32, headSize: u32): f32 {
  return <f32>dotOfRows(headAt(out, row, head, heads, headSize), headAt(dout, row, head, heads, headSize), headSize)
}
