// A collection searched by late interaction: its token vectors in memory or in a file that is read by position, all documents compared or, in two stages,
// the best of a cheaper search alone.
import type { Backend } from '../backend/backend.js'
import { hashLines } from '../data/fingerprint.js'
import type { PackedBatch } from '../model/batch.js'
import type { Encoder } from '../model/encoder.js'
import type { LateBatch } from '../model/late-interaction.js'
import { createBm25Index, searchBm25 } from '../retrieve/bm25.js'
import { encodeLate, type PackedVectors } from '../retrieve/encode-late.js'
import { rescoreLate, searchLate } from '../retrieve/maxsim.js'
import { pooledStore, pooledTokens } from '../retrieve/pooled.js'
import { compressTokens } from '../retrieve/residuals.js'
import { MOST_RESULTS, type SearchResult, searchExact } from '../retrieve/search.js'
import {
  openTokenStore,
  type TokenForm,
  type TokenStore,
  vectorStore,
  writeTokenStore,
} from '../retrieve/token-store.js'
import { exists } from '../runtime/files.js'

export const firstStages = ['bm25', 'pooled'] as const

/** The cheaper search: by words, or by the mean of a text's token vectors. */
export interface FirstStage {
  readonly by: (typeof firstStages)[number]
  /** Documents that it leaves of each query. */
  readonly candidates: number
}

/** Where token vectors of documents are kept: written where there is no such file yet. */
export interface TokenFile {
  readonly path: string
  /** sha-256 of the model. */
  readonly model: string
}

export interface LateSettings {
  /** How token vectors are kept; default: as the file has them, else f32. */
  readonly form?: TokenForm
  readonly file?: TokenFile
  /** Absent: all documents are compared. */
  readonly firstStage?: FirstStage
}

/** What is searched: documents and queries as tokens, and as texts for a first stage by words. */
export interface LateTexts {
  readonly documents: PackedBatch
  readonly queries: PackedBatch
  /** An empty query: by it residuals are coded. */
  readonly blank?: PackedBatch | undefined
  /** In the order of `documents` and `queries`; asked for only by words. */
  readonly words: () => { readonly documents: readonly string[]; readonly queries: readonly string[] }
}

export interface LateHooks {
  /** Told how many of all tokens are encoded. */
  readonly onTokens?: (tokens: number) => void
  readonly batchTokens?: number
  readonly signal?: AbortSignal
}

export interface LateFound {
  readonly found: SearchResult & { readonly counts?: Int32Array }
  /** How the documents' token vectors are kept, and what they take. */
  readonly form: TokenForm
  readonly bytes: number
  /** By performance.now(). */
  readonly encodedAt: number
}

export async function searchByTokens(
  backend: Backend,
  encoder: Encoder,
  texts: LateTexts,
  k: number,
  settings: LateSettings,
  { onTokens, batchTokens, signal }: LateHooks = {},
): Promise<LateFound> {
  const encode = (batch: PackedBatch, before: number): Promise<PackedVectors> =>
    encodeLate(backend, encoder, batch as LateBatch, {
      onProgress: ({ tokens }) => onTokens?.(before + tokens),
      ...(batchTokens && { batchTokens }),
      ...(signal && { signal }),
    })
  const keep = async (form: TokenForm): Promise<TokenStore> => {
    const packed = await encode(texts.documents, 0)
    if (form !== 'residual') return vectorStore(packed, form)
    const { blank } = texts
    const query = blank?.ids.length ? (await encodeLate(backend, encoder, blank as LateBatch)).vectors : undefined
    return compressTokens(backend, packed, query ? { query } : {})
  }
  const store = await storeOf(texts.documents, settings, keep)
  try {
    const asked = await encode(texts.queries, texts.documents.ids.length)
    const encodedAt = performance.now()
    const options = { k, ...(signal && { signal }) }
    const found = settings.firstStage
      ? await secondStage(
          backend,
          asked,
          store,
          await firstStage(backend, texts, asked, store, settings.firstStage),
          options,
        )
      : await searchLate(backend, asked, store, options)
    return { found, form: store.form, bytes: store.bytes, encodedAt }
  } finally {
    await store.close()
  }
}

async function storeOf(
  documents: PackedBatch,
  { form, file }: LateSettings,
  keep: (form: TokenForm) => Promise<TokenStore>,
): Promise<TokenStore> {
  if (!file) return keep(form ?? 'f32')
  const belongs = await identity(file.model, documents)
  if (!(await exists(file.path))) await writeTokenStore(file.path, await keep(form ?? 'f32'), belongs)
  const store = await openTokenStore(file.path)
  const problem =
    store.belongs !== belongs
      ? 'belongs to another model, another collection or another length of texts'
      : form !== undefined && form !== store.form
        ? `holds token vectors as ${store.form}, not as ${form}`
        : undefined
  if (problem === undefined) return store
  await store.close()
  throw new Error(`${file.path} ${problem}; name another file, or remove this one to have it written anew`)
}

/** Of a model's token vectors of these documents. */
const identity = (model: string, { ids, offsets }: PackedBatch): Promise<string> => {
  function* lines() {
    yield model
    for (let b = 0; b + 1 < offsets.length; b++) yield ids.subarray(offsets[b]!, offsets[b + 1]!).join()
  }
  return hashLines(lines())
}

/** The documents that are left of each query. */
async function firstStage(
  backend: Backend,
  texts: LateTexts,
  asked: PackedVectors,
  store: TokenStore,
  { by, candidates }: FirstStage,
): Promise<Int32Array[]> {
  const k = Math.min(candidates, store.offsets.length - 1, MOST_RESULTS)
  const search = async (): Promise<SearchResult> => {
    if (by === 'bm25') {
      const { documents, queries } = texts.words()
      return searchBm25(createBm25Index(documents), queries, { k })
    }
    return searchExact(backend, pooledTokens(asked), await pooledStore(store), store.width, { k })
  }
  const { rows, k: width } = await search()
  const queries = asked.offsets.length - 1
  return Array.from({ length: queries }, (_, q) => rows.slice(q * width, (q + 1) * width).filter(row => row >= 0))
}

async function secondStage(
  backend: Backend,
  asked: PackedVectors,
  store: TokenStore,
  lists: readonly Int32Array[],
  options: { readonly k: number; readonly signal?: AbortSignal },
) {
  const found = await rescoreLate(backend, asked, store, lists, options)
  return { ...found, counts: Int32Array.from(lists, ({ length }) => Math.min(length, found.k)) }
}
