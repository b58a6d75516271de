// Rows in 8 bits and their products: columns that are no multiples of a block, single rows, largest numbers, and what is no number.
import { INT8_COLUMNS, int8Words } from '../../../src/backend/kernels.js'
import { seededValues } from '../values.js'
import { caseOf, type KernelCase } from './case.js'
import { MANY_ROWS, shapes } from './rows.js'

const random = seededValues(108)

/** Normal numbers, none so near to the middle between two whole numbers that a last bit would decide: WebGPU divides less exactly. */
function clearRows(rows: number, columns: number, deviation: number): Float32Array {
  const x = random.normal(rows * columns, deviation)
  for (let row = 0; row < rows; row++) {
    const values = x.subarray(row * columns, (row + 1) * columns)
    const step = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127
    values.forEach((value, j) => {
      const whole = Math.round(value / step)
      const apart = value / step - whole
      if (Math.abs(apart) > 0.49) values[j] = step * (whole + Math.sign(apart) * 0.49)
    })
  }
  return x
}

function quantized(name: string, rows: number, columns: number, x: Float32Array): KernelCase {
  const words = Math.max(rows, 1) * int8Words(columns)
  return caseOf('quantize_rows', name, { rows, columns }, { x, values: words, scales: Math.max(rows, 1) })
}

export function quantizeRowsCases(): KernelCase[] {
  const { NaN: nan, POSITIVE_INFINITY: infinity } = Number
  const odd = [
    [0, 0, 0],
    [1e-31, -1e-32, 0],
    [-127, 2.5, 3.5],
    [127, -0.5, -1.5],
    [3e38, -3e38, 1e38],
    [2e-30, -1e-30, 0],
  ].flat()
  return [
    ...shapes.map(([rows, columns]) =>
      quantized(`${rows} rows of ${columns}`, rows, columns, clearRows(rows, columns, 3)),
    ),
    quantized('rows of 16', 7, 16, clearRows(7, 16, 1e-3)),
    quantized(`${MANY_ROWS} rows`, MANY_ROWS, 3, clearRows(MANY_ROWS, 3, 100)),
    quantized('zeros, ties, largest and smallest', 6, 3, Float32Array.from(odd)),
    quantized('infinity', 2, 3, Float32Array.of(1, -infinity, 2, 1, 2, 3)),
    quantized('no numbers', 2, 5, Float32Array.of(1, nan, 2, 0, 0, infinity, 1, 2, nan, -5)),
    quantized('no rows', 0, 3, random.normal(3)),
  ]
}

type Size = readonly [M: number, N: number, K: number]

const sizes: readonly Size[] = [
  [1, 1, 1],
  [1, 5, 3],
  [3, 1, 7],
  [5, 130, 13],
  [13, 7, 63],
  [33, 65, 100],
  [64, 64, 64],
  [257, 3, 65],
  [66, 37, 257],
  [1, 3000, 5],
  [3000, 1, 8],
  [8, 127, 385],
  [20, 9, 1536],
  [9, 20, 5000],
]

/** Rows of whole numbers of all bytes but −128, which no row has; zeros after the last column. */
function wholeRows(rows: number, columns: number, fixed?: number): Uint32Array {
  const words = new Uint32Array(rows * int8Words(columns))
  const bytes = new Int8Array(words.buffer)
  const stride = 4 * int8Words(columns)
  for (let row = 0; row < rows; row++)
    bytes.set(
      random.integers(columns, 255).map(value => fixed ?? value - 127),
      row * stride,
    )
  return words
}

function product([M, N, K]: Size, hasBias: number, fixed?: number): KernelCase {
  const tensors = {
    a: wholeRows(M, K, fixed),
    aScales: random.uniform(M, 0.01, 0.1),
    b: wholeRows(N, K, fixed),
    bScales: random.uniform(N, 0.001, 0.01),
    bias: hasBias ? random.normal(N, 3) : undefined,
    c: M * N,
  }
  const name = `M ${M}, N ${N}, K ${K}, bias ${hasBias}${fixed ? `, all ${fixed}` : ''}`
  return caseOf('matmul_int8', name, { M, N, K, hasBias }, tensors)
}

export function matmulInt8Cases(): KernelCase[] {
  const nothing = {
    a: wholeRows(1, 2),
    aScales: random.normal(1),
    b: wholeRows(3, 2),
    bScales: random.normal(3),
    bias: undefined,
    c: 3,
  }
  return [
    ...sizes.flatMap(size => [0, 1].map(hasBias => product(size, hasBias))),
    product([5, 7, INT8_COLUMNS], 0, -127),
    caseOf('matmul_int8', 'no rows', { M: 0, N: 3, K: 2, hasBias: 0 }, nothing),
  ]
}
