// Attention over packed sequences of very different lengths, with key lengths and dropout; backward cases take their statistics from the
// reference's forward.
import { NO_LIMIT, type ParamArguments } from '../../../src/backend/kernels.js'
import { dropoutParams } from '../../../src/backend/random.js'
import { attentionTiles, tileCount } from '../../../src/tensor/tiles.js'
import { offsetsOf, seededValues } from '../values.js'
import { caseOf, expectedTensors, type KernelCase, referenceOutput } from './case.js'

const random = seededValues(104)
const MIXED = [1, 2, 31, 32, 33, 130]

interface Setting {
  readonly name: string
  readonly lengths: readonly number[]
  readonly heads: number
  readonly headSize: number
  /** Default: heads. */
  readonly keyValueHeads?: number
  /** Default: no limit. */
  readonly before?: number
  readonly after?: number
  /** R of a bias of 2R + 1 rows; default: none. */
  readonly reach?: number
  readonly rate?: number
  readonly keyLengths?: readonly number[]
  /** Rows of the batch, for the dropout keys. */
  readonly rows?: readonly number[]
  /** Rows before the first sequence, which no tile lists. */
  readonly skip?: number
  /** Scores of ±500 that are exact in f32, so that only the softmax may lose digits. */
  readonly large?: boolean
  readonly noTiles?: boolean
  /** Rows that attend to one key: ds = p · (dout · v − delta) vanishes, but for rounding of its terms. */
  readonly cancelling?: boolean
}

const settings: readonly Setting[] = [
  { name: 'one token', lengths: [1], heads: 1, headSize: 32, cancelling: true },
  { name: 'mixed lengths', lengths: MIXED, heads: 2, headSize: 32 },
  {
    name: 'mixed lengths, dropout',
    lengths: MIXED,
    heads: 2,
    headSize: 32,
    rate: 0.1,
    rows: [9, 4000, 1, 0, 65535, 2],
  },
  { name: 'key lengths', lengths: MIXED, heads: 1, headSize: 64, keyLengths: [1, 1, 16, 17, 32, 65] },
  { name: 'key lengths, dropout', lengths: [33, 7, 65], heads: 3, headSize: 8, rate: 0.3, keyLengths: [32, 1, 33] },
  { name: 'heads of 4', lengths: [5, 17, 1], heads: 3, headSize: 4, rate: 0.5 },
  { name: 'heads of 8', lengths: [13, 100], heads: 2, headSize: 8 },
  { name: 'heads of 64', lengths: [63, 3, 16], heads: 2, headSize: 64, rate: 0.1 },
  { name: 'heads of 80', lengths: [19, 34], heads: 1, headSize: 80 },
  { name: 'heads of 128', lengths: [33, 7, 1], heads: 2, headSize: 128, rate: 0.1 },
  { name: 'twelve heads', lengths: [64, 3], heads: 12, headSize: 32, rate: 0.1 },
  { name: 'a long sequence', lengths: [3, 385], heads: 1, headSize: 32, rate: 0.1 },
  {
    name: 'many short sequences',
    lengths: Array.from({ length: 200 }, (_, i) => 1 + (i % 5)),
    heads: 2,
    headSize: 4,
    rate: 0.1,
  },
  { name: 'rows without a tile', lengths: [7, 18], heads: 2, headSize: 8, skip: 40 },
  { name: 'large scores', lengths: [33, 2, 65], heads: 1, headSize: 32, large: true, cancelling: true },
  { name: 'grouped queries', lengths: MIXED, heads: 6, keyValueHeads: 2, headSize: 32 },
  { name: 'one key head, dropout', lengths: [33, 7], heads: 3, keyValueHeads: 1, headSize: 12, rate: 0.2 },
  { name: 'causal', lengths: MIXED, heads: 2, headSize: 32, after: 0 },
  {
    name: 'causal window, grouped, dropout',
    lengths: [3, 385, 50],
    heads: 4,
    keyValueHeads: 2,
    headSize: 32,
    ...{ before: 36, after: 0, rate: 0.1 },
  },
  { name: 'local attention, dropout', lengths: [299, 1, 64], heads: 2, headSize: 64, before: 21, after: 21, rate: 0.1 },
  { name: 'only itself', lengths: [70, 2], heads: 1, headSize: 16, before: 0, after: 0, cancelling: true },
  { name: 'only later ones', lengths: [170, 9], heads: 1, headSize: 8, before: 0, after: 140 },
  {
    name: 'queries that see nothing',
    lengths: [70, 40],
    heads: 2,
    headSize: 8,
    before: 9,
    after: 0,
    keyLengths: [20, 1],
  },
  { name: 'relative bias', lengths: MIXED, heads: 2, headSize: 32, reach: 40 },
  {
    name: 'relative bias beyond any difference, dropout',
    lengths: [40, 97],
    heads: 3,
    headSize: 16,
    reach: 150,
    rate: 0.2,
  },
  ...[40, 90, 128, 200].map(headSize => ({
    ...{ name: `relative bias, heads of ${headSize}`, lengths: [35, 2], heads: 2, headSize, reach: 6, rate: 0.1 },
  })),
  { name: 'relative bias of one row', lengths: [40, 3], heads: 2, headSize: 8, reach: 0 },
  { name: 'relative bias of three rows, long', lengths: [270], heads: 2, headSize: 16, reach: 1, keyLengths: [201] },
  {
    name: 'all at once',
    lengths: [150, 33, 2],
    heads: 4,
    keyValueHeads: 2,
    headSize: 20,
    ...{ before: 50, after: 3, reach: 7, rate: 0.2 },
  },
  { name: 'heads of 3', lengths: [5, 17], heads: 5, headSize: 3, rate: 0.5 },
  { name: 'heads of 10', lengths: [37, 1], heads: 3, headSize: 10 },
  { name: 'heads of 96', lengths: [33, 7], heads: 2, headSize: 96, rate: 0.1 },
  { name: 'heads of 250, grouped, causal', lengths: [35, 3], heads: 2, keyValueHeads: 1, headSize: 250, after: 0 },
  { name: 'heads of 256', lengths: [40], heads: 1, headSize: 256, rate: 0.1 },
  { name: 'no tiles', lengths: [3], heads: 2, headSize: 8, noTiles: true },
]

interface Attention {
  readonly name: string
  readonly size: number
  /** T · keyValueHeads · headSize */
  readonly keySize: number
  readonly bias: Float32Array | undefined
  readonly vectors: Record<'q' | 'k' | 'v', Float32Array>
  readonly tiles: Int32Array
  readonly params: ParamArguments<'attention_forward', number>
  readonly options: { readonly terms: number }
  /** T · heads */
  readonly rows: number
  readonly cancelling: boolean
}

function attention(setting: Setting, tileRows: number): Attention {
  const { lengths, heads, headSize, rate = 0, keyLengths, rows, skip = 0, large, noTiles, cancelling = false } = setting
  const { keyValueHeads = heads, before = NO_LIMIT, after = NO_LIMIT, reach } = setting
  const offsets = offsetsOf(lengths).map(offset => offset + skip)
  const size = offsets.at(-1)! * heads * headSize
  const keySize = offsets.at(-1)! * keyValueHeads * headSize
  const biasRows = reach === undefined ? 0 : 2 * reach + 1
  const tiles = attentionTiles(
    offsets,
    tileRows,
    keyLengths && Int32Array.from(keyLengths),
    rows && Int32Array.from(rows),
  )
  // Multiples of 2 up to ±12: 32 products of them are exact, and so is the scale.
  const vector = (count: number) =>
    Float32Array.from(large ? random.integers(count, 13).map(value => value * 2 - 12) : random.normal(count))
  return {
    name: `${setting.name}, tiles of ${tileRows}`,
    size,
    rows: offsets.at(-1)! * heads,
    keySize,
    vectors: { q: vector(size), k: vector(keySize), v: random.normal(keySize) },
    bias: biasRows ? random.normal(biasRows * heads) : undefined,
    tiles,
    params: {
      rows: offsets.at(-1)!,
      tiles: noTiles ? 0 : tileCount(tiles),
      tileRows,
      ...{ heads, keyValueHeads, headSize, before, after, biasRows },
      softmaxScale: large ? 1 : 1 / Math.sqrt(headSize),
      ...dropoutParams(rate, 3, size, 1),
    },
    options: { terms: headSize + lengths.reduce((a, b) => Math.max(a, b), 0) },
    cancelling,
  }
}

const all = (): Attention[] =>
  settings.flatMap((setting, i) => (i < 5 ? [16, 32] : [i % 2 ? 16 : 32]).map(tileRows => attention(setting, tileRows)))

const forwardCase = ({ name, size, rows, vectors, bias, tiles, params, options }: Attention): KernelCase =>
  caseOf('attention_forward', name, params, { ...vectors, tiles, bias, out: size, lse: rows }, options)

export const attentionForwardCases = (): KernelCase[] => all().map(forwardCase)

export function attentionDeltaCases(): KernelCase[] {
  const delta = (rows: number, heads: number, headSize: number) => {
    const size = Math.max(rows, 1) * heads
    const vectors = { out: random.normal(size * headSize), dout: random.normal(size * headSize) }
    const tensors = { ...vectors, stats: size * 2 }
    const options = { terms: headSize }
    return caseOf(
      'attention_delta',
      `${rows} rows, ${heads} heads of ${headSize}`,
      { rows, heads, headSize },
      tensors,
      options,
    )
  }
  return [
    delta(1, 1, 4),
    delta(3, 12, 32),
    delta(130, 5, 64),
    delta(33, 2, 128),
    delta(257, 3, 8),
    delta(7, 1, 80),
    delta(66_001, 1, 4),
    delta(0, 2, 8),
  ]
}

const largest = (x: Iterable<number>) => Array.from(x).reduce((most, value) => Math.max(most, Math.abs(value)), 0)

/** dout, lse and delta of what the reference's forward gives, and that. */
function backwardInputs(given: Attention) {
  const forward = expectedTensors('attention_forward', forwardCase(given), 0)
  const [out, lse] = [Float32Array.from(forward.out!), Float32Array.from(forward.lse!)]
  const dout = random.normal(given.size)
  const { heads, headSize, softmaxScale } = given.params
  const tensors = { out, dout, stats: given.rows * 2 }
  const delta = caseOf('attention_delta', '', { rows: given.rows / heads, heads, headSize }, tensors)
  const deltas = referenceOutput('attention_delta', delta, 'stats').slice(given.rows)
  const stats = Float32Array.from([...lse, ...deltas, ...(given.bias ?? [])])
  const term = softmaxScale * largest(deltas) * largest(given.vectors.k)
  // One row of a bias is added to all scores alike, which the softmax ignores: its gradient is 0
  const magnitude: Record<string, number> = given.cancelling
    ? { dq: term, dk: term }
    : { dbias: given.params.biasRows === 1 ? 1 : 0 }
  const options = { ...given.options, magnitude }
  return { inputs: { ...given.vectors, dout, stats, tiles: given.tiles }, out, options }
}

export const attentionBackwardQCases = (): KernelCase[] =>
  all().map(given => {
    const { inputs, out, options } = backwardInputs(given)
    // Deltas are written: what is there first counts for nothing.
    const stats = inputs.stats.slice().fill(99, given.rows, 2 * given.rows)
    const tensors = { ...inputs, out, stats, dq: given.size }
    return caseOf('attention_backward_q', given.name, given.params, tensors, options)
  })

export const attentionBackwardQBiasCases = (): KernelCase[] =>
  all().flatMap(given => {
    const { tiles, biasRows, heads } = given.params
    if (biasRows === 0) return []
    const { inputs, options } = backwardInputs(given)
    const tensors = { ...inputs, dq: given.size, dbias: tiles * biasRows * heads }
    return caseOf('attention_backward_q_bias', given.name, given.params, tensors, options)
  })

export const attentionBackwardKvCases = (): KernelCase[] =>
  all().map(given => {
    const { inputs, options } = backwardInputs(given)
    const tensors = { ...inputs, dk: given.keySize, dv: given.keySize }
    return caseOf('attention_backward_kv', given.name, given.params, tensors, options)
  })
