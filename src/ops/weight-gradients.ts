// Gradients of linear layers' weights, and of groups of their rows.
import { columnsOf, sizeOf, type Tensor, type Values } from '../tensor/tensor.js'
import { call, gradientTarget, type RowGroup, type Trace, temporary } from '../tensor/trace.js'
import { multiply, plainProduct } from './product.js'

/** dW (out, in) += alpha · dyᵀ x */
export function weightGradient(trace: Trace, dy: Tensor, x: Tensor, weight: Tensor, alpha: number): void {
  const { target } = gradientTarget(trace, weight)
  const product = {
    ...plainProduct,
    M: columnsOf(dy),
    N: columnsOf(x),
    K: x.shape[0]!,
    transposeA: 1,
    accumulate: 1,
    alpha,
  }
  multiply(trace, { a: dy, b: x, bias: undefined, c: target }, product, { narrow: weight.narrow })
  groupGradients(trace, dy, x, weight, alpha)
}

export function groupGradients(trace: Trace, dy: Tensor, x: Tensor, weight: Tensor, alpha: number): void {
  for (const group of trace.rowGroups.get(weight) ?? []) groupGradient(trace, dy, x, group, alpha)
}

/** dW_g (out, in) += factor · alpha · Σ over the group's rows of dyᵀ x */
function groupGradient(trace: Trace, dy: Tensor, x: Tensor, { rows, factor, gradient }: RowGroup, alpha: number): void {
  const [count] = rows.shape
  const taken = [dy, x].map(table => {
    const columns = columnsOf(table)
    const out = temporary(`${table.name}.group`, [count!, columns])
    call(trace, 'gather_rows', { table, index: rows, out }, { rows: count!, columns, accumulate: 0 })
    return out
  })
  const scaled = (values: Values) => alpha * (typeof factor === 'function' ? factor(values) : sizeOf(factor, values))
  const product = { ...plainProduct, M: columnsOf(dy), N: columnsOf(x), K: count!, transposeA: 1, accumulate: 1 }
  call(trace, 'matmul', { a: taken[0]!, b: taken[1]!, bias: undefined, c: gradient }, { ...product, alpha: scaled })
}
