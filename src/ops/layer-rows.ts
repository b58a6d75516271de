// A linear layer taken as several by its rows: a weight that holds the rows of more than one (query, key and value; gate and up) needs no product whose
// columns are copied apart.
import { halfFormat, quantizedBits, type Tensor } from '../tensor/tensor.js'
import type { Trace } from '../tensor/trace.js'
import type { LinearLayer } from './linear.js'

/** Views begin at multiples of it, in bytes. */
const ALIGNMENT = 256

/** Layers of `widths` outputs each, in order; undefined where a part's rows cannot be viewed by themselves. */
export function layersOfRows(
  trace: Trace,
  { weights: { weight, bias }, update }: LinearLayer,
  widths: readonly number[],
  names: readonly string[],
): LinearLayer[] | undefined {
  const whole = [weight, ...(bias ? [bias] : []), ...(update ? [update.B] : [])]
  const starts = widths.map((_, i) => widths.slice(0, i).reduce((sum, width) => sum + width, 0))
  if (whole.some(tensor => trace.rowGroups.has(tensor) || !starts.every((start, i) => rows(tensor, start, widths[i]!))))
    return undefined
  if (update && trace.rowGroups.has(update.A)) return undefined
  return widths.map((width, i) => {
    const part = (tensor: Tensor) => rows(tensor, starts[i]!, width)!
    return {
      name: names[i]!,
      weights: { weight: part(weight), ...(bias && { bias: part(bias) }) },
      update: update && { ...update, B: part(update.B) },
    }
  })
}

/** Rows first … of a tensor in memory of its own, and of its gradient. */
function rows(tensor: Tensor, first: number, count: number): Tensor | undefined {
  const { view, gradient, shape, name } = tensor
  if (!view || tensor.scales || quantizedBits(tensor)) return undefined
  const columns = shape.slice(1).reduce<number>((product, n) => product * (n as number), 1)
  const bytes = columns * (halfFormat(tensor) === undefined ? 4 : 2)
  const part = gradient && rows(gradient, first, count)
  if ((first * bytes) % ALIGNMENT !== 0 || (count * bytes) % 4 !== 0 || (gradient && !part)) return undefined
  return {
    ...tensor,
    name: `${name}[${first}]`,
    shape: [count, ...shape.slice(1)],
    view: { memory: view.memory, offset: view.offset + first * bytes, bytes: count * bytes },
    ...(part && { gradient: part }),
  }
}
