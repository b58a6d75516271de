// MaxSim of packed token vectors, and rows scaled.
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

export const scale_rows: Reference<'scale_rows'> = ({ x, factors, y }, { rows, columns, accumulate }) => {
  for (let i = 0; i < rows * columns; i++) y[i] = (accumulate ? y[i]! : 0) + factors[Math.floor(i / columns)]! * x[i]!
}
