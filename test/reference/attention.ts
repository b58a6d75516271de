// Attention over packed sequences, one query row and one head at a time. A tile lists rows [first, first + tileRows) of its sequence.
import { TILE_STRIDE } from '../../src/backend/kernels.js'
import { type Dropout, dropoutFactor } from './layers.js'
import type { Reference } from './types.js'

interface Attention extends Dropout {
  readonly rows: number
  readonly tiles: number
  readonly tileRows: number
  readonly heads: number
  readonly keyValueHeads: number
  readonly headSize: number
  readonly softmaxScale: number
  readonly before: number
  readonly after: number
  readonly biasRows: number
}

/** One row of a tile: rows are rows of the packed batch, `key` is the sequence's dropout key. */
interface TileRow {
  /** Of the tile. */
  readonly index: number
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
      yield { index: t, row, start, end, keyEnd: word(3), key: word(4) >>> 0 }
  }
}

/** Where the vector of one row and query head begins, and that of the key and value head that it reads. */
const queryAt = (p: Attention, row: number, head: number) => (row * p.heads + head) * p.headSize
const keyAt = (p: Attention, row: number, head: number) =>
  (row * p.keyValueHeads + Math.floor((head * p.keyValueHeads) / p.heads)) * p.headSize

/** The product of a query's vector (of q, dout) with a key's (of k, v) */
function dot(p: Attention, a: Float64Array, b: Float64Array, query: number, key: number, head: number): number {
  let sum = 0
  for (let d = 0; d < p.headSize; d++) sum += a[queryAt(p, query, head) + d]! * b[keyAt(p, key, head) + d]!
  return sum
}

/** out += factor · x, from place to place */
function addTo(p: Attention, out: Float64Array, to: number, factor: number, x: Float64Array, from: number): void {
  for (let d = 0; d < p.headSize; d++) out[to + d]! += factor * x[from + d]!
}

/** mask · scale of query row i, head and key row j, both rows of the tile's sequence */
function factor(p: Attention, tile: TileRow, i: number, head: number, j: number): number {
  const [query, key] = [i - tile.start, j - tile.start]
  return dropoutFactor(p, (tile.key + query) >>> 0, (head << 15) + (key >> 1), key & 1)
}

const sees = (p: Attention, tile: TileRow, i: number, j: number) =>
  j < tile.keyEnd && i - j <= p.before && j - i <= p.after

/** The row of a relative bias that query i and key j have. */
const biasRow = (p: Attention, i: number, j: number) => {
  const reach = (p.biasRows - 1) / 2
  return Math.min(Math.max(i - j, -reach), reach) + reach
}

/** The scaled score, with the bias that lies from element `first` of `biases` on. */
const score = (
  p: Attention,
  q: Float64Array,
  k: Float64Array,
  biases: Float64Array | undefined,
  first: number,
  i: number,
  j: number,
  head: number,
) => p.softmaxScale * dot(p, q, k, i, j, head) + (p.biasRows ? biases![first + biasRow(p, i, j) * p.heads + head]! : 0)

export const attention_forward: Reference<'attention_forward'> = ({ q, k, v, tiles, bias, out, lse }, p) => {
  for (const tile of tileRows(tiles, p)) {
    const i = tile.row
    for (let head = 0; head < p.heads; head++) {
      const seen: number[] = []
      for (let j = tile.start; j < tile.end; j++) if (sees(p, tile, i, j)) seen.push(j)
      const scores = seen.map(j => score(p, q, k, bias, 0, i, j, head))
      const maximum = scores.reduce((a, b) => Math.max(a, b), -Infinity)
      const logSum = maximum + Math.log(scores.reduce((sum, value) => sum + Math.exp(value - maximum), 0))
      lse[i * p.heads + head] = seen.length > 0 ? logSum : 0
      out.fill(0, queryAt(p, i, head), queryAt(p, i, head) + p.headSize)
      seen.forEach((j, n) => {
        const weight = Math.exp(scores[n]! - logSum) * factor(p, tile, i, head, j)
        addTo(p, out, queryAt(p, i, head), weight, v, keyAt(p, j, head))
      })
    }
  }
}

export const attention_delta: Reference<'attention_delta'> = ({ out, dout, stats }, { rows, heads, headSize }) => {
  for (let i = 0; i < rows * heads; i++) {
    let delta = 0
    for (let d = 0; d < headSize; d++) delta += dout[i * headSize + d]! * out[i * headSize + d]!
    stats[rows * heads + i] = delta
  }
}

type BackwardInputs = Readonly<Record<'q' | 'k' | 'v' | 'dout' | 'stats', Float64Array>>

/** p_ij, mask_ij · scale and ds_ij of one query row i, key row j and head; 0 where the query does not see the key */
function scoreGradient(
  { q, k, v, dout, stats }: BackwardInputs,
  p: Attention,
  tile: TileRow,
  i: number,
  j: number,
  head: number,
) {
  if (!sees(p, tile, i, j)) return { probability: 0, mask: 0, ds: 0 }
  const [logSum, delta] = [stats[i * p.heads + head]!, stats[(p.rows + i) * p.heads + head]!]
  const probability = Math.exp(score(p, q, k, stats, 2 * p.rows * p.heads, i, j, head) - logSum)
  const mask = factor(p, tile, i, head, j)
  return { probability, mask, ds: probability * (mask * dot(p, dout, v, i, j, head) - delta) }
}

export const attention_backward_q: Reference<'attention_backward_q'> = ({ out, ...tensors }, p) => {
  const { dout, stats, tiles } = tensors
  for (const { row } of tileRows(tiles, p))
    for (let head = 0; head < p.heads; head++) {
      const from = queryAt(p, row, head)
      let delta = 0
      for (let d = 0; d < p.headSize; d++) delta += dout[from + d]! * out[from + d]!
      stats[(p.rows + row) * p.heads + head] = delta
    }
  queryGradients(tensors, p)
}

export const attention_backward_q_bias: Reference<'attention_backward_q_bias'> = ({ dbias, ...tensors }, p) => {
  dbias.fill(0, 0, p.tiles * p.biasRows * p.heads)
  queryGradients(tensors, p, dbias)
}

function queryGradients(
  { tiles, dq, ...inputs }: BackwardInputs & { readonly tiles: Int32Array; readonly dq: Float64Array },
  p: Attention,
  dbias?: Float64Array,
): void {
  for (const tile of tileRows(tiles, p)) {
    const i = tile.row
    for (let head = 0; head < p.heads; head++) {
      dq.fill(0, queryAt(p, i, head), queryAt(p, i, head) + p.headSize)
      for (let j = tile.start; j < tile.end; j++) {
        const { ds } = scoreGradient(inputs, p, tile, i, j, head)
        addTo(p, dq, queryAt(p, i, head), p.softmaxScale * ds, inputs.k, keyAt(p, j, head))
        if (dbias) dbias[(tile.index * p.biasRows + biasRow(p, i, j)) * p.heads + head]! += ds
      }
    }
  }
}

export const attention_backward_kv: Reference<'attention_backward_kv'> = ({ tiles, dk, dv, ...inputs }, p) => {
  const width = p.keyValueHeads * p.headSize
  for (const tile of tileRows(tiles, p)) {
    const j = tile.row
    for (const gradient of [dk, dv]) gradient.fill(0, j * width, (j + 1) * width)
    for (let head = 0; head < p.heads; head++) {
      for (let i = tile.start; i < tile.end; i++) {
        const { probability, mask, ds } = scoreGradient(inputs, p, tile, i, j, head)
        addTo(p, dv, keyAt(p, j, head), mask * probability, inputs.dout, queryAt(p, i, head))
        addTo(p, dk, keyAt(p, j, head), p.softmaxScale * ds, inputs.q, queryAt(p, i, head))
      }
    }
  }
}
