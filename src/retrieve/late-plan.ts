// What a late-interaction search records: a block of documents unpacked, scored and the best of it kept.
import type { Backend } from '../backend/backend.js'
import { FLOAT_FORMAT, HALF_FORMATS } from '../backend/kernels.js'
import { maxSim, type TokenVectors } from '../ops/maxsim.js'
import { frozenTensor, stateTensor } from '../tensor/parameters.js'
import { createPlan, type Plan } from '../tensor/plan.js'
import { type Dim, plus, type Tensor } from '../tensor/tensor.js'
import { call, createTrace, input, type Trace, temporary } from '../tensor/trace.js'
import { arraysOf, type TokenStore } from './token-store.js'

/** The tensors of a codebook on a device. */
export interface PlacedCodebook {
  readonly centroids: Tensor
  readonly levels: Tensor
}

/** The best of each query so far. */
export interface Best {
  readonly values: Tensor // (Q, k)
  readonly rows: Tensor // (Q, k) i32
  /** Whether documents in f32 and f16 are compared as they are stored: by a kernel of processors. */
  readonly asStored: boolean
}

type Hold = (tensor: Tensor) => Tensor

export function placeCodebook(
  backend: Backend,
  { codebook, width }: TokenStore,
  hold: Hold,
): PlacedCodebook | undefined {
  if (!codebook) return undefined
  const { centroids, levels } = codebook
  return {
    centroids: hold(frozenTensor(backend, 'centroids', [centroids.length / width, width], centroids)),
    levels: hold(frozenTensor(backend, 'levels', [4, width], levels)),
  }
}

export const placeBest = (backend: Backend, queries: number, k: number, hold: Hold): Best => ({
  values: hold(stateTensor(backend, 'best.scores', [queries, k])),
  rows: hold({ ...stateTensor(backend, 'best.rows', [queries, k]), dtype: 'i32' as const }),
  asStored: backend.kind === 'wasm',
})

/** Of the first `queries`. */
export async function readBest(backend: Backend, { values, rows }: Best, queries: number) {
  const bytes = queries * (values.shape[1] as number) * 4
  const of = ({ view }: Tensor) => backend.read({ memory: view!.memory, offset: 0, bytes })
  return { scores: new Float32Array(await of(values)), rows: new Int32Array(await of(rows)) }
}

/** Documents whose arrays lie in the backend's memory. */
export interface ResidentBlock {
  readonly first: number
  readonly documents: number
  readonly tokens: number
  readonly offsets: Tensor // (documents + 1) i32, from 0
  /** As the store's form has them. */
  readonly arrays: Readonly<Record<string, Tensor>>
}

const dtypes = { codes: 'i32', residuals: 'u32' } as const
/** The data type of an array of a store. */
export const dtypeOf = (name: string, form: TokenStore['form']): 'f32' | 'i32' | 'u32' =>
  name in dtypes ? dtypes[name as keyof typeof dtypes] : form === 'f32' ? 'f32' : 'u32'

/** One block that is uploaded before each run: symbols N (documents), T (their tokens), Q, TQ, first and fresh. */
export function searchPlan(store: TokenStore, shared: PlacedCodebook | undefined, best: Best): Plan {
  const trace = createTrace({ training: false })
  const arrays: Record<string, Tensor> = {}
  for (const [name, elements] of Object.entries(arraysOf(store.form, store.width)))
    arrays[name] = input(trace, name, ['T', elements], dtypeOf(name, store.form))
  const offsets = input(trace, 'documentOffsets', [plus('N', 1)])
  const query = queryInputs(trace, store.width)
  recordBlock(trace, store, shared, best, query, { offsets, arrays, documents: 'N', tokens: 'T' }, 'first', 'fresh')
  return createPlan('search.late', trace)
}

/** Blocks that stay where they are, one after another: symbols Q, TQ and, of the first of them, fresh. */
export function residentPlan(
  store: TokenStore,
  shared: PlacedCodebook | undefined,
  best: Best,
  blocks: readonly ResidentBlock[],
): Plan {
  const trace = createTrace({ training: false })
  const query = queryInputs(trace, store.width)
  blocks.forEach((block, i) => {
    recordBlock(trace, store, shared, best, query, block, block.first, i === 0 ? 'fresh' : 0)
  })
  return createPlan('search.late.resident', trace)
}

const queryInputs = (trace: Trace, width: number) => ({
  vectors: input(trace, 'query', ['TQ', width], 'f32'),
  ...{ offsets: input(trace, 'queryOffsets', [plus('Q', 1)]), texts: 'Q', tokens: 'TQ' },
})

interface Block {
  readonly offsets: Tensor
  readonly arrays: Readonly<Record<string, Tensor>>
  readonly documents: Dim
  readonly tokens: Dim
}

function recordBlock(
  trace: Trace,
  store: TokenStore,
  shared: PlacedCodebook | undefined,
  { values, rows: indices, asStored }: Best,
  query: ReturnType<typeof queryInputs>,
  block: Block,
  first: Dim,
  fresh: Dim,
): void {
  const { offsets, arrays, documents, tokens } = block
  const narrow = asStored && store.form === 'f16'
  const vectors = narrow ? arrays.vectors! : recordVectors(trace, store, shared, arrays, tokens)
  const document = { vectors, offsets, texts: documents, tokens }
  const scores = asStored
    ? recordStored(trace, query, document, store.width, narrow ? HALF_FORMATS.indexOf('f16') : FLOAT_FORMAT)
    : maxSim(trace, query, document, { similarity: 'dot', name: 'scores' })
  const pick = { rows: 'Q', columns: documents, k: values.shape[1]!, first, fresh }
  call(trace, 'top_k', { scores, values, indices }, pick)
}

function recordStored(
  trace: Trace,
  query: ReturnType<typeof queryInputs>,
  document: TokenVectors,
  width: number,
  format: number,
): Tensor {
  const scores = temporary('scores', [query.texts, document.texts])
  const offsets = { queryOffsets: query.offsets, documentOffsets: document.offsets }
  const tokens = { queryTokens: query.tokens, documentTokens: document.tokens }
  const sizes = { queries: query.texts, columns: document.texts, ...tokens, width, format }
  call(trace, 'maxsim_stored', { query: query.vectors, document: document.vectors, ...offsets, scores }, sizes)
  return scores
}

function recordVectors(
  trace: Trace,
  { form, width }: TokenStore,
  shared: PlacedCodebook | undefined,
  arrays: Readonly<Record<string, Tensor>>,
  tokens: Dim,
): Tensor {
  if (form === 'f32') return arrays.vectors!
  const y = temporary('vectors', [tokens, width])
  if (form === 'f16') {
    const words: Dim =
      typeof tokens === 'number' ? (tokens * width) / 2 : { symbol: tokens as string, times: width / 2, plus: 0 }
    call(trace, 'unpack_f16', { x: arrays.vectors!, y }, { words })
    return y
  }
  const packed = { codes: arrays.codes!, residuals: arrays.residuals! }
  call(trace, 'unpack_residuals', { ...packed, ...shared!, y }, { rows: tokens, columns: width, normalize: 1 })
  return y
}
