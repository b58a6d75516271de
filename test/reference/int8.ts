// Whole numbers of 8 bits: rows quantised as the kernel table says, in f32 arithmetic (so that the whole numbers can be compared exactly), and
// their products.
import { int8Words } from '../../src/backend/kernels.js'
import type { Reference } from './types.js'

const SMALLEST = 1e-30

/** To the nearest whole number, ties to the even one. */
function nearest(x: number): number {
  const low = Math.floor(x)
  const above = x - low
  return above < 0.5 || (above === 0.5 && low % 2 === 0) ? low : low + 1
}

export const quantize_rows: Reference<'quantize_rows'> = ({ x, values, scales }, { rows, columns }) => {
  const bytes = new Int8Array(values.buffer, values.byteOffset, 4 * values.length)
  const stride = 4 * int8Words(columns)
  for (let row = 0; row < rows; row++) {
    const from = x.subarray(row * columns, (row + 1) * columns)
    // Math.max passes NaN on
    const most = from.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0)
    const usable = most >= SMALLEST && most < Number.POSITIVE_INFINITY
    scales[row] = most < SMALLEST ? 0 : usable ? most / 127 : most
    const factor = Math.fround(127 / most)
    bytes.fill(0, row * stride, (row + 1) * stride)
    if (usable)
      bytes.set(
        Array.from(from, value => nearest(Math.fround(value * factor))),
        row * stride,
      )
  }
}

/** The sum of row m of a times row n of b, exactly. */
export function wholeProduct(a: Uint32Array, b: Uint32Array, m: number, n: number, K: number): number {
  const [left, right] = [a, b].map(x => new Int8Array(x.buffer, x.byteOffset, 4 * x.length)) as [Int8Array, Int8Array]
  const stride = 4 * int8Words(K)
  let sum = 0
  for (let k = 0; k < stride; k++) sum += left[m * stride + k]! * right[n * stride + k]!
  return sum
}

export const matmul_int8: Reference<'matmul_int8'> = ({ a, aScales, b, bScales, bias, c }, { M, N, K, hasBias }) => {
  for (let m = 0; m < M; m++)
    for (let n = 0; n < N; n++)
      c[m * N + n] = wholeProduct(a, b, m, n, K) * aScales[m]! * bScales[n]! + (hasBias ? bias![n]! : 0)
}
