// Scoring a retriever on a collection: tokenize, encode, exact search, trec_eval's measures, under BEIR's or TREC's rules.
import type { Backend } from '../backend/backend.js'
import type { Collection, Texts } from '../data/collection.js'
import { compareIds, type Run } from '../data/trec.js'
import { type Evaluation, evaluateRun } from '../evaluate/metrics.js'
import type { PackedBatch } from '../model/batch.js'
import type { Encoder } from '../model/encoder.js'
import type { SentenceSettings } from '../model/sentence-transformers.js'
import { encodeSequences } from '../retrieve/encode.js'
import { MOST_RESULTS, searchExact } from '../retrieve/search.js'
import type { Tokenizer } from '../text/tokenizer.js'
import { inputTexts } from './model.js'

export interface EvaluateSettings {
  /** Results kept a query. */
  readonly k: number
  /** beir: a document whose id is the query's is dropped. */
  readonly protocol: 'beir' | 'trec'
  readonly measures?: readonly string[]
  /** Tokens of a text at most. */
  readonly maxLength: number
  readonly batchTokens?: number
}

export interface Progress {
  readonly done: number
  readonly total: number
  readonly unit: 'tokens'
}

export interface EvaluateHooks {
  readonly onProgress?: (progress: Progress) => void
  readonly signal?: AbortSignal
}

export interface CollectionScores extends Evaluation {
  readonly run: Run
  readonly queries: number
  readonly documents: number
  /** Real tokens encoded. */
  readonly tokens: number
  /** Texts that were cut to maxLength. */
  readonly truncated: number
  readonly seconds: { readonly encode: number; readonly search: number }
}

/** A collection's texts as ids, ready for any model with this tokenizer. Documents are ordered by id, descending: search's ties need it. */
export interface TokenizedCollection {
  readonly collection: Collection
  readonly documentIds: readonly string[]
  readonly documents: PackedBatch
  readonly queries: PackedBatch
  readonly truncated: number
}

export function tokenizeCollection(
  tokenizer: Tokenizer,
  settings: SentenceSettings,
  collection: Collection,
  maxLength: number,
): TokenizedCollection {
  const sorted = sortById(collection.documents)
  const documents = tokenizer.encode(inputTexts(settings, 'document', sorted.texts), { maxLength })
  const queries = tokenizer.encode(inputTexts(settings, 'query', collection.queries.texts), { maxLength })
  return { collection, documentIds: sorted.ids, documents, queries, truncated: documents.truncated + queries.truncated }
}

const sortById = ({ ids, texts }: Texts): Texts => {
  const order = ids.map((_, i) => i).sort((a, b) => compareIds(ids[b]!, ids[a]!))
  return { ids: order.map(i => ids[i]!), texts: order.map(i => texts[i]!) }
}

/** Encodes queries and documents, searches, scores. Fails at a text that does not fit the model, and where k is more than search keeps. */
export async function evaluateCollection(
  backend: Backend,
  encoder: Encoder,
  similarity: SentenceSettings['similarity'],
  tokenized: TokenizedCollection,
  settings: EvaluateSettings,
  { onProgress, signal }: EvaluateHooks = {},
): Promise<CollectionScores> {
  const { collection, documents, queries, documentIds } = tokenized
  // One result more than asked: the query's own document may be dropped.
  const dropsOwn = settings.protocol === 'beir'
  const k = settings.k + (dropsOwn ? 1 : 0)
  if (k > MOST_RESULTS)
    throw new Error(
      `k is ${settings.k}, expected at most ${MOST_RESULTS - (dropsOwn ? 1 : 0)}: what search keeps of a query`,
    )
  const total = documents.ids.length + queries.ids.length
  const started = performance.now()
  const vectors = async (sequences: PackedBatch, before: number) => {
    const report = ({ tokens }: { tokens: number }) => onProgress?.({ done: before + tokens, total, unit: 'tokens' })
    const encoded = await encodeSequences(backend, encoder, sequences, {
      onProgress: report,
      ...(settings.batchTokens && { batchTokens: settings.batchTokens }),
      ...(signal && { signal }),
    })
    return similarity === 'cosine' && !encoder.normalize ? normalizeRows(encoded, encoder.config.hidden) : encoded
  }
  const corpus = await vectors(documents, 0)
  const asked = await vectors(queries, documents.ids.length)
  const encodedAt = performance.now()

  const found = await searchExact(backend, asked, corpus, encoder.config.hidden, { k, ...(signal && { signal }) })
  const searchedAt = performance.now()
  const run: Run = new Map()
  collection.queries.ids.forEach((query, q) => {
    const results = Array.from(found.rows.subarray(q * found.k, (q + 1) * found.k), (row, rank) => ({
      id: documentIds[row]!,
      score: found.scores[q * found.k + rank]!,
    }))
    run.set(query, results.filter(({ id }) => !dropsOwn || id !== query).slice(0, settings.k))
  })
  const evaluation = evaluateRun(collection.qrels, run, settings.measures, { dropSameId: dropsOwn })
  return {
    ...evaluation,
    run,
    queries: collection.queries.ids.length,
    documents: documentIds.length,
    tokens: total,
    truncated: tokenized.truncated,
    seconds: { encode: (encodedAt - started) / 1000, search: (searchedAt - encodedAt) / 1000 },
  }
}

/** Rows divided by their norms; a zero row stays zero. */
export function normalizeRows(vectors: Float32Array, width: number): Float32Array {
  const out = new Float32Array(vectors.length)
  for (let row = 0; row < vectors.length; row += width) {
    let squares = 0
    for (let i = row; i < row + width; i++) squares += vectors[i]! ** 2
    const factor = 1 / Math.max(Math.sqrt(squares), 1e-12)
    for (let i = row; i < row + width; i++) out[i] = vectors[i]! * factor
  }
  return out
}

/** What a score depends on, in one line: printed and saved with it. */
export function fingerprint(parts: {
  readonly protocol: string
  readonly k: number
  readonly maxLength: number
  readonly queryPrompt: string
  readonly documentPrompt: string
  readonly pooling: string
  readonly similarity: string
  readonly modelHash: string
  readonly dataHash: string
}): string {
  const { protocol, k, maxLength, queryPrompt, documentPrompt, pooling, similarity, modelHash, dataHash } = parts
  const prompts =
    queryPrompt || documentPrompt ? `prompts=${JSON.stringify([queryPrompt, documentPrompt])}` : 'prompts=none'
  return [
    protocol,
    `k=${k}`,
    `max_length=${maxLength}`,
    prompts,
    `pooling=${pooling}`,
    similarity,
    `model=${modelHash.slice(0, 12)}`,
    `data=${dataHash.slice(0, 12)}`,
  ].join(' ')
}
