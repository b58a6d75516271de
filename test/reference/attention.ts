// Attention over packed sequences, one query row and one head at a time. A tile lists rows [first, first + tileRows) of its sequence.
import { TILE_STRIDE } from '../../src/backend/kernels.js'
import { type Dropout, dropoutFactor } from './layers.js'
import type { Reference } from './types.js'

interface Attention extends Dropout {
  readonly tiles: number
  readonly tileRows: number
  readonly heads: number
  readonly headSize: number
  readonly softmaxScale: number
}

/** One row of a tile: rows are rows of the packed batch, `key` is the sequence's dropout key. */
interface TileRow {
  readonly row: number
  readonly start: number
  readonly end: number
  readonly keyEnd: number
  readonly key: number
}

function* tileRows(tiles: Int32Array, p: Attention): Generator<TileRow> {
  for (let t = 0; t < p.tiles; t++) {
    const word = (i: number) => tiles[t * TILE_STRIDE + i]!
    const [first, start, end] = [word(0), word(1), word(2)]
    for (let row = first; row < Math.min(first + p.tileRows, end); row++)
      yield { row, start, end, keyEnd: word(3), key: word(4) >>> 0 }
  }
}

/** Where the vector of one row and head begins. */
const at = (p: Attention, row: number, head: number) => (row * p.heads + head) * p.headSize

function dot(p: Attention, a: Float64Array, b: Float64Array, rowA: number, rowB: number, head: number): number {
  let sum = 0
  for (let d = 0; d < p.headSize; d++) sum += a[at(p, rowA, head) + d]! * b[at(p, rowB, head) + d]!
  return sum
}

/** y += weight · x, for the vectors of one row and head each */
function addTo(
  p: Attention,
  y: Float64Array,
  rowY: number,
  weight: number,
  x: Float64Array,
  rowX: number,
  head: number,
): void {
  for (let d = 0; d < p.headSize; d++) y[at(p, rowY, head) + d]! += weight * x[at(p, rowX, head) + d]!
}

/** mask · scale of (i, head, j), rows of the batch of which the mask wants positions in the sequence */
function factor(p: Attention, tile: TileRow, i: number, head: number, j: number): number {
  const [query, key] = [i - tile.start, j - tile.start]
  return dropoutFactor(p, (tile.key + query) >>> 0, (head << 15) + (key >> 1), key & 1)
}

export const attention_forward: Reference<'attention_forward'> = ({ q, k, v, tiles, out, lse }, p) => {
  for (const tile of tileRows(tiles, p)) {
    for (let head = 0; head < p.heads; head++) {
      const scores: number[] = []
      for (let j = tile.start; j < tile.keyEnd; j++) scores.push(p.softmaxScale * dot(p, q, k, tile.row, j, head))
      const maximum = scores.reduce((a, b) => Math.max(a, b), -Infinity)
      const logSum = maximum + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - maximum), 0))
      lse[tile.row * p.heads + head] = logSum
      out.fill(0, at(p, tile.row, head), at(p, tile.row, head) + p.headSize)
      for (let j = tile.start; j < tile.keyEnd; j++) {
        const probability = Math.exp(scores[j - tile.start]! - logSum)
        addTo(p, out, tile.row, probability * factor(p, tile, tile.row, head, j), v, j, head)
      }
    }
  }
}

export const attention_delta: Reference<'attention_delta'> = ({ out, dout, lse, stats }, { rows, heads, headSize }) => {
  for (let i = 0; i < rows * heads; i++) {
    let delta = 0
    for (let d = 0; d < headSize; d++) delta += dout[i * headSize + d]! * out[i * headSize + d]!
    stats.set([lse[i]!, delta], i * 2)
  }
}

type BackwardInputs = Record<'q' | 'k' | 'v' | 'dout' | 'stats', Float64Array>

/** p_ij, mask_ij · scale and ds_ij of one query row i, key row j and head */
function scoreGradient(
  { q, k, v, dout, stats }: BackwardInputs,
  p: Attention,
  tile: TileRow,
  i: number,
  j: number,
  head: number,
) {
  const [logSum, delta] = [stats[(i * p.heads + head) * 2]!, stats[(i * p.heads + head) * 2 + 1]!]
  const probability = Math.exp(p.softmaxScale * dot(p, q, k, i, j, head) - logSum)
  const mask = factor(p, tile, i, head, j)
  return { probability, mask, ds: probability * (mask * dot(p, dout, v, i, j, head) - delta) }
}

export const attention_backward_q: Reference<'attention_backward_q'> = ({ tiles, dq, ...inputs }, p) => {
  for (const tile of tileRows(tiles, p)) {
    for (let head = 0; head < p.heads; head++) {
      dq.fill(0, at(p, tile.row, head), at(p, tile.row, head) + p.headSize)
      for (let j = tile.start; j < tile.keyEnd; j++) {
        const { ds } = scoreGradient(inputs, p, tile, tile.row, j, head)
        addTo(p, dq, tile.row, p.softmaxScale * ds, inputs.k, j, head)
      }
    }
  }
}

export const attention_backward_kv: Reference<'attention_backward_kv'> = ({ tiles, dk, dv, ...inputs }, p) => {
  for (const tile of tileRows(tiles, p)) {
    for (let head = 0; head < p.heads; head++) {
      const j = tile.row
      for (const gradient of [dk, dv]) gradient.fill(0, at(p, j, head), at(p, j, head) + p.headSize)
      if (j >= tile.keyEnd) continue
      for (let i = tile.start; i < tile.end; i++) {
        const { probability, mask, ds } = scoreGradient(inputs, p, tile, i, j, head)
        addTo(p, dv, j, mask * probability, inputs.dout, i, head)
        addTo(p, dk, j, p.softmaxScale * ds, inputs.q, i, head)
      }
    }
  }
}
