// The references against themselves: each backward form against central differences of its forward form, the others against a second way
// of saying the same. A wrong reference would make wrong kernels right.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { close, differences, dot, normal, zeros } from './differences.js'
import { reference } from './reference.js'

test('matmul: the four transposes are one product, with accumulation, alpha and bias', () => {
  const [M, N, K] = [3, 4, 5]
  const [a, b, bias, before] = [normal(M * K), normal(K * N), normal(N), normal(M * N)]
  const transpose = (x: Float64Array, rows: number, columns: number) =>
    x.map((_, i) => x[(i % rows) * columns + Math.floor(i / rows)]!)
  const expected = before.map((value, i) => {
    const [m, n] = [Math.floor(i / N), i % N]
    const row = a.subarray(m * K, (m + 1) * K)
    return (
      value +
      0.5 *
        dot(
          row,
          row.map((_, k) => b[k * N + n]!),
        ) +
      bias[n]!
    )
  })
  for (const transposeA of [0, 1]) {
    for (const transposeB of [0, 1]) {
      const c = before.slice()
      const tensors = {
        a: transposeA ? transpose(a, M, K) : a,
        b: transposeB ? transpose(b, K, N) : b,
        bias,
        c,
      }
      reference.matmul(tensors, { M, N, K, transposeA, transposeB, accumulate: 1, hasBias: 1, alpha: 0.5 })
      close(`${transposeA}${transposeB}`, c, expected, 1e-14)
      c.fill(Number.NaN)
      reference.matmul(tensors, { M, N, K, transposeA, transposeB, accumulate: 0, hasBias: 0, alpha: 1 })
      const plain = expected.map((value, i) => (value - before[i]! - bias[i % N]!) * 2)
      close(`${transposeA}${transposeB} plain`, c, plain, 1e-13)
    }
  }
})

test('column_sum is the gradient of a bias', () => {
  const [rows, columns] = [4, 3]
  const [dc, bias, out] = [normal(rows * columns), normal(columns), zeros(columns)]
  const scalar = () => {
    const [a, b, c] = [zeros(rows), zeros(columns), zeros(rows * columns)]
    const product = { M: rows, N: columns, K: 1, transposeA: 0, transposeB: 0, accumulate: 0, hasBias: 1, alpha: 1 }
    reference.matmul({ a, b, bias, c }, product)
    return dot(c, dc)
  }
  reference.column_sum({ x: dc, out }, { rows, columns })
  close('dbias', out, differences(bias, scalar))
})

test('scatter_rows is the gradient of gather_rows', () => {
  const index = Int32Array.of(4, 1, 4, 0, 1, 4)
  const [rows, columns, tableRows] = [index.length, 3, 5]
  const [table, dout, dtable] = [normal(tableRows * columns), normal(rows * columns), zeros(tableRows * columns)]
  const scalar = () => {
    const out = zeros(rows * columns)
    reference.gather_rows({ table, index, out }, { rows, columns, accumulate: 0 })
    return dot(out, dout)
  }
  // Rows 3, then 1 and 4 (target 1), then 0, 2, 5 (target 4).
  const lists = {
    order: Int32Array.of(3, 1, 4, 0, 2, 5),
    starts: Int32Array.of(0, 1, 3, 6),
    targets: Int32Array.of(0, 1, 4),
  }
  reference.scatter_rows({ dout, ...lists, dtable }, { count: 3, columns })
  close('dtable', dtable, differences(table, scalar))
})

test('copy_rows and gather_rows accumulate where they are told to', () => {
  const x = Float64Array.of(1, 2, 3, 4, 5, 6)
  const y = Float64Array.of(10, 20, 30, 40)
  reference.copy_rows({ x, y }, { rows: 1, columns: 2, from: 2, to: 1, accumulate: 1 })
  assert.equal(Array.from(y), [10, 20, 35, 46])
  reference.copy_rows({ x, y }, { rows: 1, columns: 2, from: 0, to: 0, accumulate: 0 })
  assert.equal(Array.from(y), [1, 2, 35, 46])
  reference.gather_rows({ table: x, index: Int32Array.of(2, 0), out: y }, { rows: 2, columns: 2, accumulate: 1 })
  assert.equal(Array.from(y), [6, 8, 36, 48])
})

test('place_columns takes some columns and leaves the others', () => {
  const x = Float64Array.of(1, 2, 3, 4, 5, 6)
  const y = Float64Array.of(10, 20, 30, 40)
  const p = { rows: 2, columns: 1, xColumns: 3, yColumns: 2, from: 2, to: 1, accumulate: 1 }
  reference.place_columns({ x, y }, p)
  assert.equal(Array.from(y), [10, 23, 30, 46])
  reference.place_columns({ x, y }, { ...p, from: 0, to: 0, accumulate: 0 })
  assert.equal(Array.from(y), [1, 23, 4, 46])
})

test('fill writes count values', () => {
  const x = Float64Array.of(1, 2, 3)
  reference.fill({ x }, { count: 2, value: 5 })
  assert.equal(Array.from(x), [5, 5, 3])
})

test('rope turns pairs by the angle of their position, keeps lengths, and back is its gradient', () => {
  const [rows, headSize, heads] = [3, 4, 2]
  const columns = heads * headSize
  const angles = [0, 1, 2, 3, 4].map(position => [position * 1, position * 0.1])
  const table = Float64Array.from(angles.flatMap(pair => [...pair.map(Math.cos), ...pair.map(Math.sin)]))
  const positions = Int32Array.of(0, 3, 4)
  const [x, dy] = [normal(rows * columns), normal(rows * columns)]
  const forward = () => {
    const y = zeros(x.length)
    reference.rope({ x, positions, table, y }, { rows, columns, headSize, direction: 1 })
    return y
  }
  const y = forward()
  close('position 0', y.subarray(0, columns), x.subarray(0, columns), 1e-15)
  // Row 1, head 1, pair 1: channels 5 and 7, by 0.3
  const at = columns + headSize + 1
  assert.ok(Math.abs(y[at]! - (x[at]! * Math.cos(0.3) - x[at + 2]! * Math.sin(0.3))) < 1e-15)
  assert.ok(Math.abs(y[at + 2]! - (x[at + 2]! * Math.cos(0.3) + x[at]! * Math.sin(0.3))) < 1e-15)
  const dx = zeros(x.length)
  reference.rope({ x: dy, positions, table, y: dx }, { rows, columns, headSize, direction: -1 })
  close(
    'dx',
    dx,
    differences(x, () => dot(forward(), dy)),
  )
})

test('scale multiplies', () => {
  const x = Float64Array.of(1, 2, 3)
  const z = zeros(3)
  reference.scale({ x, y: z }, { count: 3, factor: -2 })
  assert.equal(Array.from(z), [-2, -4, -6])
})

test.run()
