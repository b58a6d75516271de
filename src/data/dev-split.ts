// A dev split for a training set that has none: a share of its queries, held out by a seed, that search among the passages of all its pairs.
import type { Collection } from './collection.js'
import type { TrainingPair } from './pairs.js'
import { startSampling } from './sampling.js'
import { drawsOf } from './sampling-draws.js'

/** A stream of draws of its own. */
const STREAM = 7

/** Whether each pair is held out; lines of one query stay together. Fails where nothing would be left to train on. */
export function heldOut(pairs: readonly { readonly query: string }[], share: number, seed: number): boolean[] {
  const queries = [...new Set(pairs.map(({ query }) => query))]
  const count = Math.max(1, Math.round(queries.length * share))
  if (count >= queries.length)
    throw new Error(
      `data.dev_share = ${share} holds out ${count} of ${queries.length} training queries, which leaves none; give more pairs or a dev split`,
    )
  const draws = drawsOf(startSampling(seed, STREAM))
  const chosen = new Set(Array.from(draws.drawNegatives(count, queries.length).indices, i => queries[i]!))
  return pairs.map(({ query }) => chosen.has(query))
}

/** The held-out pairs as a collection; `all`: whose passages they search among. */
export function devCollection(held: readonly TrainingPair[], all: readonly TrainingPair[]): Collection {
  const texts = [...new Set(all.flatMap(({ positives, negatives }) => [...positives, ...negatives]))]
  const idOf = new Map(texts.map((text, i) => [text, `d${i}`]))
  const queries = [...new Set(held.map(({ query }) => query))]
  const queryId = new Map(queries.map((query, i) => [query, `q${i}`]))
  const qrels = new Map(queries.map((_, i) => [`q${i}`, new Map<string, number>()]))
  for (const { query, positives } of held)
    for (const text of positives) qrels.get(queryId.get(query)!)!.set(idOf.get(text)!, 1)
  const judgements = [...qrels.values()].reduce((sum, grades) => sum + grades.size, 0)
  return {
    ...{ name: 'held out', split: 'dev', qrels, warnings: [] },
    documents: { ids: texts.map((_, i) => `d${i}`), texts },
    queries: { ids: queries.map((_, i) => `q${i}`), texts: queries },
    counts: { emptyDocuments: 0, judgements, relevant: judgements, unknownDocuments: 0, unknownQueries: 0 },
  }
}
