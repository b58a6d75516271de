// Attention, backward, in two kernels that write every row once and add nothing across units. Probabilities come again from lse:
//   p_ij = exp(softmaxScale · q_i · k_j + bias_ij − lse_i),  ds_ij = p_ij · (mask_ij · scale · (dout_i · v_j) − delta_i)
//   backward_q   lanes are queries: dq_i = softmaxScale · Σ_j ds_ij k_j
//   backward_kv  lanes are keys:    dv_j = Σ_i mask_ij · scale · p_ij dout_i,  dk_j = softmaxScale · Σ_i ds_ij q_i
import { at, bytes, rowAt } from './memory'
import { deltaOf } from './attention'
import { exp4 } from './math'
import { drop, word0, word1, words, wordsOfRow } from './random'
import { BLOCK, GROUP, firstSeen, gather, headAt, lanesAt, packLanes, products, rowsAt, scaleRow, scoresAt, sumsAt } from './attention_tiles'
import { addBias, addBiasGradient, clearBiasGradient, limitScores, spreadBias, storeBiasGradient } from './attention_window'

/** Columns of `tiles`. */
const TILE_STRIDE: u32 = 8

const LSE: u32 = 0
const DELTA: u32 = 1

export function attention_backward_q(
  q: usize, k: usize, v: usize, out: usize, dout: usize, stats: usize, tiles: usize, dq: usize,
  allRows: u32, tileCount: u32, tileRows: u32, heads: u32, keyValueHeads: u32, headSize: u32, softmaxScale: f32,
  before: u32, after: u32, biasRows: u32, threshold: u32, scale: f32, key0: u32, key1: u32,
  begin: u32, end: u32,
): void {
  ofQueries(q, k, v, out, dout, stats, tiles, dq, 0, allRows, tileRows, heads, keyValueHeads, headSize, softmaxScale, before, after, biasRows, threshold, scale, key0, key1, begin, end)
}

export function attention_backward_q_bias(
  q: usize, k: usize, v: usize, dout: usize, stats: usize, tiles: usize, dq: usize, dbias: usize,
  allRows: u32, tileCount: u32, tileRows: u32, heads: u32, keyValueHeads: u32, headSize: u32, softmaxScale: f32,
  before: u32, after: u32, biasRows: u32, threshold: u32, scale: f32, key0: u32, key1: u32,
  begin: u32, end: u32,
): void {
  ofQueries(q, k, v, 0, dout, stats, tiles, dq, dbias, allRows, tileRows, heads, keyValueHeads, headSize, softmaxScale, before, after, biasRows, threshold, scale, key0, key1, begin, end)
}

/** With `out`, deltas are computed; without, they are given. */
function ofQueries(
  q: usize, k: usize, v: usize, out: usize, dout: usize, stats: usize, tiles: usize, dq: usize, dbias: usize,
  allRows: u32, tileRows: u32, heads: u32, keyValueHeads: u32, headSize: u32, softmaxScale: f32,
  before: u32, after: u32, biasRows: u32, threshold: u32, scale: f32, key0: u32, key1: u32,
  begin: u32, end: u32,
): void {
  const width = heads * headSize
  const keyWidth = keyValueHeads * headSize
  for (let unit = begin; unit < end; unit++) {
    const tile = rowAt(tiles, unit / heads, TILE_STRIDE)
    const head = unit % heads
    const keyHead = head / (heads / keyValueHeads)
    const first = load<u32>(tile)
    const start = load<u32>(tile, 4)
    const last = min(first + tileRows, load<u32>(tile, 8))
    const keys = load<u32>(tile, 12) - start
    if (biasRows) {
      spreadBias(rowAt(stats, 2 * allRows, heads), biasRows, heads, head, false)
      clearBiasGradient(biasRows)
    }
    for (let row = first; row < last; row += GROUP) {
      const rows = min(GROUP, last - row)
      const position = row - start
      packLanes(headAt(q, row, head, heads, headSize), width, rows, headSize, lanesAt(0))
      packLanes(headAt(dout, row, head, heads, headSize), width, rows, headSize, lanesAt(1))
      memory.fill(sumsAt(0), 0, bytes(GROUP * headSize))
      memory.fill(rowsAt(0), 0, bytes(2 * GROUP))
      for (let i: u32 = 0; i < rows; i++) {
        const delta = at(rowAt(stats, allRows + row + i, heads), head)
        if (out) store<f32>(delta, deltaOf(out, dout, row + i, head, heads, headSize))
        store<f32>(at(rowsAt(LSE), i), load<f32>(at(rowAt(stats, row + i, heads), head)))
        store<f32>(at(rowsAt(DELTA), i), load<f32>(delta))
      }
      const firstKey = firstSeen(position, before)
      const lastKey = min(keys, position + rows + after)
      for (let j = firstKey; j < lastKey; j += BLOCK) {
        const count = min(BLOCK, lastKey - j)
        const keyRows = headAt(k, start + j, keyHead, keyValueHeads, headSize)
        products(keyRows, keyWidth, count, lanesAt(0), rows, headSize, softmaxScale, scoresAt(0))
        products(headAt(v, start + j, keyHead, keyValueHeads, headSize), keyWidth, count, lanesAt(1), rows, headSize, 1, scoresAt(1))
        if (biasRows) addBias(rows, count, position - j, biasRows)
        limitScores(rows, count, position - j, before, after)
        for (let lane: u32 = 0; lane < rows; lane += 4) {
          scoreGradients4(lane, count, load<u32>(tile, 16) + position + lane, (head << 15) + (j >> 1), threshold, scale, key0, key1)
        }
        if (biasRows && dbias) addBiasGradient(rows, count, position - j, biasRows)
        gather(scoresAt(0), count, rows, keyRows, keyWidth, headSize, sumsAt(0), j > firstKey)
      }
      for (let i: u32 = 0; i < rows; i++) scaleRow(rowAt(sumsAt(0), i, headSize), softmaxScale, headAt(dq, row + i, head, heads, headSize), headSize)
    }
    if (biasRows && dbias) storeBiasGradient(rowAt(dbias, (unit / heads) * biasRows, heads), biasRows, heads, head)
  }
}

/** Four lanes of scores become ds; the lanes of dout · v stay as they are. */
function scoreGradients4(lane: u32, count: u32, counter: u32, pair: u32, threshold: u32, scale: f32, key0: u32, key1: u32): void {
  const counters = i32x4.add(i32x4.splat(counter), i32x4(0, 1, 2, 3))
  const thresholds = i32x4.splat(threshold)
  const scales = f32x4.splat(scale)
  const lse = v128.load(at(rowsAt(LSE), lane))
  const delta = v128.load(at(rowsAt(DELTA), lane))
  for (let j: u32 = 0; j < count; j++) {
    const offset = at(rowAt(0, j, GROUP), lane)
    if (threshold && (j & 1) == 0) words(counters, i32x4.splat(pair + (j >> 1)), key0, key1)
    let gradient = v128.load(scoresAt(1) + offset)
    gradient = threshold ? drop(gradient, j & 1 ? word1 : word0, thresholds, scales) : f32x4.mul(gradient, scales)
    const p = exp4(f32x4.sub(v128.load(scoresAt(0) + offset), lse))
    v128.store(scoresAt(0) + offset, f32x4.mul(p, f32x4.sub(gradient, delta)))
  }
}

export function attention_backward_kv(
  q: usize, k: usize, v: usize, dout: usize, stats: usize, tiles: usize, dk: usize, dv: usize,
  allRows: u32, tileCount: u32, tileRows: u32, heads: u32, keyValueHeads: u32, headSize: u32, softmaxScale: f32,
  before: u32, after: u32, biasRows: u32, threshold: u32, scale: f32, key0: u32, key1: u32,
  begin: u32, end: u32,
): void {
  const width = heads * headSize
  const keyWidth = keyValueHeads * headSize
  const group = heads / keyValueHeads
  for (let unit = begin; unit < end; unit++) {
    const tile = rowAt(tiles, unit / keyValueHeads, TILE_STRIDE)
    const keyHead = unit % keyValueHeads
    const start = load<u32>(tile, 4)
    const sequenceEnd = load<u32>(tile, 8)
    const first = load<u32>(tile)
    const last = min(first + tileRows, sequenceEnd)
    const lastKey = min(last, load<u32>(tile, 12))
    // Rows that nothing attends to
    for (let row = max(first, lastKey); row < last; row++) {
      memory.fill(headAt(dk, row, keyHead, keyValueHeads, headSize), 0, bytes(headSize))
      memory.fill(headAt(dv, row, keyHead, keyValueHeads, headSize), 0, bytes(headSize))
    }
    // Random words come for pairs of keys: a tile that begins at an odd one computes the key before it too, and does not write it
    for (let row = first - ((first - start) & 1); row < lastKey; row += GROUP) {
      const rows = min(GROUP, lastKey - row)
      const position = row - start
      packLanes(headAt(k, row, keyHead, keyValueHeads, headSize), keyWidth, rows, headSize, lanesAt(0))
      packLanes(headAt(v, row, keyHead, keyValueHeads, headSize), keyWidth, rows, headSize, lanesAt(1))
      const firstQuery = start + firstSeen(position, after)
      const lastQuery = min(sequenceEnd, row + rows + before)
      let add = false
      for (let head = keyHead * group; head < (keyHead + 1) * group; head++) {
        if (biasRows) spreadBias(rowAt(stats, 2 * allRows, heads), biasRows, heads, head, true)
        for (let i = firstQuery; i < lastQuery; i += BLOCK) {
          const count = min(BLOCK, lastQuery - i)
          const queries = headAt(q, i, head, heads, headSize)
          const gradients = headAt(dout, i, head, heads, headSize)
          products(queries, width, count, lanesAt(0), rows, headSize, softmaxScale, scoresAt(0))
          products(gradients, width, count, lanesAt(1), rows, headSize, 1, scoresAt(1))
          if (biasRows) addBias(rows, count, row - i, biasRows)
          limitScores(rows, count, row - i, after, before)
          const pair = (head << 15) + (position >> 1)
          for (let lane: u32 = 0; lane < rows; lane += 8) {
            keyGradients8(lane, count, at(rowAt(stats, i, heads), head), rowAt(0, allRows, heads), heads, load<u32>(tile, 16) + i - start, pair + (lane >> 1), threshold, scale, key0, key1)
          }
          gather(scoresAt(0), count, rows, gradients, width, headSize, sumsAt(0), add)
          gather(scoresAt(1), count, rows, queries, width, headSize, sumsAt(1), add)
          add = true
        }
      }
      storeKeys(dk, dv, row, row < first ? first - row : 0, rows, keyHead, keyValueHeads, headSize, softmaxScale, add)
    }
  }
}

/** Rows `from` … of a group; zeros where no query sees any of it. */
function storeKeys(dk: usize, dv: usize, row: u32, from: u32, rows: u32, head: u32, heads: u32, headSize: u32, softmaxScale: f32, seen: bool): void {
  if (!seen) {
    memory.fill(sumsAt(0), 0, bytes(GROUP * headSize))
    memory.fill(sumsAt(1), 0, bytes(GROUP * headSize))
  }
  for (let i = from; i < rows; i++) {
    scaleRow(rowAt(sumsAt(0), i, headSize), 1, headAt(dv, row + i, head, heads, headSize), headSize)
    scaleRow(rowAt(sumsAt(1), i, headSize), softmaxScale, headAt(dk, row + i, head, heads, headSize), headSize)
  }
}

/** Eight lanes: scores become mask · scale · p, and dout · v becomes ds. */
function keyGradients8(lane: u32, count: u32, stats: usize, toDelta: usize, heads: u32, counter: u32, pair: u32, threshold: u32, scale: f32, key0: u32, key1: u32): void {
  const thresholds = i32x4.splat(threshold)
  const scales = f32x4.splat(scale)
  for (let i: u32 = 0; i < count; i++) {
    const lse = v128.load32_splat(rowAt(stats, i, heads))
    const delta = v128.load32_splat(rowAt(stats, i, heads) + toDelta)
    if (threshold) wordsOfRow(counter + i, pair, key0, key1)
    for (let half: u32 = 0; half < 2; half++) {
      const offset = at(rowAt(0, i, GROUP), lane + 4 * half)
      const p = exp4(f32x4.sub(v128.load(scoresAt(0) + offset), lse))
      const product = v128.load(scoresAt(1) + offset)
      const word = half ? word1 : word0
      v128.store(scoresAt(0) + offset, threshold ? drop(p, word, thresholds, scales) : f32x4.mul(p, scales))
      const gradient = threshold ? drop(product, word, thresholds, scales) : f32x4.mul(product, scales)
      v128.store(scoresAt(1) + offset, f32x4.mul(p, f32x4.sub(gradient, delta)))
    }
  }
}
