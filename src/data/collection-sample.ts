// A part of a large collection that can be searched in little time: some of its queries, every document that is judged for them, and some others drawn
// evenly. Scores on it are higher than on the whole, so the numbers are said with the score.
import type { Collection, Texts } from './collection.js'
import { startSampling } from './sampling.js'
import { drawsOf } from './sampling-draws.js'

export interface CollectionSample {
  /** Documents beside the judged ones. */
  readonly documents?: number | undefined
  /** Queries at most. */
  readonly queries?: number | undefined
}

/** Seeded with a stream of its own: other trainings search in the same part. In the order of the files. */
const SEED = 1

export function sampleCollection(collection: Collection, { documents, queries }: CollectionSample): Collection {
  if (documents === undefined && queries === undefined) return collection
  const asked = queries === undefined ? collection.queries : some(collection.queries, queries, 0, () => false)
  const kept = new Set(asked.ids)
  const qrels = new Map([...collection.qrels].filter(([query]) => kept.has(query)))
  const judged = new Set([...qrels.values()].flatMap(grades => [...grades.keys()]))
  const found =
    documents === undefined ? collection.documents : some(collection.documents, documents, 1, id => judged.has(id))
  return { ...collection, queries: asked, qrels, documents: found }
}

/** Those that `always` takes, and `count` of the others. */
function some({ ids, texts }: Texts, count: number, stream: number, always: (id: string) => boolean): Texts {
  const others = ids.flatMap((id, row) => (always(id) ? [] : [row]))
  const drawn = drawsOf(startSampling(SEED, stream)).drawNegatives(Math.min(count, others.length), others.length)
  const chosen = new Set(Array.from(drawn.indices, i => others[i]!))
  const rows = ids.flatMap((id, row) => (always(id) || chosen.has(row) ? [row] : []))
  return { ids: rows.map(row => ids[row]!), texts: rows.map(row => texts[row]!) }
}

/** For a fingerprint; '' where nothing is left out. */
export const sampleText = ({ documents, queries }: CollectionSample): string =>
  [
    ...(documents === undefined ? [] : [`corpus_sample=${documents}`]),
    ...(queries === undefined ? [] : [`query_sample=${queries}`]),
  ].join(' ')
