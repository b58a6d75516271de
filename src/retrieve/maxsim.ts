// Exact late-interaction search: MaxSim of queries with all documents of a store, block by block, the best k kept on the device; or with given
// candidates alone. Ties go to the lower document. Narrow storage is unpacked on the device, a block at a time.
import type { Backend } from '../backend/backend.js'
import { freeTensors } from '../tensor/parameters.js'
import { createPool, createProgram, type Program, releasePool } from '../tensor/program.js'
import type { Tensor } from '../tensor/tensor.js'
import type { PackedVectors } from './encode-late.js'
import { placeBest, placeCodebook, readBest, searchPlan } from './late-plan.js'
import { MOST_RESULTS, rowsThatBind, type SearchResult } from './search.js'
import { arraysOf, type TokenStore } from './token-store.js'

export interface LateSearchOptions {
  /** Results a query, at most MOST_RESULTS. */
  readonly k: number
  /** Tokens of documents that are compared at a time: a longer document makes a block of its own. */
  readonly blockTokens?: number
  /** Queries for which the store is gone through once. */
  readonly queryBlock?: number
  readonly onProgress?: (done: { readonly queries: number }) => void
  readonly signal?: AbortSignal
}

const BLOCK_TOKENS = 1 << 16
const QUERY_BLOCK = 64
/** Milliseconds between two turns of the event loop. */
const TURN = 50

/** The k documents with the largest MaxSim for each query. A document without tokens comes last. */
export async function searchLate(
  backend: Backend,
  queries: PackedVectors,
  store: TokenStore,
  { k: asked, blockTokens = BLOCK_TOKENS, queryBlock = QUERY_BLOCK, onProgress, signal }: LateSearchOptions,
): Promise<SearchResult> {
  const { k, count } = checkedSearch(queries, store, asked)
  const result = emptyResult(count, k)
  if (k === 0 || count === 0) return result
  const search = openSearch(backend, store, k, Math.min(queryBlock, count))
  const block = rowsThatBind(backend, store.width, blockTokens)
  let turned = performance.now()
  try {
    for (let q = 0; q < count; q += queryBlock) {
      const part = textsOf(queries, q, Math.min(q + queryBlock, count))
      for (const { first, last } of documentBlocks(store.offsets, block)) {
        signal?.throwIfAborted()
        await search.run(part, first, last)
        if (performance.now() - turned < TURN) continue
        await backend.finish()
        await new Promise(resolve => setTimeout(resolve, 0))
        turned = performance.now()
      }
      const found = await search.read(part.offsets.length - 1)
      result.scores.set(found.scores, q * k)
      result.rows.set(found.rows, q * k)
      onProgress?.({ queries: q + part.offsets.length - 1 })
    }
  } finally {
    search.release()
  }
  return result
}

/** The k best of each query's `candidates` (documents, in any order, each once): the second stage behind a cheaper search. */
export async function rescoreLate(
  backend: Backend,
  queries: PackedVectors,
  store: TokenStore,
  candidates: readonly Int32Array[],
  options: Pick<LateSearchOptions, 'k' | 'blockTokens' | 'signal'>,
): Promise<SearchResult> {
  const { count, k } = checkedSearch(queries, store, options.k)
  if (candidates.length !== count)
    throw new Error(`${candidates.length} lists of candidates for ${count} queries, expected one each`)
  const documents = store.offsets.length - 1
  for (const list of candidates)
    for (const each of list)
      if (each < 0 || each >= documents)
        throw new Error(`candidate ${each} is no document: there are ${documents}, counted from 0`)
  const result = emptyResult(count, k)
  if (k === 0) return result
  const block = rowsThatBind(backend, store.width, options.blockTokens ?? BLOCK_TOKENS)
  const search = openSearch(backend, store, k, 1)
  try {
    for (const [i, list] of candidates.entries()) {
      // By their number, so that ties go to the lower document
      const sorted = Int32Array.from(list).sort()
      const query = textsOf(queries, i, i + 1)
      for (const { first, last } of listBlocks(sorted, store.offsets, block)) {
        options.signal?.throwIfAborted()
        await search.runChosen(query, sorted.subarray(first, last), first)
      }
      if (sorted.length === 0) continue
      const found = await search.read(1)
      result.scores.set(found.scores, i * k)
      result.rows.set(
        found.rows.map(place => (place < 0 ? -1 : sorted[place]!)),
        i * k,
      )
    }
  } finally {
    search.release()
  }
  return result
}

export function checkedSearch(queries: PackedVectors, store: TokenStore, asked: number): { k: number; count: number } {
  if (!Number.isInteger(asked) || asked < 1 || asked > MOST_RESULTS)
    throw new Error(`search: k is ${asked}, expected 1 to ${MOST_RESULTS}`)
  if (queries.width !== store.width)
    throw new Error(`search: token vectors of queries have ${queries.width} columns, those of documents ${store.width}`)
  return { k: Math.min(asked, store.offsets.length - 1), count: queries.offsets.length - 1 }
}

export const emptyResult = (count: number, k: number): SearchResult => ({
  k,
  scores: new Float32Array(count * k).fill(-Infinity),
  rows: new Int32Array(count * k).fill(-1),
})

/** Texts `first` … `last` − 1, with offsets from 0. */
export function textsOf({ vectors, offsets, width }: PackedVectors, first: number, last: number): PackedVectors {
  const [from, to] = [offsets[first]!, offsets[last]!]
  return {
    vectors: vectors.subarray(from * width, to * width),
    offsets: offsets.slice(first, last + 1).map(end => end - from),
    width,
  }
}

/** Runs of documents of at most so many tokens together. */
export const documentBlocks = (offsets: Int32Array, tokens: number) =>
  listBlocks(
    Int32Array.from({ length: offsets.length - 1 }, (_, i) => i),
    offsets,
    tokens,
  )

function listBlocks(list: Int32Array, offsets: Int32Array, tokens: number): { first: number; last: number }[] {
  const blocks: { first: number; last: number }[] = []
  let held = Number.POSITIVE_INFINITY
  list.forEach((document, i) => {
    const length = offsets[document + 1]! - offsets[document]!
    if (held + length > tokens) {
      blocks.push({ first: i, last: i })
      held = 0
    }
    blocks.at(-1)!.last = i + 1
    held += length
  })
  return blocks
}

interface LateSearch {
  /** Documents `first` … `last` − 1. */
  run(queries: PackedVectors, first: number, last: number): Promise<void>
  /** Some documents in order; results name their places, counted from `first` on. */
  runChosen(queries: PackedVectors, chosen: Int32Array, first: number): Promise<void>
  read(queries: number): Promise<{ scores: Float32Array; rows: Int32Array }>
  release(): void
}

function openSearch(backend: Backend, store: TokenStore, k: number, queryBlock: number): LateSearch {
  const held: Tensor[] = []
  const hold = (tensor: Tensor): Tensor => {
    held.push(tensor)
    return tensor
  }
  const pool = createPool(backend)
  try {
    const shared = placeCodebook(backend, store, hold)
    const best = placeBest(backend, queryBlock, k, hold)
    const program = createProgram(searchPlan(store, shared, best), pool)
    const score = async (
      queries: PackedVectors,
      ends: Int32Array,
      arrays: Awaited<ReturnType<TokenStore['read']>>,
      first: number,
    ) => {
      const sizes = { Q: queries.offsets.length - 1, TQ: queries.offsets.at(-1)!, N: ends.length - 1, T: ends.at(-1)! }
      const inputs = { ...arrays, query: queries.vectors, queryOffsets: queries.offsets, documentOffsets: ends }
      await program.run({ ...sizes, first, fresh: first === 0 ? 1 : 0 }, inputs)
    }
    return {
      async run(queries, first, last) {
        const { offsets } = store
        const from = offsets[first]!
        const ends = offsets.slice(first, last + 1).map(end => end - from)
        await score(queries, ends, await store.read(from, offsets[last]!), first)
      },
      async runChosen(queries, chosen, first) {
        const { ends, arrays } = await gather(store, chosen)
        await score(queries, ends, arrays, first)
      },
      read: queries => readBest(backend, best, queries),
      release: () => closeSearch(backend, program, pool, held),
    }
  } catch (error) {
    closeSearch(backend, undefined, pool, held)
    throw error
  }
}

function closeSearch(
  backend: Backend,
  program: Program | undefined,
  pool: ReturnType<typeof createPool>,
  held: readonly Tensor[],
): void {
  program?.release()
  releasePool(pool)
  freeTensors(backend, held)
}

/** The arrays of some documents one after another; documents that follow each other are read at once. */
async function gather(store: TokenStore, chosen: Int32Array) {
  const { offsets, width, form } = store
  const ends = new Int32Array(chosen.length + 1)
  chosen.forEach((document, i) => {
    ends[i + 1] = ends[i]! + offsets[document + 1]! - offsets[document]!
  })
  const elements = arraysOf(form, width)
  const Values = form === 'f32' ? Float32Array : Uint32Array
  const arrays = Object.fromEntries(
    Object.entries(elements).map(([name, each]) => [name, new Values(ends.at(-1)! * each)]),
  )
  for (let i = 0; i < chosen.length; ) {
    let last = i + 1
    while (last < chosen.length && chosen[last] === chosen[last - 1]! + 1) last++
    const part = await store.read(offsets[chosen[i]!]!, offsets[chosen[last - 1]! + 1]!)
    for (const [name, each] of Object.entries(elements)) arrays[name]!.set(part[name]!, ends[i]! * each)
    i = last
  }
  return { ends, arrays }
}
