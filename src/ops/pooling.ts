// From token vectors to text vectors: pooling over packed sequences, and L2 normalisation.
import { POOLINGS } from '../backend/layer-kernels.js'
import { columnsOf, type Dim, expectShape, sizeOf, type Tensor, type Values } from '../tensor/tensor.js'
import { call, gradientTarget, onBackward, shareGradient, type Trace, temporary } from '../tensor/trace.js'

export type Pooling = (typeof POOLINGS)[number]

/**
 * x (T, C), offsets (B + 1) → (B, C). `starts` (B) i32: the first position of each sequence that counts, 0 where all of it does (a prompt may be
 * left out). `cls` takes that position; the weights of weightedmean count from the sequence's own first (1, 2, …): as sentence-transformers 6 does.
 * A sequence of which nothing counts gives zeros.
 */
export function pool(
  trace: Trace,
  x: Tensor,
  offsets: Tensor,
  sequences: Dim,
  pooling: Pooling,
  name: string,
  starts?: Tensor,
): Tensor {
  const columns = columnsOf(x)
  if (starts) expectShape(starts, [sequences], `pooling ${name}`)
  const out = temporary(name, [sequences, columns], [x])
  const params = { sequences, columns, mode: POOLINGS.indexOf(pooling), hasStarts: starts ? 1 : 0 }
  call(trace, 'pool_forward', { x, offsets, starts, out }, params)
  onBackward(trace, out, dout => {
    const { target, accumulate } = gradientTarget(trace, x)
    const given = { x: pooling === 'max' ? x : undefined, dout, offsets, starts }
    call(trace, 'pool_backward', { ...given, dx: target }, { ...params, accumulate })
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

/** Cuts x (N, C) into parts of consecutive rows that cover it, each (count, C). Every part must take part in the loss. */
export function splitRows(trace: Trace, x: Tensor, counts: readonly Dim[], names: readonly string[]): Tensor[] {
  const columns = columnsOf(x)
  return counts.map((count, i) => {
    const before = counts.slice(0, i)
    const from = (values: Values) => before.reduce<number>((sum, dim) => sum + sizeOf(dim, values), 0)
    const part = temporary(names[i]!, [count, columns], [x])
    call(trace, 'copy_rows', { x, y: part }, { rows: count, columns, from, to: 0, accumulate: 0 })
    onBackward(trace, part, dpart => {
      // The parts' rows are disjoint: each is written once, whichever comes first.
      const { target } = gradientTarget(trace, x)
      call(trace, 'copy_rows', { x: dpart, y: target }, { rows: count, columns, from: 0, to: from, accumulate: 0 })
    })
    return part
  })
}
