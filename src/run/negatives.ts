// Hard negatives for training pairs that have none: the documents of their own set that BM25 ranks highest for the query, its positives left out.
import type { TrainingPair } from '../data/pairs.js'
import { createBm25Index, searchBm25 } from '../retrieve/bm25.js'

/** Queries searched at a time. */
const BLOCK = 1024

/**
 * The pairs of one set, each with `count` negatives at least where the set has as many other documents. Where fewer share a word with the query,
 * others follow, from where the pair stands on.
 */
export function withMinedNegatives(pairs: readonly TrainingPair[], count: number): TrainingPair[] {
  const documents = [...new Set(pairs.flatMap(({ positives, negatives }) => [...positives, ...negatives]))]
  const index = createBm25Index(documents)
  const mined: TrainingPair[] = []
  for (let first = 0; first < pairs.length; first += BLOCK) {
    const block = pairs.slice(first, first + BLOCK)
    const most = block.reduce(
      (least, { positives, negatives }) => Math.max(least, positives.length + negatives.length),
      0,
    )
    const k = Math.min(1000, count + most)
    const queries = block.map(({ query }) => query)
    const { rows, counts } = searchBm25(index, queries, { k })
    const width = rows.length / block.length
    for (const [i, pair] of block.entries()) {
      const found = Array.from(rows.subarray(i * width, i * width + counts[i]!), row => documents[row]!)
      const others = documents.map((_, j) => documents[(first + i + j) % documents.length]!)
      mined.push({ ...pair, ...filledUp(pair, [...found, ...others], count) })
    }
  }
  return mined
}

function filledUp(
  { positives, negatives, negativeScores: _, positiveScores: __ }: TrainingPair,
  candidates: readonly string[],
  count: number,
): Pick<TrainingPair, 'negatives'> {
  const kept = [...negatives]
  const taken = new Set([...positives, ...negatives])
  for (const text of candidates) {
    if (kept.length >= count) break
    if (taken.has(text)) continue
    taken.add(text)
    kept.push(text)
  }
  return { negatives: kept }
}
