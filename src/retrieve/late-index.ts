// A collection of token vectors kept where searching needs no copy of them: in the backend's memory, in the form in which they are stored. A store that
// is larger than it may be there passes through in blocks in each search.
import { type Backend, wholeView } from '../backend/backend.js'
import { freeTensors, stateTensor } from '../tensor/parameters.js'
import { createPool, createProgram, releasePool } from '../tensor/program.js'
import type { Tensor } from '../tensor/tensor.js'
import type { PackedVectors } from './encode-late.js'
import { dtypeOf, placeBest, placeCodebook, type ResidentBlock, readBest, residentPlan } from './late-plan.js'
import { checkedSearch, documentBlocks, emptyResult, type LateSearchOptions, searchLate, textsOf } from './maxsim.js'
import { rowsThatBind, type SearchResult } from './search.js'
import { arraysOf, type TokenStore } from './token-store.js'

export interface LateIndexOptions {
  /** Of the backend's memory. Default: 3 GiB, on wasm half of what it may grow to if that is less. */
  readonly maximumBytes?: number
  /** Tokens that are unpacked and compared at a time. */
  readonly blockTokens?: number
}

export interface LateIndex {
  readonly documents: number
  /** Whether all of it lies in the backend's memory. */
  readonly resident: boolean
  search(queries: PackedVectors, options: Omit<LateSearchOptions, 'blockTokens'>): Promise<SearchResult>
  release(): void
}

const MEMORY = 3 * 2 ** 30 // bytes
const BLOCK_TOKENS = 1 << 16
const QUERY_BLOCK = 64
/** Milliseconds between two turns of the event loop. */
const TURN = 50
/** Blocks that one run goes through. */
const BLOCKS_AT_ONCE = 4

const memoryFor = ({ kind, limits }: Backend): number =>
  kind === 'wasm' ? Math.min(MEMORY, Math.floor(limits.memory / 2)) : MEMORY

/** The store must stay open until the index is released. */
export async function createLateIndex(
  backend: Backend,
  store: TokenStore,
  { maximumBytes = memoryFor(backend), blockTokens = BLOCK_TOKENS }: LateIndexOptions = {},
): Promise<LateIndex> {
  const documents = store.offsets.length - 1
  if (store.bytes > maximumBytes)
    return {
      ...{ documents, resident: false },
      search: (queries, options) => searchLate(backend, queries, store, { ...options, blockTokens }),
      release() {},
    }
  const held: Tensor[] = []
  const hold = (tensor: Tensor): Tensor => {
    held.push(tensor)
    return tensor
  }
  try {
    const shared = placeCodebook(backend, store, hold)
    const blocks: ResidentBlock[] = []
    for (const { first, last } of documentBlocks(store.offsets, rowsThatBind(backend, store.width, blockTokens)))
      blocks.push(await placeBlock(backend, store, first, last, hold))
    return {
      ...{ documents, resident: true },
      search: (queries, options) => searchResident(backend, store, shared, blocks, queries, options),
      release: () => freeTensors(backend, held.splice(0)),
    }
  } catch (error) {
    freeTensors(backend, held)
    throw error
  }
}

async function placeBlock(
  backend: Backend,
  store: TokenStore,
  first: number,
  last: number,
  hold: (tensor: Tensor) => Tensor,
): Promise<ResidentBlock> {
  const { offsets, form, width } = store
  const [from, to] = [offsets[first]!, offsets[last]!]
  const data = await store.read(from, to)
  const place = (name: string, columns: number, values: ArrayBufferView): Tensor => {
    const tensor = hold({ ...stateTensor(backend, name, [to - from, columns]), dtype: dtypeOf(form) })
    backend.write(wholeView(tensor.view!.memory), values)
    return tensor
  }
  const arrays = Object.fromEntries(
    Object.entries(arraysOf(form, width)).map(([name, columns]) => [name, place(name, columns, data[name]!)]),
  )
  const ends = hold({ ...stateTensor(backend, 'documentOffsets', [last - first + 1]), dtype: 'i32' as const })
  backend.write(
    wholeView(ends.view!.memory),
    offsets.slice(first, last + 1).map(end => end - from),
  )
  return { first, documents: last - first, tokens: to - from, offsets: ends, arrays }
}

async function searchResident(
  backend: Backend,
  store: TokenStore,
  shared: ReturnType<typeof placeCodebook>,
  blocks: readonly ResidentBlock[],
  queries: PackedVectors,
  { k: asked, queryBlock = QUERY_BLOCK, onProgress, signal }: Omit<LateSearchOptions, 'blockTokens'>,
): Promise<SearchResult> {
  const { k, count } = checkedSearch(queries, store, asked)
  const result = emptyResult(count, k)
  if (k === 0 || count === 0) return result
  const held: Tensor[] = []
  const pool = createPool(backend)
  const best = placeBest(backend, Math.min(queryBlock, count), k, tensor => {
    held.push(tensor)
    return tensor
  })
  const groups = Array.from({ length: Math.ceil(blocks.length / BLOCKS_AT_ONCE) }, (_, i) =>
    blocks.slice(i * BLOCKS_AT_ONCE, (i + 1) * BLOCKS_AT_ONCE),
  )
  let turned = performance.now()
  const programs = groups.map(group => createProgram(residentPlan(store, shared, best, group), pool))
  try {
    for (let q = 0; q < count; q += queryBlock) {
      const { vectors, offsets } = textsOf(queries, q, Math.min(q + queryBlock, count))
      const Q = offsets.length - 1
      for (const [i, program] of programs.entries()) {
        signal?.throwIfAborted()
        await program.run({ Q, TQ: offsets.at(-1)!, fresh: i === 0 ? 1 : 0 }, { query: vectors, queryOffsets: offsets })
        if (performance.now() - turned < TURN) continue
        await backend.finish()
        await new Promise(resolve => setTimeout(resolve, 0))
        turned = performance.now()
      }
      const found = await readBest(backend, best, Q)
      result.scores.set(found.scores, q * k)
      result.rows.set(found.rows, q * k)
      onProgress?.({ queries: q + Q })
    }
  } finally {
    for (const program of programs) program.release()
    releasePool(pool)
    freeTensors(backend, held)
  }
  return result
}
