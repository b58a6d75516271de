// Token vectors of queries and documents: single tokens, many, none; skipped ones; widths that are no multiples of a tile.
import { FLOAT_FORMAT } from '../../../src/backend/kernels.js'
import { offsetsOf, seededValues } from '../values.js'
import { caseOf, expectedTensors, type KernelCase } from './case.js'

const random = seededValues(307)

interface Collection {
  readonly name: string
  readonly queries: readonly number[]
  readonly documents: readonly number[]
  readonly width: number
  readonly skips?: boolean
  /** Documents of each query; absent: every query sees all. */
  readonly perQuery?: number
}

const collections: Collection[] = [
  { name: 'one token each', queries: [1], documents: [1], width: 1 },
  { name: 'a few', queries: [3, 1, 9], documents: [4, 1, 7, 13, 2], width: 17 },
  { name: 'with skipped tokens', queries: [5, 33], documents: [33, 4, 70, 6], width: 16, skips: true },
  { name: '32 by 180, 128 wide', queries: [32, 32], documents: [180, 12, 57], width: 128, skips: true },
  { name: 'long query', queries: [150], documents: [9, 40], width: 24 },
  { name: 'grouped', queries: [4, 7, 1], documents: [3, 9, 5, 12, 1, 6], width: 20, perQuery: 2, skips: true },
  { name: 'an empty document', queries: [3, 2], documents: [0, 5], width: 8 },
]

function inputsOf({ queries, documents, width, skips, perQuery }: Collection) {
  const [queryOffsets, documentOffsets] = [offsetsOf([...queries]), offsetsOf([...documents])]
  const [queryTokens, documentTokens] = [queryOffsets.at(-1)!, documentOffsets.at(-1)!]
  const first = new Set<number>(documentOffsets)
  return {
    tensors: {
      query: random.normal(queryTokens * width),
      document: random.normal(documentTokens * width),
      queryOffsets,
      documentOffsets,
      // Of each document the first token stays, or nothing would
      keep: skips
        ? Int32Array.from({ length: documentTokens }, (_, row) => (first.has(row) || row % 3 ? 1 : 0))
        : undefined,
    },
    params: {
      ...{ queries: queries.length, columns: perQuery ?? documents.length, queryTokens, documentTokens, width },
      ...{ grouped: perQuery ? 1 : 0, hasKeep: skips ? 1 : 0 },
    },
  }
}

const forward = (collection: Collection, l2: number, hasBest: number) => {
  const { tensors, params } = inputsOf(collection)
  const { queries, columns, queryTokens } = params
  const all = { ...tensors, scores: queries * columns, best: hasBest ? queryTokens * columns : undefined }
  const name = `${collection.name}${l2 ? ', −L2²' : ''}${hasBest ? '' : ', scores alone'}`
  return caseOf('maxsim_forward', name, { ...params, l2, hasBest, alpha: 0.7 }, all, { terms: params.width })
}

export const maxsimForwardCases = (): KernelCase[] =>
  collections.flatMap(collection => [0, 1].flatMap(l2 => [0, 1].map(hasBest => forward(collection, l2, hasBest))))

export const maxsimStoredCases = (): KernelCase[] => {
  const more: Collection[] = [
    { name: 'more query tokens than are packed at a time', queries: [5, 600, 0, 3], documents: [4, 0, 37], width: 10 },
    { name: 'wide', queries: [30, 50], documents: [9, 6], width: 2048 },
  ]
  return [...collections, ...more]
    .filter(({ perQuery }) => perQuery === undefined)
    .flatMap(collection => [0, FLOAT_FORMAT].map(format => stored({ ...collection, skips: false }, format)))
}

function stored(collection: Collection, format: number): KernelCase {
  // Two halves to a word
  const width = 2 * Math.ceil(collection.width / 2)
  const { tensors, params } = inputsOf({ ...collection, width })
  const { queries, columns, queryTokens, documentTokens } = params
  const { query, queryOffsets, documentOffsets } = tensors
  const words = new Uint32Array(tensors.document.buffer)
  // From 2⁻²⁴ to 4: subnormal ones too
  const halves = random.words((documentTokens * width) / 2).map(word => word & 0xc3ffc3ff)
  const document = format === FLOAT_FORMAT ? words : halves
  const all = { query, document, queryOffsets, documentOffsets, scores: queries * columns }
  const sizes = { queries, columns, queryTokens, documentTokens, width, format }
  const name = `${collection.name}, ${format === FLOAT_FORMAT ? 'f32' : 'f16'}`
  return caseOf('maxsim_stored', name, sizes, all, { terms: width })
}

function backwardInputs(collection: Collection, l2: number) {
  const made = forward(collection, l2, 1)
  const { query, document } = made.tensors as Record<string, Float32Array>
  const { queryOffsets, documentOffsets } = made.tensors as Record<string, Int32Array>
  const best = Int32Array.from(expectedTensors('maxsim_forward', made, 0).best!)
  const { queries, columns, queryTokens, documentTokens, width, grouped } = made.params as Record<string, number>
  const dscores = random.normal(queries! * columns!)
  return {
    name: made.name,
    tensors: { dscores, best, query: query!, document: document! },
    offsets: { queryOffsets: queryOffsets!, documentOffsets: documentOffsets! },
    sizes: { queries: queries!, columns: columns!, queryTokens: queryTokens!, documentTokens: documentTokens! },
    more: { width: width!, grouped: grouped!, l2, alpha: 0.7 },
  }
}

export const maxsimQueryCases = (): KernelCase[] =>
  collections.flatMap(collection =>
    [0, 1].map(l2 => {
      const { name, tensors, offsets, sizes, more } = backwardInputs(collection, l2)
      const owners = Int32Array.from({ length: sizes.queryTokens }, (_, t) =>
        offsets.queryOffsets.findIndex((_, i) => offsets.queryOffsets[i + 1]! > t),
      )
      const size = sizes.queryTokens * more.width
      const { queryTokens, columns } = sizes
      const params = { queryTokens, columns, width: more.width, l2, accumulate: l2, alpha: more.alpha }
      const dquery = l2 ? random.normal(size) : size
      return caseOf('maxsim_backward_query', name, params, { ...tensors, owners, dquery }, { terms: columns })
    }),
  )

export const maxsimDocumentCases = (): KernelCase[] =>
  collections.flatMap(collection =>
    [0, 1].map(l2 => {
      const { name, tensors, offsets, sizes, more } = backwardInputs(collection, l2)
      const size = sizes.documentTokens * more.width
      const params = { ...sizes, ...more, documents: offsets.documentOffsets.length - 1, accumulate: l2 }
      const ddocument = l2 ? random.normal(size) : size
      const all = { ...tensors, ...offsets, ddocument }
      return caseOf('maxsim_backward_document', name, params, all, { terms: sizes.queryTokens })
    }),
  )

export const scaleRowsCases = (): KernelCase[] =>
  [
    [1, 1],
    [5, 7],
    [33, 128],
    [0, 4],
  ].flatMap(([rows, columns]) =>
    [0, 1].map(accumulate => {
      const size = Math.max(1, rows! * columns!)
      const tensors = {
        x: random.normal(size),
        factors: random.normal(Math.max(1, rows!)),
        y: accumulate ? random.normal(size) : size,
      }
      return caseOf(
        'scale_rows',
        `${rows} of ${columns}, accumulate ${accumulate}`,
        { rows: rows!, columns: columns!, accumulate },
        tensors,
      )
    }),
  )

export const unpackF16Cases = (): KernelCase[] =>
  [1, 2, 7, 1000, 0].map(words => {
    // Every exponent but that of infinities: normal, subnormal and zero
    const x = random.words(Math.max(1, words)).map((word, i) => (i % 5 === 3 ? word & 0x83ff83ff : word & 0xbbffbbff))
    return caseOf('unpack_f16', `${words} words`, { words }, { x, y: Math.max(1, 2 * words) })
  })

/** Bits of the groups of four columns, taken in turn: none, all there may be, and such that fields lie across words. */
const groupBits = [3, 0, 6, 1, 2, 5, 4]

/** Fields of a row, one after the other behind a code and a scale, and the words that they take. */
export function rowFields(columns: number, codeBits: number): { fields: Int32Array; words: number } {
  let next = codeBits + 3
  const fields = Int32Array.from({ length: columns }, (_, c) => {
    const bits = groupBits[(c >> 2) % groupBits.length]!
    next += bits
    return (next - bits) | (bits << 16)
  })
  return { fields, words: Math.ceil(next / 32) }
}

export const unpackResidualsCases = (): KernelCase[] =>
  [
    [1, 1, 0],
    [5, 16, 3],
    [33, 24, 9],
    [9, 128, 7],
    [21, 45, 16],
    [4, 770, 10],
    [3, 1030, 1],
    [0, 8, 2],
  ].flatMap(([rows, columns, codeBits]) =>
    [0, 1].map(normalize => {
      const { fields, words } = rowFields(columns!, codeBits!)
      const centroids = 2 ** Math.min(codeBits!, 3)
      // Codes of the centroids that are there
      const unused = ((2 ** codeBits! - 1) ^ (centroids - 1)) >>> 0
      const tokens = random
        .words(Math.max(1, rows! * words))
        .map((word, i) => (i % words === 0 ? (word & ~unused) >>> 0 : word))
      const tensors = {
        ...{ tokens, fields, centroids: random.normal(centroids * columns!), scales: random.uniform(8, 0, 0.2) },
        curves: random.normal(2 * columns!, 0.1),
        y: Math.max(1, rows! * columns!),
      }
      const params = { rows: rows!, columns: columns!, words, codeBits: codeBits!, normalize }
      return caseOf('unpack_residuals', `${rows} of ${columns}, normalize ${normalize}`, params, tensors)
    }),
  )
