// Columns taken apart and put together, and a factor on all of a tensor.
import { columnsOf, type Tensor } from '../tensor/tensor.js'
import { call, gradientTarget, onBackward, type Trace, temporary } from '../tensor/trace.js'

const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0)

/** x (T, ΣC) → one (T, Cᵢ) for each of the widths, in order; they add up to the columns of x. Every part must take part in the loss. */
export function splitColumns(trace: Trace, x: Tensor, widths: readonly number[], names: readonly string[]): Tensor[] {
  const [rows, all] = [x.shape[0]!, columnsOf(x)]
  if (sum(widths) !== all) throw new Error(`split columns: ${x.name} has ${all}, expected ${widths.join(' + ')}`)
  return widths.map((columns, i) => {
    const from = sum(widths.slice(0, i))
    const part = temporary(names[i]!, [rows, columns], [x])
    const copy = { rows, columns, xColumns: all, yColumns: columns, from, to: 0, accumulate: 0 }
    call(trace, 'place_columns', { x, y: part }, copy)
    onBackward(trace, part, dpart => {
      // The parts' columns are disjoint: each is written once, whichever comes first.
      const { target } = gradientTarget(trace, x)
      const back = { rows, columns, xColumns: columns, yColumns: all, from: 0, to: from, accumulate: 0 }
      call(trace, 'place_columns', { x: dpart, y: target }, back)
    })
    return part
  })
}

/** Several (T, Cᵢ) → (T, ΣC), in order */
export function joinColumns(trace: Trace, parts: readonly Tensor[], name: string): Tensor {
  const rows = parts[0]!.shape[0]!
  const widths = parts.map(columnsOf)
  const all = sum(widths)
  const joined = temporary(name, [rows, all], parts)
  const placeOf = (i: number) => sum(widths.slice(0, i))
  parts.forEach((part, i) => {
    const columns = widths[i]!
    const copy = { rows, columns, xColumns: columns, yColumns: all, from: 0, to: placeOf(i), accumulate: 0 }
    call(trace, 'place_columns', { x: part, y: joined }, copy)
  })
  onBackward(trace, joined, djoined => {
    parts.forEach((part, i) => {
      if (!part.needsGradient) return
      const { target, accumulate } = gradientTarget(trace, part)
      const columns = widths[i]!
      const back = { rows, columns, xColumns: all, yColumns: columns, from: placeOf(i), to: 0, accumulate }
      call(trace, 'place_columns', { x: djoined, y: target }, back)
    })
  })
  return joined
}

/** x (T, C) → its first columns (T, columns) */
export function firstColumns(trace: Trace, x: Tensor, columns: number, name: string): Tensor {
  const [rows, all] = [x.shape[0]!, columnsOf(x)]
  if (columns > all) throw new Error(`first columns: ${x.name} has ${all}, expected at least ${columns}`)
  const first = temporary(name, [rows, columns], [x])
  call(trace, 'copy_columns', { x, y: first }, { rows, source: all, columns, accumulate: 0 })
  onBackward(trace, first, dfirst => {
    const { target, accumulate } = gradientTarget(trace, x)
    call(trace, 'copy_columns', { x: dfirst, y: target }, { rows, source: columns, columns: all, accumulate })
  })
  return first
}

/** factor · x, x of any shape. */
export function scale(_trace: Trace, _x: Tensor, _factor: number, name: string): Tensor {
  throw new Error(`scale ${name} is not there yet`)
}
