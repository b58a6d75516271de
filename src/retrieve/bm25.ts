// BM25 with Lucene's formula (Robertson & Zaragoza 2009; the factor k1 + 1 is left out, as in Lucene since 8: it changes no ranking). For a
// query's words w, each as often as it occurs there, and a document of dl words that holds w tf times,
//   score = Σ_w idf(w) · tf / (tf + k1 · (1 − b + b · dl / avgdl))          idf(w) = ln(1 + (N − df + 0.5) / (df + 0.5))
// with df the documents that hold w, N all documents and avgdl their mean length, empty ones included. Lengths are exact (Lucene rounds them to
// 8 bits). Sums are f64. Each posting holds its summand, so that a search only adds.
import { wrong } from '../data/given.js'
import { createWordSplitter, ownCopy, plainWords, type WordSettings } from '../text/words.js'
import { MOST_RESULTS, type SearchResult } from './search.js'

export interface Bm25Settings extends WordSettings {
  /** How slowly repetitions of a word saturate; from 0. */
  readonly k1: number
  /** How much a document's length counts; from 0 to 1. */
  readonly b: number
}

/** Lucene's usual settings for passages; words as they are. */
export const bm25Defaults: Bm25Settings = { k1: 0.9, b: 0.4, ...plainWords }

/** Words counted, ready to be searched. */
export interface Bm25Index {
  readonly settings: Bm25Settings
  /** N. */
  readonly documents: number
  /** Words of all documents, repetitions included. */
  readonly words: number
  /** Word → its number t; its postings are offsets[t] to offsets[t + 1]. */
  readonly terms: ReadonlyMap<string, number>
  readonly offsets: Uint32Array // (terms + 1)
  readonly rows: Int32Array // (postings): documents, ascending for a word
  readonly impacts: Float64Array // (postings): summands of the score
}

/** Postings in the order of the documents. */
interface Gathered {
  readonly terms: ReadonlyMap<string, number>
  readonly termOf: Int32Array // (postings)
  readonly frequencies: Int32Array // (postings)
  readonly ends: readonly number[] // (N): where a document's postings end
  readonly lengths: readonly number[] // (N): its words
}

/** Indexes texts in one pass. Fails at settings that make no sense and where there is no text. */
export function createBm25Index(texts: Iterable<string>, settings: Partial<Bm25Settings> = {}): Bm25Index {
  // A string would be taken for a list of its characters.
  if (typeof texts === 'string') throw wrong('createBm25Index', 'a list of strings', texts, 'put it into brackets')
  const all = { ...bm25Defaults, ...settings }
  const { k1, b } = all
  if (!Number.isFinite(k1) || k1 < 0) throw new Error(`bm25: k1 is ${k1}, expected a number from 0`)
  if (!(b >= 0 && b <= 1)) throw new Error(`bm25: b is ${b}, expected a number from 0 to 1`)
  const gathered = gather(texts, createWordSplitter(all))
  const { terms, lengths } = gathered
  if (lengths.length === 0) throw new Error('bm25: there is no document to index, expected one or more')
  const words = lengths.reduce((sum, length) => sum + length, 0)
  return { settings: all, documents: lengths.length, words, terms, ...byTerm(gathered, words, all) }
}

function gather(texts: Iterable<string>, split: (text: string) => string[]): Gathered {
  const terms = new Map<string, number>()
  const last: number[] = [] // (terms): a term's latest posting
  const [ends, lengths]: number[][] = [[], []]
  let termOf = new Int32Array(1 << 16)
  let frequencies = new Int32Array(1 << 16)
  let count = 0
  for (const text of texts) {
    const first = count
    const words = split(text)
    for (const word of words) {
      let term = terms.get(word)
      if (term === undefined) {
        term = terms.size
        terms.set(ownCopy(word), term)
        last.push(-1)
      }
      if (last[term]! < first) {
        if (count === termOf.length) [termOf, frequencies] = [doubled(termOf), doubled(frequencies)]
        termOf[count] = term
        last[term] = count++
      }
      frequencies[last[term]!]!++
    }
    ends!.push(count)
    lengths!.push(words.length)
  }
  return {
    terms,
    termOf: termOf.subarray(0, count),
    frequencies: frequencies.subarray(0, count),
    ends: ends!,
    lengths: lengths!,
  }
}

function doubled(values: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * values.length)
  larger.set(values)
  return larger
}

/** Postings in the order of the terms (a counting sort), with their impacts. */
function byTerm({ terms, termOf, frequencies, ends, lengths }: Gathered, words: number, { k1, b }: Bm25Settings) {
  const documents = lengths.length
  const offsets = new Uint32Array(terms.size + 1)
  for (let p = 0; p < termOf.length; p++) offsets[termOf[p]! + 1]!++
  const idf = Float64Array.from(offsets.subarray(1), df => Math.log(1 + (documents - df + 0.5) / (df + 0.5)))
  for (let t = 0; t < terms.size; t++) offsets[t + 1]! += offsets[t]!
  const next = offsets.slice()
  const rows = new Int32Array(termOf.length)
  const impacts = new Float64Array(termOf.length)
  for (let row = 0, p = 0; row < documents; row++) {
    const norm = k1 * (1 - b + (b * lengths[row]! * documents) / words)
    for (; p < ends[row]!; p++) {
      const [term, tf] = [termOf[p]!, frequencies[p]!]
      const at = next[term]!++
      rows[at] = row
      impacts[at] = (idf[term]! * tf) / (tf + norm)
    }
  }
  return { offsets, rows, impacts }
}

export interface Bm25SearchOptions {
  /** Results a query, at most MOST_RESULTS. */
  readonly k: number
  readonly onProgress?: (done: { readonly queries: number }) => void
}

/** Of all queries, query by query. */
export interface Bm25Result extends SearchResult {
  /** Results of each query: only documents that share a word with it. Behind them, its rows are −1. */
  readonly counts: Int32Array // (Q)
}

/** The k best documents for each query: by score as f32 descending, ties to the lower row, as searchExact orders them. */
export function searchBm25(
  index: Bm25Index,
  queries: readonly string[],
  { k: asked, onProgress }: Bm25SearchOptions,
): Bm25Result {
  if (!Number.isInteger(asked) || asked < 1 || asked > MOST_RESULTS)
    throw new Error(`bm25: k is ${asked}, expected 1 to ${MOST_RESULTS}`)
  const k = Math.min(asked, index.documents)
  const size = queries.length * k
  const found = { scores: new Float32Array(size), rows: new Int32Array(size).fill(-1) }
  const counts = new Int32Array(queries.length)
  const split = createWordSplitter(index.settings)
  const sums = new Float64Array(index.documents)
  for (const [q, query] of queries.entries()) {
    addImpacts(index, split(query), sums)
    const [scores, rows] = [found.scores.subarray(q * k, (q + 1) * k), found.rows.subarray(q * k, (q + 1) * k)]
    counts[q] = keepBest(sums, scores, rows)
    onProgress?.({ queries: q + 1 })
  }
  return { k, ...found, counts }
}

/** A query's scores of some documents, found by it or not, as f32. */
export function scoreBm25(index: Bm25Index, query: string, rows: readonly number[]): number[] {
  const sums = new Float64Array(index.documents)
  addImpacts(index, createWordSplitter(index.settings)(query), sums)
  return rows.map(row => Math.fround(sums[row]!))
}

function addImpacts({ terms, offsets, rows, impacts }: Bm25Index, words: readonly string[], sums: Float64Array): void {
  sums.fill(0)
  for (const word of words) {
    const term = terms.get(word)
    if (term === undefined) continue
    const end = offsets[term + 1]!
    for (let p = offsets[term]!; p < end; p++) sums[rows[p]!]! += impacts[p]!
  }
}

/** The largest sums above 0, descending, and their rows; how many there are. Rows come in ascending order: an equal one goes behind. */
function keepBest(sums: Float64Array, scores: Float32Array, rows: Int32Array): number {
  const k = scores.length
  let count = 0
  let least = 0 // what a sum must exceed
  for (let row = 0; row < sums.length; row++) {
    if (sums[row]! <= least) continue
    const score = Math.fround(sums[row]!)
    if (count === k && score <= least) continue
    let [low, high] = [0, count]
    while (low < high) {
      const middle = (low + high) >> 1
      if (scores[middle]! >= score) low = middle + 1
      else high = middle
    }
    if (count < k) count++
    scores.copyWithin(low + 1, low, count - 1)
    rows.copyWithin(low + 1, low, count - 1)
    scores[low] = score
    rows[low] = row
    if (count === k) least = scores[k - 1]!
  }
  return count
}
