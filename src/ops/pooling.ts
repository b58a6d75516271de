// From token vectors to text vectors: pooling over packed sequences, and L2 normalisation.
import { columnsOf, type Dim, type Tensor } from '../tensor/tensor.js'
import { call, gradientTarget, onBackward, shareGradient, type Trace, temporary } from '../tensor/trace.js'

export type Pooling = 'mean' | 'cls'

/** x (T, C), offsets (B + 1) → (B, C) */
export function pool(trace: Trace, x: Tensor, offsets: Tensor, sequences: Dim, pooling: Pooling, name: string): Tensor {
  const columns = columnsOf(x)
  const out = temporary(name, [sequences, columns], [x])
  const params = { sequences, columns, mode: pooling === 'mean' ? 0 : 1 }
  call(trace, 'pool_forward', { x, offsets, out }, params)
  onBackward(trace, out, dout => {
    const { target, accumulate } = gradientTarget(trace, x)
    call(trace, 'pool_backward', { dout, offsets, dx: target }, { ...params, accumulate })
  })
  return out
}

/** x / max(‖x‖, 1e-12) by rows */
export function l2Normalize(trace: Trace, x: Tensor, name: string): Tensor {
  const y = temporary(name, x.shape, [x])
  const norms = temporary(`${name}.norms`, [x.shape[0]!])
  const params = { rows: x.shape[0]!, columns: columnsOf(x), epsilon: 1e-12 }
  call(trace, 'l2_normalize_forward', { x, y, norms }, params)
  onBackward(trace, y, dy => {
    const dx = temporary(`d${x.name}`, x.shape)
    call(trace, 'l2_normalize_backward', { y, norms, dy, dx }, params)
    shareGradient(trace, x, dx)
  })
  return y
}

/** Rows from … from + count of x (N, C) → (count, C) */
export function rowsOf(trace: Trace, x: Tensor, from: Dim, count: Dim, name: string): Tensor {
  const columns = columnsOf(x)
  const y = temporary(name, [count, columns], [x])
  call(trace, 'copy_rows', { x, y }, { rows: count, columns, from, to: 0, accumulate: 0 })
  onBackward(trace, y, dy => {
    const { target } = gradientTarget(trace, x)
    call(trace, 'copy_rows', { x: dy, y: target }, { rows: count, columns, from: 0, to: from, accumulate: 0 })
  })
  return y
}
