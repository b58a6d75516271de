// Every n-th row of a matrix: the positives, where each query's passages lie one after another.
import { columnsOf, type Dim, expectShape, type Tensor } from '../tensor/tensor.js'
import { call, gradientTarget, onBackward, type Trace, temporary } from '../tensor/trace.js'

/** x (rows · n, C) → its rows 0, n, 2n, … (rows, C) */
export function everyNthRow(trace: Trace, x: Tensor, rows: Dim, n: number, name: string): Tensor {
  const columns = columnsOf(x)
  expectShape(x, [undefined, columns], name)
  const y = temporary(name, [rows, columns], [x])
  // n rows in one are a row whose first columns are the first of them
  const source = n * columns
  call(trace, 'copy_columns', { x, y }, { rows, source, columns, accumulate: 0 })
  onBackward(trace, y, dy => {
    const { target, accumulate } = gradientTarget(trace, x)
    call(trace, 'copy_columns', { x: dy, y: target }, { rows, source: columns, columns: source, accumulate })
  })
  return y
}
