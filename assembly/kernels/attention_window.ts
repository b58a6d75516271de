// What changes scores beside the product: a bias by relative position, and limits to how far a query sees. Lanes are rows of one side, score rows
// those of the other; `base` is the position of lane 0 minus that of score row 0, so that lane l of score row r lies base − r + l apart.
// The bias of a head is spread out with GROUP − 1 copies of its ends on both sides, so that any four neighbouring lanes are one load.
import { at, bytes, rowAt, scratchAt } from './memory'
import { BIAS_ROWS, GROUP, SPREAD, scoresAt } from './attention_tiles'

/** Of one side. */
const ENDS: i32 = GROUP - 1
const BYTES: u32 = (BIAS_ROWS + 2 * ENDS) * 4

@inline
function spreadAt(which: u32): usize {
  return scratchAt(SPREAD + which * BYTES)
}

/** Spreads column `head` of bias (biasRows, heads) out; `keysAreLanes`: its rows count i − j, the lanes j − i. */
export function spreadBias(bias: usize, biasRows: u32, heads: u32, head: u32, keysAreLanes: bool): void {
  const last = <i32>biasRows - 1
  for (let i = -ENDS; i <= last + ENDS; i++) {
    const row = min(max(keysAreLanes ? last - i : i, 0), last)
    store<f32>(at(spreadAt(0), i + ENDS), load<f32>(at(rowAt(bias, row, heads), head)))
  }
}

/** Where the values of lane 0 of score row 0 are, among the spread ones; beyond the ends all lanes have the same. */
@inline
function spreadIndex(base: i32, biasRows: u32): u32 {
  const reach = <i32>biasRows >> 1
  return min(max(base, -reach - ENDS), reach) + reach + ENDS
}

/** Adds the spread bias to `count` rows of scores. */
export function addBias(rows: u32, count: u32, base: i32, biasRows: u32): void {
  for (let r: u32 = 0; r < count; r++) {
    const from = at(spreadAt(0), spreadIndex(base - r, biasRows))
    const scores = rowAt(scoresAt(0), r, GROUP)
    for (let lane: u32 = 0; lane < rows; lane += 4) {
      v128.store(at(scores, lane), f32x4.add(v128.load(at(scores, lane)), v128.load(at(from, lane))))
    }
  }
}

/** Scores of pairs that lie more than `most` or less than −`least` apart become −∞. */
export function limitScores(rows: u32, count: u32, base: i32, most: i32, least: i32): void {
  if (base + <i32>rows - 1 <= most && base - <i32>count + 1 >= -least) return
  const lowest = f32x4.splat(-Infinity)
  for (let r: u32 = 0; r < count; r++) {
    for (let lane: u32 = 0; lane < rows; lane += 4) {
      const apart = i32x4.add(i32x4.splat(base - r + lane), i32x4(0, 1, 2, 3))
      const seen = v128.and(i32x4.le_s(apart, i32x4.splat(most)), i32x4.ge_s(apart, i32x4.splat(-least)))
      const to = at(rowAt(scoresAt(0), r, GROUP), lane)
      v128.store(to, v128.bitselect(v128.load(to), lowest, seen))
    }
  }
}

export function clearBiasGradient(biasRows: u32): void {
  memory.fill(spreadAt(1), 0, bytes(biasRows + 2 * ENDS))
}

/** Adds `count` rows of score gradients to the sums of their differences; lanes from `rows` on hold zeros up to the next whole four. */
export function addBiasGradient(rows: u32, count: u32, base: i32, biasRows: u32): void {
  for (let r: u32 = 0; r < count; r++) {
    const to = at(spreadAt(1), spreadIndex(base - r, biasRows))
    const gradients = rowAt(scoresAt(0), r, GROUP)
    for (let lane: u32 = 0; lane < rows; lane += 4) {
      v128.store(at(to, lane), f32x4.add(v128.load(at(to, lane)), v128.load(at(gradients, lane))))
    }
  }
}

/** dbias (biasRows, heads), column `head`, from the sums: those of the ends' copies together. */
export function storeBiasGradient(dbias: usize, biasRows: u32, heads: u32, head: u32): void {
  const last = <i32>biasRows - 1
  for (let row = 0; row <= last; row++) {
    let sum: f64 = 0
    const first = row ? row : -ENDS
    const end = row == last ? last + ENDS : row
    for (let i = first; i <= end; i++) sum += <f64>load<f32>(at(spreadAt(1), i + ENDS))
    store<f32>(at(rowAt(dbias, row, heads), head), <f32>sum)
  }
}
