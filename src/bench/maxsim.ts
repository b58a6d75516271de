// Late-interaction search: a query of 32 tokens against the token vectors of a whole collection, by MaxSim. Checked for some documents, and for the order
// of the best, against f64.
import type { Backend } from '../backend/backend.js'
import type { PackedVectors } from '../retrieve/encode-late.js'
import { createLateIndex } from '../retrieve/late-index.js'
import type { SearchResult } from '../retrieve/search.js'
import { type TokenStore, vectorStore } from '../retrieve/token-store.js'
import { hostTensors, openCall } from './host.js'
import { isSoftware, placeOf, type Report } from './row.js'
import { unitVectors } from './search.js'
import { milliseconds, takeTurns } from './timing.js'

const WIDTH = 128
const QUERY_TOKENS = 32
const DOCUMENT_TOKENS = 128
const K = 100
const ROUNDS = 7
/** Between sums of 32 similarities of unit vectors. */
const TOLERANCE = 1e-5
/** A product of a size that this backend is good at: what MaxSim is measured by. */
const PRODUCT = { M: 4096, N: 384, K: 384, transposeA: 0, transposeB: 1, accumulate: 0, hasBias: 0, alpha: 1 }

export async function benchMaxSim(backend: Backend, seconds: number, report: Report): Promise<void> {
  const documents = isSoftware(backend) ? 64 : 8192
  const tokens = documents * DOCUMENT_TOKENS
  const packed: PackedVectors = {
    vectors: unitVectors(tokens, WIDTH, 51),
    offsets: Int32Array.from({ length: documents + 1 }, (_, i) => i * DOCUMENT_TOKENS),
    width: WIDTH,
  }
  const query: PackedVectors = {
    vectors: unitVectors(QUERY_TOKENS, WIDTH, 52),
    offsets: Int32Array.of(0, QUERY_TOKENS),
    width: WIDTH,
  }
  const exact = scoresInF64(query.vectors, packed)
  const product = await openCall(backend, 'matmul', PRODUCT, hostTensors('matmul', PRODUCT, { bias: undefined }))
  try {
    for (const form of ['f32', 'f16'] as const) {
      const store: TokenStore = vectorStore(packed, form)
      const index = await createLateIndex(backend, store)
      const error = searchError(await index.search(query, { k: K }), exact)
      // Halves have 11 bits
      const verified = error <= (form === 'f32' ? TOLERANCE : 1e-2)
      const search = () => milliseconds(async () => void (await index.search(query, { k: K })))
      const turns = [search, () => product.time({ seconds })]
      const { medians, cores } = await takeTurns(turns, isSoftware(backend) ? 1 : ROUNDS)
      index.release()
      const flops = 2 * tokens * QUERY_TOKENS * WIDTH
      const [rate, best] = [flops / medians[0]! / 1e6, (2 * 4096 * 384 * 384) / medians[1]! / 1e6]
      report({
        name: 'maxsim',
        shape: `${QUERY_TOKENS}×${tokens}×${WIDTH}, k ${K}`,
        ...placeOf(backend),
        variant: form,
        ...{ verified, max_error: error, milliseconds: medians[0]!, cores, gflops: rate, ratio: rate / best },
        note: `${((100 * rate) / best).toFixed(0)} % of the rate of products, ${best.toFixed(0)} GFLOP/s`,
      })
    }
  } finally {
    product.release()
  }
}

/** The MaxSim of the first documents. */
function scoresInF64(query: Float32Array, { vectors, offsets }: PackedVectors): Float64Array {
  return Float64Array.from({ length: Math.min(offsets.length - 1, CHECKED) }, (_, d) => {
    let score = 0
    for (let t = 0; t < QUERY_TOKENS; t++) {
      let most = -Infinity
      for (let row = offsets[d]!; row < offsets[d + 1]!; row++) {
        let sum = 0
        for (let c = 0; c < WIDTH; c++) sum += query[t * WIDTH + c]! * vectors[row * WIDTH + c]!
        most = Math.max(most, sum)
      }
      score += most
    }
    return score
  })
}

/** Documents whose scores are worked out in f64: more would take longer than what is measured. */
const CHECKED = 1024

/** How far scores of checked documents are from f64, and how far a checked document that was not found lies above the last one found. */
function searchError({ scores, rows }: SearchResult, exact: Float64Array): number {
  const found = new Set(rows)
  if (found.size !== rows.length) return Number.NaN
  let worst = 0
  rows.forEach((row, rank) => {
    if (row < exact.length) worst = Math.max(worst, Math.abs(scores[rank]! - exact[row]!))
    if (rank > 0 && scores[rank]! > scores[rank - 1]!) worst = Number.NaN
  })
  const last = scores.at(-1)!
  exact.forEach((score, document) => {
    if (!found.has(document)) worst = Math.max(worst, score - last)
  })
  return worst
}
