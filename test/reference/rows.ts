// Products of matrices, rows that are gathered, scattered, copied and summed, columns that are moved and turned.
import { CHAINS, QUANTIZED_GROUP } from '../../src/backend/kernels.js'
import { factorOf, halfOf, widened } from './factors.js'
import type { Reference } from './types.js'

export const matmul: Reference<'matmul'> = ({ a, b, bias, c }, p) => {
  const left = (m: number, k: number) => (p.transposeA ? a[k * p.M + m]! : a[m * p.K + k]!)
  const right = (k: number, n: number) => (p.transposeB ? b[n * p.K + k]! : b[k * p.N + n]!)
  for (let m = 0; m < p.M; m++) {
    for (let n = 0; n < p.N; n++) {
      let product = 0
      for (let k = 0; k < p.K; k++) product += left(m, k) * right(k, n)
      const before = p.accumulate ? c[m * p.N + n]! : 0
      c[m * p.N + n] = before + p.alpha * product + (p.hasBias ? bias![n]! : 0)
    }
  }
}

export const column_sum: Reference<'column_sum'> = ({ x, out }, { rows, columns }) => {
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) out[column]! += x[row * columns + column]!
}

export const gather_rows: Reference<'gather_rows'> = ({ table, index, out }, { rows, columns, accumulate }) => {
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const before = accumulate ? out[row * columns + column]! : 0
      out[row * columns + column] = before + table[index[row]! * columns + column]!
    }
  }
}

export const matmul_half: Reference<'matmul_half'> = ({ b, ...tensors }, { format, ...p }) =>
  matmul({ ...tensors, b: widened(b, format) }, p)

/** Row by row of the stored matrix: least + step · code. */
export const matmul_quantized: Reference<'matmul_quantized'> = ({ b, groups, ...tensors }, { bits, ...p }) => {
  const [rows, columns] = p.transposeB ? [p.N, p.K] : [p.K, p.N]
  const rowGroups = Math.ceil(columns / QUANTIZED_GROUP)
  const values = Float64Array.from({ length: rows * columns }, (_, i) => {
    const group = Math.floor(i / columns) * rowGroups + Math.floor((i % columns) / QUANTIZED_GROUP)
    const bit = ((i % columns) % QUANTIZED_GROUP) * bits
    const code = (b[group * bits + Math.floor(bit / 32)]! >>> (bit % 32)) & (2 ** bits - 1)
    const [step, least] = [halfOf(groups, 2 * group, 1), halfOf(groups, 2 * group + 1, 1)]
    return least + step * code
  })
  matmul({ ...tensors, b: values }, p)
}

/** Of the factors as they are: what narrowing them loses is the kernel's error. */
export const matmul_f16: Reference<'matmul_f16'> = ({ b, ...tensors }, { format, ...p }) => {
  matmul({ ...tensors, b: factorOf(b, format) }, p)
}

export const matmul_f16_quantized: Reference<'matmul_f16_quantized'> = (tensors, p) => matmul_quantized(tensors, p)

export const gather_rows_half: Reference<'gather_rows_half'> = ({ table, ...tensors }, { format, ...p }) =>
  gather_rows({ ...tensors, table: widened(table, format) }, p)

export const scatter_rows: Reference<'scatter_rows'> = (
  { dout, order, starts, targets, dtable },
  { count, columns },
) => {
  for (let u = 0; u < count; u++) {
    for (let j = starts[u]!; j < starts[u + 1]!; j++) {
      for (let column = 0; column < columns; column++)
        dtable[targets[u]! * columns + column]! += dout[order[j]! * columns + column]!
    }
  }
}

export const copy_rows: Reference<'copy_rows'> = ({ x, y }, { rows, columns, from, to, accumulate }) => {
  for (let i = 0; i < rows; i++) {
    for (let column = 0; column < columns; column++) {
      const before = accumulate ? y[(to + i) * columns + column]! : 0
      y[(to + i) * columns + column] = before + x[(from + i) * columns + column]!
    }
  }
}

export const place_columns: Reference<'place_columns'> = ({ x, y }, p) => {
  for (let row = 0; row < p.rows; row++) {
    for (let column = 0; column < p.columns; column++) {
      const at = row * p.yColumns + p.to + column
      y[at] = (p.accumulate ? y[at]! : 0) + x[row * p.xColumns + p.from + column]!
    }
  }
}

export const fill: Reference<'fill'> = ({ x }, { count, value }) => {
  for (let i = 0; i < count; i++) x[i] = value
}

export const multiply_adds: Reference<'multiply_adds'> = ({ out }, { count, rounds, factor, term }) => {
  for (let i = 0; i < count; i++) {
    out[i] = 0
    for (let j = 0; j < CHAINS; j++) {
      let x = (i % 64) + j / CHAINS
      for (let r = 0; r < rounds; r++) x = x * factor + term
      out[i]! += x
    }
  }
}

export const scale: Reference<'scale'> = ({ x, y }, { count, factor }) => {
  for (let i = 0; i < count; i++) y[i] = factor * x[i]!
}

export const rope: Reference<'rope'> = ({ x, positions, table, y }, { rows, columns, headSize, direction }) => {
  const half = headSize / 2
  for (let row = 0; row < rows; row++) {
    for (let c = 0; c < columns; c++) {
      const d = c % headSize
      const cosine = table[positions[row]! * headSize + (d % half)]!
      const sine = table[positions[row]! * headSize + half + (d % half)]! * direction
      const at = row * columns + c
      y[at] = x[at]! * cosine + (d < half ? -x[at + half]! : x[at - half]!) * sine
    }
  }
}
