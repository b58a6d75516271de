// Scoring a retriever on a collection: tokenize, encode, exact search, trec_eval's measures, under BEIR's or TREC's rules.
import type { Backend } from '../backend/backend.js'
import type { Collection, Texts } from '../data/collection.js'
import { counted } from '../data/counted.js'
import { compareIds, type Run } from '../data/trec.js'
import { defaultMeasures, parseMeasure } from '../evaluate/measures.js'
import { type Evaluation, evaluateRun } from '../evaluate/metrics.js'
import type { PackedBatch } from '../model/batch.js'
import { type Encoder, encoderWidth, isPerToken } from '../model/encoder.js'
import { createLateTokenizer } from '../model/late-interaction.js'
import type { SentenceSettings } from '../model/sentence-transformers.js'
import { encodeSequences } from '../retrieve/encode.js'
import { normalizeRows } from '../retrieve/rank.js'
import { MOST_RESULTS, type SearchResult } from '../retrieve/search.js'
import { searchSimilar } from '../retrieve/similarity.js'
import type { TokenForm } from '../retrieve/token-store.js'
import type { Tokenizer } from '../text/tokenizer.js'
import { type LateSettings, searchByTokens } from './late-search.js'
import { packTexts, promptFor } from './model.js'

export interface EvaluateSettings {
  /** Results kept a query. */
  readonly k: number
  /** beir: a document whose id is the query's is dropped. */
  readonly protocol: 'beir' | 'trec'
  readonly measures?: readonly string[]
  /** Tokens of a text at most. */
  readonly maxLength: number
  readonly batchTokens?: number
  /** Of late interaction: how and where token vectors are kept, and whether it has two stages. */
  readonly late?: LateSettings
  /** That of documents, where it is another one. */
  readonly passage?: Encoder
  /** Vectors by the tokens of their documents, under one encoder: those there are used, others added. */
  readonly encoded?: Map<PackedBatch, Float32Array>
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

/** The scores of a retriever on a collection, what it found, and what that took. */
export interface CollectionScores extends Evaluation {
  readonly run: Run
  readonly queries: number
  readonly documents: number
  /** Real tokens encoded. */
  readonly tokens: number
  /** Texts that were cut to maxLength, and queries among them. */
  readonly truncated: number
  readonly truncatedQueries: number
  /** Of late interaction: how the documents' token vectors are kept, and what they take. */
  readonly tokenForm?: TokenForm
  readonly tokenBytes?: number
  readonly seconds: { readonly encode: number; readonly search: number }
}

/** A collection's texts as ids, ready for any model with this tokenizer. Documents are ordered by id, descending: search's ties need it. */
export interface TokenizedCollection {
  readonly collection: Collection
  readonly documentIds: readonly string[]
  readonly documents: PackedBatch
  readonly queries: PackedBatch
  /** Of late interaction: an empty query. */
  readonly blank?: PackedBatch
  /** Texts that were cut, and queries among them. */
  readonly truncated: number
  readonly truncatedQueries: number
}

/** `sameDocuments`: another split of the same folder, whose documents are not tokenized again. */
export function tokenizeCollection(
  tokenizer: Tokenizer,
  settings: SentenceSettings,
  collection: Collection,
  maxLength: number,
  sameDocuments?: TokenizedCollection,
  /** Stands before the queries in place of the model's own. */
  prompt = promptFor(settings, 'query'),
  /** The same before the documents. */
  documentPrompt = promptFor(settings, 'document'),
): TokenizedCollection {
  const pack = packer(tokenizer, settings, maxLength)
  const queries = pack('query', collection.queries.texts, prompt)
  const cut = { truncatedQueries: queries.truncated, truncated: queries.truncated }
  if (sameDocuments) return { ...sameDocuments, collection, queries, ...cut }
  const sorted = sortById(collection.documents)
  const documents = pack('document', sorted.texts, documentPrompt)
  const truncated = documents.truncated + queries.truncated
  const blank = settings.lateInteraction && { blank: pack('query', ['']) }
  return { collection, documentIds: sorted.ids, documents, queries, ...blank, ...cut, truncated }
}

/** Texts to ids, as the model wants them. Late interaction has markers for prompts, and lengths of its own, which a shorter `maxLength` cuts further. */
function packer(tokenizer: Tokenizer, settings: SentenceSettings, maxLength: number) {
  if (!settings.lateInteraction)
    return (kind: 'query' | 'document', texts: readonly string[], prompt?: string) =>
      packTexts(tokenizer, settings, kind, texts, maxLength, prompt)
  const late = createLateTokenizer(tokenizer, settings)
  const limit = maxLength < settings.maxLength ? maxLength : undefined
  return (kind: 'query' | 'document', texts: readonly string[]) => late.encode(kind, texts, limit)
}

/** Descending by id: where scores tie, the lower row is then trec_eval's first. */
export const sortById = ({ ids, texts }: Texts): Texts => {
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
  const { collection, documents, queries, blank, documentIds } = tokenized
  const k = resultsToFind(settings)
  const known = settings.encoded?.get(documents)
  const before = known ? 0 : documents.ids.length
  const total = before + queries.ids.length
  const width = encoderWidth(encoder)
  const started = performance.now()
  const vectors = async (sequences: PackedBatch, before: number, encoder: Encoder) => {
    const report = ({ tokens }: { tokens: number }) => onProgress?.({ done: before + tokens, total, unit: 'tokens' })
    const encoded = await encodeSequences(backend, encoder, sequences, {
      onProgress: report,
      ...(settings.batchTokens && { batchTokens: settings.batchTokens }),
      ...(signal && { signal }),
    })
    return similarity === 'cosine' && !encoder.normalize ? normalizeRows(encoded, width) : encoded
  }
  let encodedAt = 0
  let kept: { readonly tokenForm: TokenForm; readonly tokenBytes: number } | undefined
  const search = async (): Promise<SearchResult> => {
    const corpus = known ?? (await vectors(documents, 0, settings.passage ?? encoder))
    settings.encoded?.set(documents, corpus)
    const asked = await vectors(queries, before, encoder)
    encodedAt = performance.now()
    return searchSimilar(backend, similarity, asked, corpus, width, { k, ...(signal && { signal }) })
  }
  const late = async (): Promise<SearchResult & { readonly counts?: Int32Array }> => {
    const words = () => ({ documents: sortById(collection.documents).texts, queries: collection.queries.texts })
    const done = await searchByTokens(backend, encoder, { documents, queries, blank, words }, k, settings.late ?? {}, {
      onTokens: tokens => onProgress?.({ done: tokens, total, unit: 'tokens' }),
      ...(settings.batchTokens && { batchTokens: settings.batchTokens }),
      ...(signal && { signal }),
    })
    kept = { tokenForm: done.form, tokenBytes: done.bytes }
    encodedAt = done.encodedAt
    return done.found
  }
  const found = await (isPerToken(encoder) ? late() : search())
  const searchedAt = performance.now()
  const run = runOf(collection, documentIds, found, settings)
  return {
    ...scoreRun(collection, run, settings),
    run,
    queries: collection.queries.ids.length,
    documents: documentIds.length,
    tokens: total,
    truncated: tokenized.truncated,
    truncatedQueries: tokenized.truncatedQueries,
    ...kept,
    seconds: { encode: (encodedAt - started) / 1000, search: (searchedAt - encodedAt) / 1000 },
  }
}

type Rules = Pick<EvaluateSettings, 'k' | 'protocol' | 'measures'>

/** Results to search for: one more than asked where the query's own document may be dropped. Fails where search keeps fewer. */
export function resultsToFind({ k, protocol }: Rules): number {
  const more = protocol === 'beir' ? 1 : 0
  if (k + more > MOST_RESULTS)
    throw new Error(`k is ${k}, expected at most ${MOST_RESULTS - more}: what search keeps of a query`)
  return k + more
}

/** What was found for each query, by ids. `counts`: results of each query, where one may have fewer than k. */
export function runOf(
  { queries }: Collection,
  documentIds: readonly string[],
  { k, scores, rows, counts }: SearchResult & { readonly counts?: Int32Array },
  settings: Rules,
): Run {
  const resultsOf = (query: string, q: number) => {
    const first = q * k
    const found = rows.subarray(first, first + (counts?.[q] ?? k))
    return Array.from(found, (row, rank) => ({ id: documentIds[row]!, score: scores[first + rank]! }))
      .filter(({ id }) => settings.protocol === 'trec' || id !== query)
      .slice(0, settings.k)
  }
  return new Map(queries.ids.map((query, q) => [query, resultsOf(query, q)]))
}

/** A run of a collection's queries, scored. One that found nothing counts 0, so that the means of all systems run over the same queries. */
export function scoreRun(
  { qrels, queries }: Collection,
  run: Run,
  { protocol, measures }: Omit<Rules, 'k'>,
): Evaluation {
  const asked = new Set(queries.ids)
  const judged = new Map([...qrels].filter(([query]) => asked.has(query)))
  // evaluateRun takes a run without any result for another collection's.
  if (queries.ids.every(query => !run.get(query)?.length)) return nothingFound([...judged.keys()], measures)
  return evaluateRun(judged, run, measures, { complete: true, dropSameId: protocol === 'beir' })
}

function nothingFound(queries: readonly string[], measures: readonly string[] = defaultMeasures): Evaluation {
  const zeros = () => Object.fromEntries(measures.map(name => [parseMeasure(name).name, 0]))
  return {
    scores: zeros(),
    perQuery: Object.fromEntries(queries.map(query => [query, zeros()])),
    counts: { queries: queries.length, missing: queries.length, unjudged: 0 },
  }
}

export { normalizeRows }

/** Texts that were cut, for people: how many of each kind, and to what. Undefined where none was. */
export function truncatedLine(
  { truncated, truncatedQueries: queries }: Pick<TokenizedCollection, 'truncated' | 'truncatedQueries'>,
  { lateInteraction }: Pick<SentenceSettings, 'lateInteraction'>,
  maxLength: number,
): string | undefined {
  const documents = truncated - queries
  const line = (count: number, one: string, many: string, length: number) =>
    count === 0
      ? []
      : [`${counted(count, one, many)} ${count === 1 ? 'is' : 'are'} longer than ${Math.min(length, maxLength)} tokens`]
  const lines = [
    ...line(queries, 'query', 'queries', lateInteraction?.queryLength ?? maxLength),
    ...line(documents, 'document', 'documents', lateInteraction?.documentLength ?? maxLength),
  ]
  return lines.length === 0 ? undefined : `${lines.join(', ')} and cut to that`
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
  readonly precision?: string
  readonly dimensions?: number | undefined
  readonly late?: Pick<LateSettings, 'form' | 'firstStage'>
}): string {
  const { protocol, k, maxLength, queryPrompt, documentPrompt, pooling, similarity, modelHash, dataHash } = parts
  const { form, firstStage } = parts.late ?? {}
  const prompts =
    queryPrompt || documentPrompt ? `prompts=${JSON.stringify([queryPrompt, documentPrompt])}` : 'prompts=none'
  return [
    protocol,
    `k=${k}`,
    `max_length=${maxLength}`,
    prompts,
    `pooling=${pooling}`,
    similarity,
    ...(parts.dimensions === undefined ? [] : [`dimensions=${parts.dimensions}`]),
    ...(parts.precision === undefined || parts.precision === 'f32' ? [] : [`precision=${parts.precision}`]),
    ...(form === undefined || form === 'f32' ? [] : [`tokens=${form}`]),
    ...(firstStage === undefined ? [] : [`first_stage=${firstStage.by}:${firstStage.candidates}`]),
    `model=${modelHash.slice(0, 12)}`,
    `data=${dataHash.slice(0, 12)}`,
  ].join(' ')
}
