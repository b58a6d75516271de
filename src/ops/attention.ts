// Softmax attention over packed sequences, heads side by side in a row; the length × length matrix is recomputed in the backward pass from the
// log-sum-exp (Dao et al. 2022).
import { columnsOf, expectShape, type Tensor } from '../tensor/tensor.js'
import { call, onBackward, shareGradient, type Trace, temporary } from '../tensor/trace.js'
import { type Dropout, maskParams } from './dropout.js'

/** Rows of a tile of the work list. */
export const TILE_ROWS = 32

/** The host's work list: see attentionTiles. */
export interface AttentionLayout {
  readonly tiles: Tensor // (W, TILE_STRIDE) i32
}

/** softmax(q kᵀ / √headSize) v for each head and sequence; q, k, v and the result are (T, heads · headSize) */
export function attention(
  trace: Trace,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { tiles }: AttentionLayout,
  heads: number,
  dropout: Dropout | undefined,
  name: string,
): Tensor {
  const width = columnsOf(q)
  const rows = q.shape[0]!
  if (width % heads !== 0) throw new Error(`attention ${name}: width ${width} is not a multiple of ${heads} heads`)
  expectShape(k, [rows, width], `attention ${name}`)
  expectShape(v, [rows, width], `attention ${name}`)
  const headSize = width / heads
  const out = temporary(name, q.shape, [q, k, v])
  const lse = temporary(`${name}.lse`, [rows, heads])
  const params = {
    tiles: tiles.shape[0]!,
    tileRows: TILE_ROWS,
    heads,
    headSize,
    softmaxScale: 1 / Math.sqrt(headSize),
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
