// Softmax attention over packed sequences, heads side by side in a row; the length × length matrix is recomputed in the backward pass from the
// log-sum-exp (Dao et al. 2022).
import { expectShape, type Tensor } from '../tensor/tensor.js'
import { call, onBackward, shareGradient, type Trace, temporary } from '../tensor/trace.js'
import { type Dropout, maskParams } from './dropout.js'

/** Rows of a tile of the work list. */
export const TILE_ROWS = 32

/** The host's work list: see attentionTiles. */
export interface AttentionLayout {
  readonly tiles: Tensor // (W, TILE_STRIDE) i32
}

/** Heads, and which keys a query sees. */
export interface AttentionShape {
  readonly heads: number
  /** Divides `heads`: query head h reads key and value head ⌊h · keyValueHeads / heads⌋ (Ainslie et al. 2023). */
  readonly keyValueHeads: number
  readonly headSize: number
  /** Of the scores; default: 1/√headSize. */
  readonly scale?: number
  /** Query i sees key j where i − j ≤ before and j − i ≤ after; default: no limit. Causal is after = 0. */
  readonly before?: number
  readonly after?: number
  /** (2R + 1, heads), odd: row clamp(i − j, −R, R) + R is added to the scaled score of query i and key j. */
  readonly bias?: Tensor
}

/**
 * softmax(scale · q kᵀ + bias) v for each head and sequence, over the keys that a query sees (zeros where it sees none); q and the result are
 * (T, heads · headSize), k and v (T, keyValueHeads · headSize).
 */
export function attention(
  trace: Trace,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { tiles }: AttentionLayout,
  { heads, keyValueHeads, headSize, scale = 1 / Math.sqrt(headSize), before, after, bias }: AttentionShape,
  dropout: Dropout | undefined,
  name: string,
): Tensor {
  if (keyValueHeads !== heads || before !== undefined || after !== undefined || bias)
    throw new Error(`attention ${name}: grouped queries, limits and biases are not there yet`)
  const rows = q.shape[0]!
  const width = heads * headSize
  expectShape(q, [rows, width], `attention ${name}`)
  expectShape(k, [rows, width], `attention ${name}`)
  expectShape(v, [rows, width], `attention ${name}`)
  const out = temporary(name, q.shape, [q, k, v])
  const lse = temporary(`${name}.lse`, [rows, heads])
  const params = {
    tiles: tiles.shape[0]!,
    tileRows: TILE_ROWS,
    heads,
    headSize,
    softmaxScale: scale,
    ...maskParams(dropout),
  }
  call(trace, 'attention_forward', { q, k, v, tiles, out, lse }, params)
  onBackward(trace, out, dout => {
    const stats = temporary(`${name}.stats`, [rows, heads, 2])
    call(trace, 'attention_delta', { out, dout, lse, stats }, { rows, heads, headSize })
    const [dq, dk, dv] = [
      temporary(`d${q.name}`, q.shape),
      temporary(`d${k.name}`, k.shape),
      temporary(`d${v.name}`, v.shape),
    ]
    if (q.needsGradient) {
      call(trace, 'attention_backward_q', { q, k, v, dout, stats, tiles, dq }, params)
      shareGradient(trace, q, dq)
    }
    if (!k.needsGradient && !v.needsGradient) return
    call(trace, 'attention_backward_kv', { q, k, v, dout, stats, tiles, dk, dv }, params)
    shareGradient(trace, k, dk)
    shareGradient(trace, v, dv)
  })
  return out
}
