// Exact search: queries × blocks of the corpus, the best k kept from block to block on the device; the whole score matrix never exists.
// Ties go to the lower row: a corpus whose rows are sorted by id descending bytewise gives trec_eval's order (see evaluate/).
// An index holds vectors in the backend's memory as far as it may; the rest, or all where a corpus is searched once, passes through one block at
// a time in each search.
import type { Backend } from '../backend/backend.js'
import { freeTensors, frozenTensor, stateTensor } from '../tensor/parameters.js'
import { createPlan, type Plan } from '../tensor/plan.js'
import { createPool, createProgram, type Pool, type Program, releasePool } from '../tensor/program.js'
import type { Dim, Tensor } from '../tensor/tensor.js'
import { call, createTrace, input, type Trace, temporary } from '../tensor/trace.js'
import { mergeSlices, recordNearest, slicesFor } from './slices.js'

/** What top_k can keep of a row. */
export const MOST_RESULTS = 1024

interface QueryOptions {
  /** Results a query, at most MOST_RESULTS. */
  readonly k: number
  /** Queries for which the corpus is gone through once. */
  readonly queryBlock?: number
  readonly onProgress?: (done: { readonly queries: number }) => void
  readonly signal?: AbortSignal
}

export interface SearchOptions extends QueryOptions {
  /** Rows of the corpus that are compared at a time. */
  readonly corpusBlock?: number
}

/** The best rows for each query, the best first. */
export interface SearchResult {
  /** min(k, documents) */
  readonly k: number
  readonly scores: Float32Array // (Q, k), descending
  readonly rows: Int32Array // (Q, k): rows of the corpus
}

export interface IndexOptions {
  /** Of the backend's memory, for vectors. Default: 3 GiB (2 million of width 384), on wasm three quarters of what it may grow to if that is less. */
  readonly maximumBytes?: number
  /** Rows that are compared at a time. */
  readonly corpusBlock?: number
}

/** Vectors, ready to be searched exactly. */
export interface SearchIndex {
  readonly documents: number
  /** Of them, those in the backend's memory. The others are copied there block by block in each search; their array must stay as it is. */
  readonly resident: number
  /** Of the backend's memory. */
  readonly bytes: number
  /** The k rows with the largest dot product for each row of `queries` (Q, width). */
  search(queries: Float32Array, options: QueryOptions): Promise<SearchResult>
  release(): void
}

/** A multiple of eight shares of 384 columns, so that 2, 4 or 8 threads finish a block together. */
const CORPUS_BLOCK = 6144
/** Of vectors in the memory of a processor, which threads go through without a word to each other: some milliseconds. */
const SLICED_BLOCK = 32 * 2 ** 20 // bytes
/** The corpus is copied or read once for so many: copying takes 2 % of the time then. */
const QUERY_BLOCK = 512
/** Blocks that one run goes through, fewer of large ones. */
const BLOCKS_AT_ONCE = 8
const ROWS_AT_ONCE = BLOCKS_AT_ONCE * CORPUS_BLOCK
const MEMORY = 3 * 2 ** 30 // bytes
/** Milliseconds between two turns of the event loop. */
const TURN = 50

/** The k rows of `corpus` (N, width) with the largest dot product for each row of `queries` (Q, width). */
export async function searchExact(
  backend: Backend,
  queries: Float32Array,
  corpus: Float32Array,
  width: number,
  { corpusBlock = CORPUS_BLOCK, ...options }: SearchOptions,
): Promise<SearchResult> {
  if (queries.length % width || corpus.length % width)
    throw new Error(`search: ${queries.length} and ${corpus.length} values are not rows of ${width}`)
  return createIndex(backend, corpus, width, { maximumBytes: 0, corpusBlock }).search(queries, options)
}

/** Puts `vectors` (N, width) where searching needs no copy of them. */
export function createIndex(
  backend: Backend,
  vectors: Float32Array,
  width: number,
  { maximumBytes = memoryFor(backend), corpusBlock: given }: IndexOptions = {},
): SearchIndex {
  expectCount('width', width)
  const asked = given ?? blockFor(backend, width)
  expectCount('corpusBlock', asked)
  const corpusBlock = rowsThatBind(backend, width, asked)
  const documents = vectors.length / width
  if (!Number.isInteger(documents)) throw new Error(`index: ${vectors.length} values are not rows of ${width}`)
  const blocks: Block[] = []
  let resident = 0
  try {
    while (resident < documents) {
      const rows = Math.min(corpusBlock, documents - resident)
      if ((resident + rows) * width * 4 > maximumBytes) break
      const values = vectors.subarray(resident * width, (resident + rows) * width)
      blocks.push({ first: resident, rows, tensor: frozenTensor(backend, 'corpus', [rows, width], values) })
      resident += rows
    }
  } catch (error) {
    freeBlocks(backend, blocks)
    throw error
  }
  // Nothing of the caller's array is held on to where all of it was copied
  const rest = resident < documents ? vectors.subarray(resident * width) : new Float32Array()
  const corpus: Corpus = { documents, width, blocks, rest, resident, corpusBlock }
  let released = false
  return {
    documents,
    resident,
    bytes: resident * width * 4,
    async search(queries, options) {
      if (released) throw new Error('search: the index was released; create another with createIndex()')
      return searchCorpus(backend, corpus, queries, options)
    },
    release() {
      if (!released) freeBlocks(backend, blocks)
      released = true
    },
  }
}

interface Block {
  readonly first: number
  readonly rows: number
  readonly tensor: Tensor // (rows, width)
}

interface Corpus {
  readonly documents: number
  readonly width: number
  readonly blocks: readonly Block[]
  /** Rows from `resident` on. */
  readonly rest: Float32Array
  readonly resident: number
  readonly corpusBlock: number
}

const freeBlocks = (backend: Backend, blocks: readonly Block[]): void =>
  freeTensors(
    backend,
    blocks.map(({ tensor }) => tensor),
  )

const memoryFor = ({ kind, limits }: Backend): number =>
  kind === 'wasm' ? Math.min(MEMORY, Math.floor(limits.memory * 0.75)) : MEMORY

const blockFor = ({ kind }: Backend, width: number): number =>
  kind === 'wasm' ? Math.max(CORPUS_BLOCK, Math.floor(SLICED_BLOCK / (4 * width))) : CORPUS_BLOCK

/** As many rows as are asked for, as far as one binding holds them; one row has to fit. */
export const rowsThatBind = ({ limits }: Backend, width: number, asked: number): number =>
  Math.max(1, Math.min(asked, Math.floor(Math.min(limits.binding, limits.memory) / (4 * width))))

function expectCount(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`search: ${name} is ${value}, expected a whole number from 1`)
}

async function searchCorpus(
  backend: Backend,
  corpus: Corpus,
  queries: Float32Array,
  { k: asked, queryBlock = QUERY_BLOCK, onProgress, signal }: QueryOptions,
): Promise<SearchResult> {
  const { width, documents } = corpus
  const count = queries.length / width
  if (!Number.isInteger(count)) throw new Error(`search: ${queries.length} values are not queries of ${width}`)
  if (!Number.isInteger(asked) || asked < 1 || asked > MOST_RESULTS)
    throw new Error(`search: k is ${asked}, expected 1 to ${MOST_RESULTS}`)
  expectCount('queryBlock', queryBlock)
  const k = Math.min(asked, documents)
  const result = { k, scores: new Float32Array(count * k), rows: new Int32Array(count * k) }
  if (k === 0 || count === 0) return result

  const block = Math.min(queryBlock, count)
  const state = openState(backend, block, width, k, slicesFor(backend, block, width))
  const pool = createPool(backend)
  const runs = corpusRuns(corpus, state, pool)
  let turned = performance.now()
  try {
    for (let q = 0; q < count; q += block) {
      const rows = Math.min(block, count - q)
      backend.write(state.queries.view!, queries.subarray(q * width, (q + rows) * width))
      for (const { program, first, inputs } of runs) {
        signal?.throwIfAborted()
        const N = inputs.corpus ? inputs.corpus.length / width : 0
        await program.run({ Q: rows, N, first, fresh: first === 0 ? 1 : 0 }, inputs)
        if (performance.now() - turned < TURN) continue
        await backend.finish()
        await new Promise(resolve => setTimeout(resolve, 0))
        turned = performance.now()
      }
      const found = await readBest(backend, state, rows * k)
      result.scores.set(found.scores, q * k)
      result.rows.set(found.rows, q * k)
      onProgress?.({ queries: q + rows })
    }
  } finally {
    for (const program of new Set(runs.map(run => run.program))) program.release()
    releasePool(pool)
    freeTensors(backend, [state.queries, state.values, state.indices])
  }
  return result
}

interface SearchState {
  /** 0 where products and picking are calls of their own. */
  readonly slices: number
  readonly queries: Tensor // (Q, width)
  readonly values: Tensor // (Q, k), or (slices, Q, k)
  readonly indices: Tensor // the same
}

function openState(backend: Backend, queries: number, width: number, k: number, slices: number): SearchState {
  const made: Tensor[] = []
  const make = (name: string, rows: number, columns: number) => {
    made.push(stateTensor(backend, name, [rows, columns]))
    return made.at(-1)!
  }
  try {
    const results = Math.max(slices, 1) * queries
    const [values, rows] = [make('best.scores', results, k), make('best.rows', results, k)]
    return { slices, queries: make('queries', queries, width), values, indices: { ...rows, dtype: 'i32' } }
  } catch (error) {
    freeTensors(backend, made)
    throw error
  }
}

async function readBest(backend: Backend, { slices, values, indices }: SearchState, results: number) {
  const bytes = Math.max(slices, 1) * results * 4
  const read = ({ view }: Tensor) => backend.read({ memory: view!.memory, offset: 0, bytes })
  const [scores, rows] = [new Float32Array(await read(values)), new Int32Array(await read(indices))]
  return slices > 1 ? mergeSlices(scores, rows, slices, values.shape[1]! as number) : { scores, rows }
}

/** A part of the way through the corpus. */
interface Run {
  readonly program: Program
  readonly first: number
  readonly inputs: { readonly corpus?: Float32Array }
}

function corpusRuns({ blocks, rest, resident, width, corpusBlock }: Corpus, state: SearchState, pool: Pool): Run[] {
  const runs: Run[] = []
  const atOnce = Math.max(1, Math.min(BLOCKS_AT_ONCE, Math.floor(ROWS_AT_ONCE / corpusBlock)))
  for (let i = 0; i < blocks.length; i += atOnce) {
    const some = blocks.slice(i, i + atOnce)
    runs.push({ program: createProgram(blocksPlan(width, some, state), pool), first: some[0]!.first, inputs: {} })
  }
  if (rest.length === 0) return runs
  const program = createProgram(uploadPlan(width, state), pool)
  // Not so much that what was copied has left the cache before it is read
  const copied = Math.min(corpusBlock, CORPUS_BLOCK) * width
  for (let at = 0; at < rest.length; at += copied)
    runs.push({ program, first: resident + at / width, inputs: { corpus: rest.subarray(at, at + copied) } })
  return runs
}

/** The products of a block come before the best of the one before are picked: a thread that is done with one begins the other. */
function blocksPlan(width: number, blocks: readonly Block[], state: SearchState): Plan {
  const trace = createTrace({ training: false })
  let pick = () => {}
  for (const { tensor, rows, first } of blocks) {
    if (state.slices) {
      recordNearest(trace, state, tensor, rows, first, first === blocks[0]!.first ? 'fresh' : 0)
      continue
    }
    const scores = recordProduct(trace, state, tensor, rows, width)
    pick()
    const fresh = first === blocks[0]!.first ? 'fresh' : 0
    pick = () => recordPick(trace, state, scores, rows, first, fresh)
  }
  pick()
  return createPlan('search', trace)
}

/** One block that is copied first. */
function uploadPlan(width: number, state: SearchState): Plan {
  const trace = createTrace({ training: false })
  const corpus = input(trace, 'corpus', ['N', width], 'f32')
  if (state.slices) recordNearest(trace, state, corpus, 'N', 'first', 'fresh')
  else recordPick(trace, state, recordProduct(trace, state, corpus, 'N', width), 'N', 'first', 'fresh')
  return createPlan('search', trace)
}

function recordProduct(trace: Trace, { queries }: SearchState, corpus: Tensor, N: Dim, width: number): Tensor {
  const scores = temporary('scores', ['Q', N])
  const product = { M: 'Q', N, K: width, transposeA: 0, transposeB: 1, accumulate: 0, hasBias: 0, alpha: 1 }
  call(trace, 'matmul', { a: queries, b: corpus, bias: undefined, c: scores }, product)
  return scores
}

function recordPick(trace: Trace, state: SearchState, scores: Tensor, columns: Dim, first: Dim, fresh: Dim): void {
  const { values, indices } = state
  const k = values.shape[1]!
  call(trace, 'top_k', { scores, values, indices }, { rows: 'Q', columns, k, first, fresh })
}
