// Columns taken apart, and a factor on all of a tensor.
import type { Tensor } from '../tensor/tensor.js'
import type { Trace } from '../tensor/trace.js'

/** x (T, ΣC) → one (T, Cᵢ) for each of the widths, in order; they add up to the columns of x. */
export function splitColumns(
  _trace: Trace,
  x: Tensor,
  _widths: readonly number[],
  _names: readonly string[],
): Tensor[] {
  throw new Error(`split columns of ${x.name} is not there yet`)
}

/** factor · x, x of any shape. */
export function scale(_trace: Trace, _x: Tensor, _factor: number, name: string): Tensor {
  throw new Error(`scale ${name} is not there yet`)
}
