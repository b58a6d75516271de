// Texts, searched by meaning: an encoder's vectors of them, in the memory of its backend.

import { documentText } from '../data/collection.js'
import { checkTexts } from '../data/given.js'
import { allFinite } from '../retrieve/encode.js'
import { createIndex, MOST_RESULTS, type SearchResult } from '../retrieve/search.js'
import { searchSimilar } from '../retrieve/similarity.js'
import { normalizeRows } from '../run/evaluate.js'
import { type Closing, closing } from './disposal.js'
import type { EncodeProgress, Encoder } from './encoder.js'
import {
  aFunction,
  aSignal,
  aText,
  type Checks,
  checkEncoder,
  checkOptions,
  checkValue,
  floats,
  whole,
} from './given.js'

/** A text to be found; `id` default: its place, from 0. */
export type IndexedText = string | { readonly id?: string; readonly title?: string; readonly text: string }

/** A text that was found. */
export interface Hit {
  readonly id: string
  /** Title and text, as the encoder read them. */
  readonly text: string
  /** The similarity that the model was trained for: cosine, dot product, or a negative distance. */
  readonly score: number
  /** Its place among the texts of the index, from 0. */
  readonly row: number
}

/** Of a search. */
export interface SearchSettings {
  /** Results; default 10, at most 1024. */
  readonly k?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** What finds the texts of an index. */
export interface TextHits {
  readonly size: number
  /** (size, dimensions) as the index compares them: of length 1 where the similarity is cosine. */
  readonly vectors: Float32Array
  /** The best of all texts for a query, the best first. */
  search(query: string, settings?: SearchSettings): Promise<Hit[]>
  /** The same for many queries at once. */
  searchAll(queries: readonly string[], settings?: SearchSettings): Promise<Hit[][]>
  /** Frees the vectors; the encoder stays open. */
  close(): void
}

/** An index of texts; `using` closes it. */
export type TextIndex = Closing<TextHits>

/** Of `createTextIndex`. */
export interface IndexSettings {
  /** Vectors that were made before, by the same encoder from the same texts: (texts, dimensions). */
  readonly vectors?: Float32Array | undefined
  readonly onProgress?: ((done: EncodeProgress) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

const indexChecks: Checks<IndexSettings> = { vectors: floats, onProgress: aFunction, signal: aSignal }
const searchChecks: Checks<SearchSettings> = { k: whole(1, MOST_RESULTS), signal: aSignal }
const textChecks: Checks<Exclude<IndexedText, string>> = { id: aText, title: aText, text: aText }

function checkIndexed(texts: readonly IndexedText[]): void {
  checkValue('createTextIndex', texts, ['a list of texts', Array.isArray])
  for (const [i, each] of texts.entries()) {
    if (typeof each === 'string') continue
    checkOptions(`createTextIndex, text ${i}`, each, textChecks)
    checkValue(`createTextIndex, text ${i}, text`, each.text, aText)
  }
}

/** What is searched: texts by their rows, and how many numbers stand for each. */
interface Searched {
  readonly ids: readonly string[]
  readonly texts: readonly string[]
  readonly dimensions: number
}

function searched(texts: readonly IndexedText[], dimensions: number): Searched {
  return {
    ids: texts.map((each, row) => (typeof each === 'string' ? undefined : each.id) ?? String(row)),
    texts: texts.map(each => (typeof each === 'string' ? each : documentText({ title: '', ...each }))),
    dimensions,
  }
}

function checkVectors(vectors: Float32Array, { texts, dimensions }: Searched): void {
  if (vectors.length !== texts.length * dimensions)
    throw new Error(
      `${vectors.length} values are no vectors of ${texts.length} texts with ${dimensions} dimensions; leave them out to have the texts encoded`,
    )
  if (!allFinite(vectors))
    throw new Error('createTextIndex settings, vectors: expected finite numbers, found NaN or Infinity')
}

/** Of one query after the other. */
const hitsOf = (queries: number, { k, rows, scores }: SearchResult, { ids, texts }: Searched): Hit[][] =>
  Array.from({ length: queries }, (_, q) =>
    Array.from(rows.subarray(q * k, (q + 1) * k), (row, rank) => ({
      ...{ id: ids[row]!, text: texts[row]! },
      ...{ score: scores[q * k + rank]!, row },
    })),
  )

/** Encodes the texts and keeps their vectors where searching is fast. The encoder must stay open as long as the index is used. */
export async function createTextIndex(
  encoder: Encoder,
  texts: readonly IndexedText[],
  settings: IndexSettings = {},
): Promise<TextIndex> {
  checkEncoder('createTextIndex', encoder)
  checkIndexed(texts)
  checkOptions('createTextIndex settings', settings, indexChecks)
  const { vectors: made, onProgress, signal } = settings
  const all = searched(texts, encoder.dimensions)
  const { backend, source } = encoder.parts
  if (made) checkVectors(made, all)
  const { similarity, normalize } = source.settings
  const comparable = (vectors: Float32Array) =>
    similarity === 'cosine' && !normalize ? normalizeRows(vectors, all.dimensions) : vectors
  const vectors = comparable(made ?? (await encoder.encode(all.texts, { onProgress, signal })))
  // Distances are no products: their vectors pass through the backend in each search.
  const product = similarity === 'cosine' || similarity === 'dot'
  const index = product ? createIndex(backend, vectors, all.dimensions) : undefined
  const find = async (queries: readonly string[], { k = 10, signal }: SearchSettings): Promise<Hit[][]> => {
    const asked = comparable(await encoder.encode(queries, { kind: 'query', signal }))
    const options = { k, ...(signal && { signal }) }
    const search = () =>
      index ? index.search(asked, options) : searchSimilar(backend, similarity, asked, vectors, all.dimensions, options)
    return hitsOf(queries.length, await encoder.parts.during(search), all)
  }
  return searchable(texts.length, vectors, find, () => index?.release())
}

/** `find` until it is closed; what it holds is released when no search is under way any more. */
function searchable(
  size: number,
  vectors: Float32Array,
  find: (queries: readonly string[], settings: SearchSettings) => Promise<Hit[][]>,
  release: () => void,
): TextIndex {
  let closed = false
  let searching = 0
  const searchAll = async (queries: readonly string[], settings: SearchSettings = {}): Promise<Hit[][]> => {
    if (closed) throw new Error('the index is closed: make it again with createTextIndex()')
    checkTexts('search', queries)
    checkOptions('search settings', settings, searchChecks)
    searching++
    try {
      return await find(queries, settings)
    } finally {
      if (--searching === 0 && closed) release()
    }
  }
  const search = async (query: string, settings?: SearchSettings): Promise<Hit[]> => {
    checkValue('search', query, aText, 'searchAll() takes a list of them')
    return (await searchAll([query], settings))[0]!
  }
  const close = () => {
    if (!closed && searching === 0) release()
    closed = true
  }
  const hits: TextHits = { size, vectors, search, searchAll, close }
  return closing(hits, close)
}
