// Dropout, LayerNorm, GELU, pooling and L2 normalisation. `out`, `inp`, `dout` and `dinp` have the table's names.
import { threefry2x32 } from '../../src/backend/random.js'
import { normalCdf, normalDensity } from './error-function.js'
import type { Reference } from './types.js'

export interface Dropout {
  readonly threshold: number
  readonly scale: number
  readonly key0: number
  readonly key1: number
}

/** 0 for a dropped element, else what it is multiplied by. Both counters are u32. */
export function dropoutFactor(p: Dropout, counter0: number, counter1: number, word: number): number {
  const bits = threefry2x32(counter0, counter1, p.key0, p.key1)[word as 0 | 1]
  return bits < p.threshold ? 0 : p.scale
}

const channelFactor = (p: Dropout, key: number, channel: number) => dropoutFactor(p, key, channel >> 1, channel & 1)

export const dropout: Reference<'dropout'> = ({ x, keys, y }, p) => {
  for (let row = 0; row < p.rows; row++) {
    for (let channel = 0; channel < p.columns; channel++)
      y[row * p.columns + channel] = x[row * p.columns + channel]! * channelFactor(p, keys[row]!, channel)
  }
}

export const layer_norm_forward: Reference<'layer_norm_forward'> = (
  { x, residual, keys, gamma, beta, sum, y, stats },
  p,
) => {
  const C = p.columns
  for (let row = 0; row < p.rows; row++) {
    const z = x.slice(row * C, (row + 1) * C)
    if (p.hasResidual) {
      for (let c = 0; c < C; c++) {
        const factor = p.threshold === 0 ? p.scale : channelFactor(p, keys![row]!, c)
        z[c] = residual![row * C + c]! + z[c]! * factor
      }
      sum!.set(z, row * C)
    }
    const mean = z.reduce((total, value) => total + value, 0) / C
    const variance = z.reduce((total, value) => total + (value - mean) ** 2, 0) / C
    const rstd = 1 / Math.sqrt(variance + p.epsilon)
    for (let c = 0; c < C; c++) y[row * C + c] = (z[c]! - mean) * rstd * gamma[c]! + beta[c]!
    stats.set([mean, rstd], row * 2)
  }
}

export const layer_norm_backward: Reference<'layer_norm_backward'> = (
  { dy, z, stats, gamma, dz },
  { rows, columns, accumulate },
) => {
  for (let row = 0; row < rows; row++) {
    const [mean, rstd] = [stats[row * 2]!, stats[row * 2 + 1]!]
    const normalised = (c: number) => (z[row * columns + c]! - mean) * rstd
    const g = (c: number) => dy[row * columns + c]! * gamma[c]!
    let meanG = 0
    let meanGX = 0
    for (let c = 0; c < columns; c++) {
      meanG += g(c) / columns
      meanGX += (g(c) * normalised(c)) / columns
    }
    for (let c = 0; c < columns; c++) {
      const before = accumulate ? dz[row * columns + c]! : 0
      dz[row * columns + c] = before + rstd * (g(c) - meanG - normalised(c) * meanGX)
    }
  }
}

export const layer_norm_parameters: Reference<'layer_norm_parameters'> = (
  { dy, z, stats, dgamma, dbeta },
  { rows, columns },
) => {
  for (let row = 0; row < rows; row++) {
    for (let c = 0; c < columns; c++) {
      dgamma[c]! += dy[row * columns + c]! * (z[row * columns + c]! - stats[row * 2]!) * stats[row * 2 + 1]!
      dbeta[c]! += dy[row * columns + c]!
    }
  }
}

const TANH_SCALE = Math.sqrt(2 / Math.PI)
const TANH_CUBE = 0.044715

export const gelu_forward: Reference<'gelu_forward'> = ({ x, y }, { count, approximate }) => {
  for (let i = 0; i < count; i++) {
    const value = x[i]!
    const tanh = Math.tanh(TANH_SCALE * (value + TANH_CUBE * value ** 3))
    y[i] = value * (approximate ? 0.5 * (1 + tanh) : normalCdf(value))
  }
}

export const gelu_backward: Reference<'gelu_backward'> = ({ x, dy, dx }, { count, approximate }) => {
  for (let i = 0; i < count; i++) {
    const value = x[i]!
    const tanh = Math.tanh(TANH_SCALE * (value + TANH_CUBE * value ** 3))
    // d/dx of ½x(1 + tanh u) is ½(1 + tanh u) + ½x(1 − tanh² u)u′.
    const slope = approximate
      ? 0.5 * (1 + tanh) + 0.5 * value * (1 - tanh ** 2) * TANH_SCALE * (1 + 3 * TANH_CUBE * value ** 2)
      : normalCdf(value) + value * normalDensity(value)
    dx[i] = dy[i]! * slope
  }
}

const POOL_MEAN = 0

export const pool_forward: Reference<'pool_forward'> = ({ x, offsets, out }, { sequences, columns, mode }) => {
  for (let s = 0; s < sequences; s++) {
    const [start, end] = [offsets[s]!, offsets[s + 1]!]
    const rows = mode === POOL_MEAN ? end - start : 1
    for (let c = 0; c < columns; c++) {
      let total = 0
      for (let row = start; row < start + rows; row++) total += x[row * columns + c]!
      out[s * columns + c] = total / rows
    }
  }
}

export const pool_backward: Reference<'pool_backward'> = (
  { dout, offsets, dx },
  { sequences, columns, mode, accumulate },
) => {
  for (let s = 0; s < sequences; s++) {
    const [start, end] = [offsets[s]!, offsets[s + 1]!]
    for (let row = start; row < end; row++) {
      const weight = mode === POOL_MEAN ? 1 / (end - start) : row === start ? 1 : 0
      for (let c = 0; c < columns; c++) {
        const before = accumulate ? dx[row * columns + c]! : 0
        dx[row * columns + c] = before + weight * dout[s * columns + c]!
      }
    }
  }
}

export const l2_normalize_forward: Reference<'l2_normalize_forward'> = (
  { x, y, norms },
  { rows, columns, epsilon },
) => {
  for (let row = 0; row < rows; row++) {
    let squares = 0
    for (let c = 0; c < columns; c++) squares += x[row * columns + c]! ** 2
    norms[row] = Math.sqrt(squares)
    for (let c = 0; c < columns; c++) y[row * columns + c] = x[row * columns + c]! / Math.max(norms[row]!, epsilon)
  }
}

export const l2_normalize_backward: Reference<'l2_normalize_backward'> = (
  { y, norms, dy, dx },
  { rows, columns, epsilon },
) => {
  for (let row = 0; row < rows; row++) {
    let projection = 0
    for (let c = 0; c < columns; c++) projection += dy[row * columns + c]! * y[row * columns + c]!
    for (let c = 0; c < columns; c++) {
      const i = row * columns + c
      dx[i] = norms[row]! < epsilon ? dy[i]! / epsilon : (dy[i]! - y[i]! * projection) / norms[row]!
    }
  }
}
