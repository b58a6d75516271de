// Columns taken apart and put together, and a factor on all of a tensor.
import { columnsOf, type Tensor } from '../tensor/tensor.js'
import { call, gradientOf, gradientTarget, onBackward, shareGradient, type Trace, temporary } from '../tensor/trace.js'
import { elementCount } from './activation.js'

const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0)

/** x (T, ΣC) → one (T, Cᵢ) for each of the widths, in order; they add up to the columns of x. */
export function splitColumns(trace: Trace, x: Tensor, widths: readonly number[], names: readonly string[]): Tensor[] {
  const [rows, total] = [x.shape[0]!, columnsOf(x)]
  const starts = widths.map((_, i) => sum(widths.slice(0, i)))
  if (sum(widths) !== total) throw new Error(`split columns: ${x.name} has ${total}, expected ${widths.join(' + ')}`)
  const block = (i: number) => ({ rows, columns: widths[i]! })
  const parts = widths.map((width, i) => {
    const part = temporary(names[i]!, [rows, width], [x])
    const places = { xColumns: total, from: starts[i]!, yColumns: width, to: 0, accumulate: 0 }
    call(trace, 'place_columns', { x, y: part }, { ...block(i), ...places })
    return part
  })
  if (!trace.training || !x.needsGradient) return parts
  trace.tape.push(() => {
    const gradients = parts.map(part => gradientOf(trace, part))
    if (gradients.every(gradient => gradient === undefined)) return
    const { target, accumulate } = gradientTarget(trace, x)
    if (!accumulate && gradients.some(gradient => gradient === undefined))
      call(trace, 'fill', { x: target }, { count: elementCount(x), value: 0 })
    gradients.forEach((gradient, i) => {
      if (!gradient) return
      const places = { xColumns: widths[i]!, from: 0, yColumns: total, to: starts[i]!, accumulate }
      call(trace, 'place_columns', { x: gradient, y: target }, { ...block(i), ...places })
    })
  })
  return parts
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
export function scale(trace: Trace, x: Tensor, factor: number, name: string): Tensor {
  const y = temporary(name, x.shape, [x])
  const params = { count: elementCount(x), factor }
  call(trace, 'scale', { x, y }, params)
  onBackward(trace, y, dy => {
    const dx = temporary(`d${x.name}`, x.shape)
    call(trace, 'scale', { x: dy, y: dx }, params)
    shareGradient(trace, x, dx)
  })
  return y
}
