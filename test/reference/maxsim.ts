// MaxSim of packed token vectors, and rows scaled.
import { FLOAT_FORMAT } from '../../src/backend/kernels.js'
import type { Reference } from './types.js'

const LOWEST = -3.4028234663852886e38

export const maxsim_forward: Reference<'maxsim_forward'> = (tensors, p) => {
  const { query, document, queryOffsets, documentOffsets, keep, scores, best } = tensors
  const similarity = (t: number, row: number) => {
    let sum = 0
    for (let c = 0; c < p.width; c++) {
      const [x, y] = [query[t * p.width + c]!, document[row * p.width + c]!]
      sum += p.l2 ? -((x - y) ** 2) : x * y
    }
    return sum
  }
  for (let i = 0; i < p.queries; i++)
    for (let j = 0; j < p.columns; j++) {
      const d = p.grouped ? i * p.columns + j : j
      let total = 0
      for (let t = queryOffsets[i]!; t < queryOffsets[i + 1]!; t++) {
        let [most, place] = [LOWEST, -1]
        for (let row = documentOffsets[d]!; row < documentOffsets[d + 1]!; row++) {
          if (p.hasKeep && !keep![row]) continue
          const value = similarity(t, row)
          if (place < 0 || value > most) [most, place] = [value, row]
        }
        total = place < 0 || total === LOWEST ? LOWEST : total + p.alpha * most
        if (p.hasBest) best![t * p.columns + j] = place
      }
      scores[i * p.columns + j] = total
    }
}

export const maxsim_backward_query: Reference<'maxsim_backward_query'> = (tensors, p) => {
  const { dscores, best, owners, query, document, dquery } = tensors
  for (let t = 0; t < p.queryTokens; t++)
    for (let c = 0; c < p.width; c++) {
      const at = t * p.width + c
      let sum = 0
      for (let j = 0; j < p.columns; j++) {
        const place = best[t * p.columns + j]!
        if (place < 0) continue
        const other = document[place * p.width + c]!
        sum += dscores[owners[t]! * p.columns + j]! * (p.l2 ? 2 * (other - query[at]!) : other)
      }
      dquery[at] = (p.accumulate ? dquery[at]! : 0) + p.alpha * sum
    }
}

export const maxsim_backward_document: Reference<'maxsim_backward_document'> = (tensors, p) => {
  const { dscores, best, queryOffsets, documentOffsets, query, document, ddocument } = tensors
  if (!p.accumulate) ddocument.fill(0, documentOffsets[0]! * p.width, documentOffsets[p.documents]! * p.width)
  for (let i = 0; i < p.queries; i++)
    for (let t = queryOffsets[i]!; t < queryOffsets[i + 1]!; t++)
      for (let j = 0; j < p.columns; j++) {
        const place = best[t * p.columns + j]!
        for (let c = 0; c < p.width && place >= 0; c++) {
          const [own, at] = [query[t * p.width + c]!, place * p.width + c]
          ddocument[at]! += p.alpha * dscores[i * p.columns + j]! * (p.l2 ? 2 * (own - document[at]!) : own)
        }
      }
}

const halfValue = (bits: number): number => {
  const [sign, exponent, mantissa] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023]
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1 + mantissa / 1024) * 2 ** (exponent - 15))
}

export const unpack_f16: Reference<'unpack_f16'> = ({ x, y }, { words }) => {
  for (let i = 0; i < words; i++) y.set([halfValue(x[i]! & 0xffff), halfValue(x[i]! >>> 16)], 2 * i)
}

export const unpack_residuals: Reference<'unpack_residuals'> = (tensors, p) => {
  const { tokens, centroids, scales, curves, fields, y } = tensors
  for (let row = 0; row < p.rows; row++) {
    let all = 0n
    for (let i = p.words - 1; i >= 0; i--) all = (all << 32n) | BigInt(tokens[row * p.words + i]!)
    const field = (first: number, bits: number) => Number((all >> BigInt(first)) & ((1n << BigInt(bits)) - 1n))
    const [code, scale] = [field(0, p.codeBits), scales[field(p.codeBits, 3)]!]
    const values = Array.from({ length: p.columns }, (_, c) => {
      const bits = fields[c]! >> 16
      const x = field(fields[c]! & 0xffff, bits) - (2 ** bits - 1) / 2
      const level = x * (curves[c]! + curves[p.columns + c]! * x * x)
      return centroids[code * p.columns + c]! + scale * level
    })
    const length = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0))
    y.set(
      values.map(value => (p.normalize && length > 0 ? value / length : value)),
      row * p.columns,
    )
  }
}

export const scale_rows: Reference<'scale_rows'> = ({ x, factors, y }, { rows, columns, accumulate }) => {
  for (let i = 0; i < rows * columns; i++) y[i] = (accumulate ? y[i]! : 0) + factors[Math.floor(i / columns)]! * x[i]!
}

export const maxsim_stored: Reference<'maxsim_stored'> = ({ document, ...tensors }, { format, ...p }) => {
  const values = new Float64Array(p.documentTokens * p.width)
  if (format === FLOAT_FORMAT) values.set(new Float32Array(document.slice(0, values.length).buffer))
  else for (let i = 0; i < values.length; i++) values[i] = halfValue((document[i >> 1]! >>> (16 * (i & 1))) & 0xffff)
  const all = { ...p, grouped: 0, l2: 0, hasKeep: 0, hasBest: 0, alpha: 1 }
  maxsim_forward({ ...tensors, document: values, keep: undefined, best: undefined }, all)
}
