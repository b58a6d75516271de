// The first columns of a matrix: the prefix of a vector that Matryoshka learning (Kusupati et al. 2022) makes a vector of its own, and, with
// several rows taken for one, the first of each few rows.
import { columnsOf, type Dim, expectShape, type Tensor } from '../tensor/tensor.js'
import { call, gradientTarget, onBackward, type Param, type Trace, temporary } from '../tensor/trace.js'

/** x (N, C) → its first columns (N, columns) */
export function firstColumns(trace: Trace, x: Tensor, columns: number, name: string): Tensor {
  if (columns > columnsOf(x))
    throw new Error(`${name}: ${columns} columns of ${x.name}, which has ${columnsOf(x)}; expected no more than that`)
  return copyFirst(trace, x, { rows: x.shape[0]!, source: columnsOf(x), columns, name })
}

/** x (rows · n, C), n being the number of x's rows to each of `rows` → every n-th row from the first on, (rows, C) */
export function everyFirstRow(trace: Trace, x: Tensor, rows: Dim, source: Param, name: string): Tensor {
  expectShape(x, [undefined, undefined], name)
  return copyFirst(trace, x, { rows, source, columns: columnsOf(x), name })
}

interface Copy {
  readonly rows: Dim
  readonly source: Param
  readonly columns: number
  readonly name: string
}

function copyFirst(trace: Trace, x: Tensor, { rows, source, columns, name }: Copy): Tensor {
  const y = temporary(name, [rows, columns], [x])
  call(trace, 'copy_columns', { x, y }, { rows, source, columns, accumulate: 0 })
  onBackward(trace, y, dy => {
    const { target, accumulate } = gradientTarget(trace, x)
    call(trace, 'copy_columns', { x: dy, y: target }, { rows, source: columns, columns: source, accumulate })
  })
  return y
}
