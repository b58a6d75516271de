// What a late-interaction search records: a block of documents unpacked, scored and the best of it kept.
import { type Backend, wholeView } from '../backend/backend.js'
import { FLOAT_FORMAT, HALF_FORMATS } from '../backend/kernels.js'
import { maxSim, type TokenVectors } from '../ops/maxsim.js'
import { plainProduct } from '../ops/product.js'
import { frozenTensor, stateTensor } from '../tensor/parameters.js'
import { createPlan, type Plan } from '../tensor/plan.js'
import { type Dim, plus, type Tensor } from '../tensor/tensor.js'
import { call, createTrace, input, type Trace, temporary } from '../tensor/trace.js'
import { codeBitsOf, rowWords } from './codebook.js'
import { arraysOf, type TokenStore } from './token-store.js'

/** The tensors of a codebook on a device. */
export interface PlacedCodebook {
  readonly rotation: Tensor | undefined
  /** Those that the kernel takes. */
  readonly tables: { readonly [name in 'centroids' | 'scales' | 'curves' | 'fields']: Tensor }
  readonly codeBits: number
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
  const { scales, tables } = codebook
  const place = (name: string, values: Float32Array, columns = width) =>
    hold(frozenTensor(backend, name, [values.length / columns, columns], values))
  const fields = hold({ ...stateTensor(backend, 'fields', [width]), dtype: 'i32' as const })
  backend.write(wholeView(fields.view!.memory), tables.fields)
  const [centroids, curves] = [place('centroids', tables.centroids), place('curves', tables.curves)]
  return {
    rotation: tables.rotation && place('rotation', tables.rotation),
    tables: { centroids, scales: place('scales', scales, scales.length), curves, fields },
    codeBits: codeBitsOf(tables.centroids.length / width),
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

/** The data type of the arrays of a store. */
export const dtypeOf = (form: TokenStore['form']): 'f32' | 'u32' => (form === 'f32' ? 'f32' : 'u32')

/** One block that is uploaded before each run: symbols N (documents), T (their tokens), Q, TQ, first and fresh. */
export function searchPlan(store: TokenStore, shared: PlacedCodebook | undefined, best: Best): Plan {
  const trace = createTrace({ training: false })
  const arrays: Record<string, Tensor> = {}
  for (const [name, elements] of Object.entries(arraysOf(store.form, store.width)))
    arrays[name] = input(trace, name, ['T', elements], dtypeOf(store.form))
  const offsets = input(trace, 'documentOffsets', [plus('N', 1)])
  const query = recordQueries(trace, store.width, shared?.rotation)
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
  const query = recordQueries(trace, store.width, shared?.rotation)
  blocks.forEach((block, i) => {
    recordBlock(trace, store, shared, best, query, block, block.first, i === 0 ? 'fresh' : 0)
  })
  return createPlan('search.late.resident', trace)
}

/** Their vectors turned as those of documents are stored: neither products nor lengths change by it. */
function recordQueries(trace: Trace, width: number, rotation: Tensor | undefined) {
  const given = input(trace, 'query', ['TQ', width], 'f32')
  const offsets = input(trace, 'queryOffsets', [plus('Q', 1)])
  const of = { offsets, texts: 'Q', tokens: 'TQ' }
  if (!rotation) return { vectors: given, ...of }
  const vectors = temporary('turned', ['TQ', width])
  const product = { ...plainProduct, M: 'TQ', N: width, K: width }
  call(trace, 'matmul', { a: given, b: rotation, bias: undefined, c: vectors }, product)
  return { vectors, ...of }
}

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
  query: ReturnType<typeof recordQueries>,
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
  query: ReturnType<typeof recordQueries>,
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
  const { tables, codeBits } = shared!
  const sizes = { rows: tokens, columns: width, words: rowWords(width), codeBits, normalize: 1 }
  call(trace, 'unpack_residuals', { tokens: arrays.tokens!, ...tables, y }, sizes)
  return y
}
