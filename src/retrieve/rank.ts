// Texts ranked by an encoder, whatever its architecture: one vector a text under one encoder or two, or one a token (MaxSim). For mining, where the
// scores of documents that were not found are wanted too.
import type { Backend } from '../backend/backend.js'
import type { PackedBatch } from '../model/batch.js'
import { type Encoder, encoderWidth } from '../model/encoder.js'
import type { LateBatch } from '../model/late-interaction.js'
import type { Similarity } from '../model/sentence-transformers.js'
import { type EncodeOptions, encodeSequences } from './encode.js'
import { encodeLate, type PackedVectors } from './encode-late.js'
import { searchLate } from './maxsim.js'
import type { SearchResult } from './search.js'
import { searchSimilar, similarityMatrix } from './similarity.js'
import { vectorStore } from './token-store.js'

export interface RankingModel {
  readonly query: Encoder
  /** The same object as `query` where one encoder serves both sides. */
  readonly passage: Encoder
  readonly similarity: Similarity | 'maxsim'
}

export interface Ranked {
  readonly found: SearchResult
  /** A query's scores of any documents. */
  scoresOf(query: number, documents: readonly number[]): number[]
}

export interface RankOptions extends Pick<EncodeOptions, 'signal'> {
  readonly k: number
  readonly batchTokens?: number
  /** Tokens encoded so far, of both sides. */
  readonly onProgress?: (tokens: number) => void
}

/** The k best documents for each query; ties go to the lower one. With `maxsim` both batches say which tokens are kept. */
export async function rankTexts(
  backend: Backend,
  model: RankingModel,
  queries: PackedBatch | LateBatch,
  documents: PackedBatch | LateBatch,
  options: RankOptions,
): Promise<Ranked> {
  const { similarity } = model
  return similarity === 'maxsim'
    ? rankTokens(backend, model, queries as LateBatch, documents as LateBatch, options)
    : rankVectors(backend, { ...model, similarity }, queries, documents, options)
}

const encoding = ({ batchTokens, onProgress, signal }: RankOptions, before: number): EncodeOptions => ({
  ...(batchTokens !== undefined && { batchTokens }),
  ...(signal && { signal }),
  onProgress: ({ tokens }) => onProgress?.(before + tokens),
})

async function rankVectors(
  backend: Backend,
  { query, passage, similarity }: RankingModel & { readonly similarity: Similarity },
  queries: PackedBatch,
  documents: PackedBatch,
  options: RankOptions,
): Promise<Ranked> {
  const width = encoderWidth(passage)
  const vectors = async (encoder: Encoder, batch: PackedBatch, before: number) => {
    const encoded = await encodeSequences(backend, encoder, batch, encoding(options, before))
    return similarity === 'cosine' && !encoder.normalize ? normalizeRows(encoded, width) : encoded
  }
  const corpus = await vectors(passage, documents, 0)
  const asked = await vectors(query, queries, documents.ids.length)
  const { k, signal } = options
  const found = await searchSimilar(backend, similarity, asked, corpus, width, { k, ...(signal && { signal }) })
  const rowOf = (all: Float32Array, row: number) => all.subarray(row * width, (row + 1) * width)
  return {
    found,
    scoresOf: (q, rows) =>
      rows.map(row => similarityMatrix(similarity, rowOf(asked, q), rowOf(corpus, row), width)[0]!),
  }
}

async function rankTokens(
  backend: Backend,
  { query, passage }: RankingModel,
  queries: LateBatch,
  documents: LateBatch,
  options: RankOptions,
): Promise<Ranked> {
  const corpus = await encodeLate(backend, passage, documents, encoding(options, 0))
  const asked = await encodeLate(backend, query, queries, encoding(options, documents.ids.length))
  const { k, signal } = options
  const found = await searchLate(backend, asked, vectorStore(corpus, 'f32'), { k, ...(signal && { signal }) })
  return { found, scoresOf: (q, rows) => rows.map(row => maxSimOf(asked, q, corpus, row)) }
}

/** Σ over the query's tokens of the greatest dot product, in f64. */
function maxSimOf(query: PackedVectors, q: number, documents: PackedVectors, row: number): number {
  const { width } = query
  let sum = 0
  for (let i = query.offsets[q]!; i < query.offsets[q + 1]!; i++) {
    let best = Number.NEGATIVE_INFINITY
    for (let j = documents.offsets[row]!; j < documents.offsets[row + 1]!; j++) {
      let dot = 0
      for (let c = 0; c < width; c++) dot += query.vectors[i * width + c]! * documents.vectors[j * width + c]!
      if (dot > best) best = dot
    }
    sum += best
  }
  return Math.fround(sum)
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
