// Hard negatives for training pairs that have none: the documents of their own set that BM25 ranks highest for the query, its positives left out.
import type { TrainingPair } from '../data/pairs.js'
import { createBm25Index, searchBm25 } from '../retrieve/bm25.js'
import { passageKey } from '../retrieve/mining.js'

/** Queries searched at a time. */
const BLOCK = 1024

export interface MinedPairs {
  readonly pairs: readonly TrainingPair[]
  /** Positives of the query, on whichever of its lines, among what was found for a pair: none of them is a negative. */
  readonly positives: number
}

/**
 * The pairs of one set, each with `count` negatives at least where the set has as many other documents. Where fewer share a word with the query,
 * others follow, from where the pair stands on.
 */
export function withMinedNegatives(pairs: readonly TrainingPair[], count: number): MinedPairs {
  const documents = [...new Set(pairs.flatMap(({ positives, negatives }) => [...positives, ...negatives]))]
  const keys = documents.map(passageKey)
  const positivesOf = positivesByQuery(pairs)
  const index = createBm25Index(documents)
  const mined: TrainingPair[] = []
  let positives = 0
  for (let first = 0; first < pairs.length; first += BLOCK) {
    const block = pairs.slice(first, first + BLOCK)
    const most = block.reduce((sum, { query, negatives }) => {
      return Math.max(sum, positivesOf.get(query)!.size + negatives.length)
    }, 0)
    const k = Math.min(1000, count + most)
    const queries = block.map(({ query }) => query)
    const { rows, counts } = searchBm25(index, queries, { k })
    const width = rows.length / block.length
    for (const [i, pair] of block.entries()) {
      const own = positivesOf.get(pair.query)!
      const found = Array.from(rows.subarray(i * width, i * width + counts[i]!))
      positives += found.filter(row => own.has(keys[row]!)).length
      const others = documents.map((_, j) => (first + i + j) % documents.length)
      const candidates = [...found, ...others].filter(row => !own.has(keys[row]!))
      mined.push({
        ...pair,
        ...filledUp(
          pair,
          candidates.map(row => documents[row]!),
          count,
        ),
      })
    }
  }
  return { pairs: mined, positives }
}

/** Of each query the keys of what is a positive of it on any line. */
function positivesByQuery(pairs: readonly TrainingPair[]): Map<string, Set<string>> {
  const all = new Map<string, Set<string>>()
  for (const { query, positives } of pairs) {
    const own = all.get(query) ?? new Set<string>()
    for (const text of positives) own.add(passageKey(text))
    all.set(query, own)
  }
  return all
}

function filledUp(
  { negatives, negativeScores: _, positiveScores: __ }: TrainingPair,
  candidates: readonly string[],
  count: number,
): Pick<TrainingPair, 'negatives'> {
  const kept = [...negatives]
  const taken = new Set(negatives)
  for (const text of candidates) {
    if (kept.length >= count) break
    if (taken.has(text)) continue
    taken.add(text)
    kept.push(text)
  }
  return { negatives: kept }
}
