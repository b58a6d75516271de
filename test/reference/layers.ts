// Dropout, LayerNorm, RMS norm and L2 normalisation. `out`, `inp`, `dout` and `dinp` have the table's names.
import { threefry2x32 } from '../../src/backend/random.js'
import type { Reference, ReferenceTensors } from './types.js'

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

export const layer_norm_forward: Reference<'layer_norm_forward'> = ({ gamma, beta, y, stats, ...inputs }, p) => {
  const C = p.columns
  for (let row = 0; row < p.rows; row++) {
    const z = inputOfNorm(inputs, p, row)
    const mean = z.reduce((total, value) => total + value, 0) / C
    const variance = z.reduce((total, value) => total + (value - mean) ** 2, 0) / C
    const rstd = 1 / Math.sqrt(variance + p.epsilon)
    for (let c = 0; c < C; c++) y[row * C + c] = (z[c]! - mean) * rstd * gamma[c]! + (p.hasBeta ? beta![c]! : 0)
    stats.set([mean, rstd], row * 2)
  }
}

/** The gradient of a sum's branch from the sum's. */
function maskBranch(
  dz: Float64Array,
  keys: Uint32Array | undefined,
  dbranch: Float64Array,
  p: Dropout & { readonly rows: number; readonly columns: number },
): void {
  dropout({ x: dz, keys: keys ?? new Uint32Array(p.rows), y: dbranch }, p)
}

export const layer_norm_backward: Reference<'layer_norm_backward'> = (
  { dy, z, stats, gamma, dz, keys, dbranch },
  { rows, columns, accumulate, hasBranch, ...masked },
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
  if (hasBranch) maskBranch(dz, keys, dbranch!, { rows, columns, ...masked })
}

export const layer_norm_parameters: Reference<'layer_norm_parameters'> = (
  { dy, z, stats, dgamma, dbeta },
  { rows, columns, hasBeta },
) => {
  for (let row = 0; row < rows; row++) {
    for (let c = 0; c < columns; c++) {
      dgamma[c]! += dy[row * columns + c]! * (z[row * columns + c]! - stats[row * 2]!) * stats[row * 2 + 1]!
      if (hasBeta) dbeta![c]! += dy[row * columns + c]!
    }
  }
}

/** What a row norm takes: x, or residual + dropout(x), which `sum` is set to. */
function inputOfNorm(
  { x, residual, keys, sum }: Pick<ReferenceTensors<'rms_norm_forward'>, 'x' | 'residual' | 'keys' | 'sum'>,
  p: Dropout & { readonly columns: number; readonly hasResidual: number },
  row: number,
): Float64Array {
  const C = p.columns
  const z = x.slice(row * C, (row + 1) * C)
  if (!p.hasResidual) return z
  for (let c = 0; c < C; c++) {
    const factor = p.threshold === 0 ? p.scale : channelFactor(p, keys![row]!, c)
    z[c] = residual![row * C + c]! + z[c]! * factor
  }
  sum!.set(z, row * C)
  return z
}

export const rms_norm_forward: Reference<'rms_norm_forward'> = ({ gamma, y, stats, ...inputs }, p) => {
  for (let row = 0; row < p.rows; row++) {
    const z = inputOfNorm(inputs, p, row)
    const rstd = 1 / Math.sqrt(z.reduce((total, value) => total + value ** 2, 0) / p.columns + p.epsilon)
    for (let c = 0; c < p.columns; c++) y[row * p.columns + c] = z[c]! * rstd * (gamma[c]! + p.plus)
    stats[row] = rstd
  }
}

export const rms_norm_backward: Reference<'rms_norm_backward'> = (
  { dy, z, stats, gamma, dz, keys, dbranch },
  { rows, columns, plus, accumulate, hasBranch, ...masked },
) => {
  for (let row = 0; row < rows; row++) {
    const normalised = (c: number) => z[row * columns + c]! * stats[row]!
    const g = (c: number) => dy[row * columns + c]! * (gamma[c]! + plus)
    let meanGX = 0
    for (let c = 0; c < columns; c++) meanGX += (g(c) * normalised(c)) / columns
    for (let c = 0; c < columns; c++) {
      const before = accumulate ? dz[row * columns + c]! : 0
      dz[row * columns + c] = before + stats[row]! * (g(c) - normalised(c) * meanGX)
    }
  }
  if (hasBranch) maskBranch(dz, keys, dbranch!, { rows, columns, ...masked })
}

export const rms_norm_parameters: Reference<'rms_norm_parameters'> = ({ dy, z, stats, dgamma }, { rows, columns }) => {
  for (let row = 0; row < rows; row++)
    for (let c = 0; c < columns; c++) dgamma[c]! += dy[row * columns + c]! * z[row * columns + c]! * stats[row]!
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
