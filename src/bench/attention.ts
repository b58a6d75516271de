// Attention over packed sequences of one length: cases to time, and their checks in f64 at sampled rows and heads.
import { type KernelName, NO_LIMIT, type Params } from '../backend/kernels.js'
import { dropoutParams, tokenKey } from '../backend/random.js'
import { TILE_ROWS } from '../ops/attention.js'
import { attentionTiles, tileCount } from '../tensor/tiles.js'
import { comparison, dropoutFactor, sampled } from './checks.js'
import { type Data, type HostTensors, uniformValues } from './host.js'
import type { KernelCase } from './kernel-cases.js'

type AttentionKernel = 'attention_forward' | 'attention_backward_q' | 'attention_backward_kv'

/** Multiplications and additions of a pair of positions, by the channels of a head: products that the kernel cannot do without. */
const flopsOfPair = { attention_forward: 4, attention_backward_q: 6, attention_backward_kv: 8 } as const

/** What a check needs to know of where a row is, beside the call's parameters. */
interface Shape {
  readonly length: number
  readonly heads: number
  readonly size: number
}

export function attentionCase(kernel: AttentionKernel, tokens: number, shape: Shape, rate: number): KernelCase {
  const { length, heads, size } = shape
  const sequences = Math.max(1, Math.floor(tokens / length))
  const offsets = Int32Array.from({ length: sequences + 1 }, (_, i) => i * length)
  const tiles = attentionTiles(offsets, TILE_ROWS)
  const rows = sequences * length
  const params = {
    ...{ rows, tiles: tileCount(tiles), tileRows: TILE_ROWS, heads, keyValueHeads: heads, headSize: size },
    ...{ before: NO_LIMIT, after: NO_LIMIT, biasRows: 0 },
    softmaxScale: size ** -0.5,
    ...(rate > 0 ? dropoutParams(rate, 1, 2, 3) : dropoutParams(0, 0, 0, 0)),
  }
  const names = ['q', 'k', 'v', 'out', 'dout', 'dq', 'dk', 'dv']
  const values = (name: string, i: number): [string, Data] => [name, uniformValues(rows * heads * size, 100 + i)]
  return {
    name: `${kernel}${rate > 0 ? ' dropout' : ''}`,
    shape: `${sequences}×${length}, ${heads} heads of ${size}`,
    kernel,
    params,
    tensors: () => ({
      ...Object.fromEntries(names.map(values)),
      // (2, rows, heads): logarithms of sums as they are for scores near 0, and some delta
      stats: uniformValues(2 * rows * heads, 99).map((x, i) => (i < rows * heads ? Math.log(length) + x / 2 : x / 10)),
      lse: new Float32Array(rows * heads),
      tiles,
      bias: undefined,
      dbias: undefined,
    }),
    check: (before, after, p) => checks[kernel](before, after, p, shape, rows),
    flops: flopsOfPair[kernel] * sequences * length * length * heads * size,
  }
}

const names = { attention_forward: ['out'], attention_backward_q: ['dq'], attention_backward_kv: ['dk', 'dv'] } as const

type AttentionCheck = (before: HostTensors, after: HostTensors, p: Params, shape: Shape, rows: number) => number

/** Products of rows of two tensors within one head, and the dropout of a pair, by positions in the sequence. */
function sequenceOf(before: HostTensors, p: Params, { length, heads, size }: Shape, row: number, head: number) {
  const sequence = Math.floor(row / length)
  const place = (position: number) => ((sequence * length + position) * heads + head) * size
  const scale = p.softmaxScale!
  const dot = (a: Data, i: number, b: Data, j: number): number => {
    let sum = 0
    for (let c = 0; c < size; c++) sum += a[place(i) + c]! * b[place(j) + c]!
    return sum
  }
  const score = (i: number, j: number) => scale * dot(before.q!, i, before.k!, j)
  const mask = (i: number, j: number) =>
    dropoutFactor(p, tokenKey(sequence, 0) + i, (head << 15) + (j >> 1), (j & 1) as 0 | 1)
  const statsOf = (i: number) => (sequence * length + i) * heads + head
  const p_ij = (i: number, j: number) => Math.exp(score(i, j) - before.stats![statsOf(i)]!)
  // Given to the keys; the queries' kernel makes it of out.
  const deltaOf = (i: number) =>
    before.out ? dot(before.dout!, i, before.out, i) : before.stats![p.rows! * heads + statsOf(i)]!
  const ds = (i: number, j: number) => p_ij(i, j) * (mask(i, j) * dot(before.dout!, i, before.v!, j) - deltaOf(i))
  return { place, scale, score, mask, p: p_ij, ds }
}

/** Σ over the positions of the sequence of weight · row, channel by channel. */
function weightedRows(shape: Shape, place: (j: number) => number, weight: (j: number) => number, rows: Data): number[] {
  const weights = Array.from({ length: shape.length }, (_, j) => weight(j))
  return Array.from({ length: shape.size }, (_, c) =>
    weights.reduce((sum, value, j) => sum + value * rows[place(j) + c]!, 0),
  )
}

type Expected = (before: HostTensors, p: Params, shape: Shape, row: number, head: number) => Record<string, number[]>

const checked =
  (kernel: AttentionKernel, expected: Expected): AttentionCheck =>
  (before, after, p, shape, rows) => {
    const results = names[kernel].map(name => ({ name, all: comparison() }))
    for (const row of sampled(rows, 8))
      for (const head of sampled(shape.heads, 2)) {
        const wanted = expected(before, p, shape, row, head)
        const first = (row * shape.heads + head) * shape.size
        for (const { name, all } of results)
          wanted[name]!.forEach((value, c) => {
            all.add(after[name]![first + c]!, value)
          })
      }
    return results.reduce((most, { all }) => Math.max(most, all.error()), 0)
  }

const checks: Record<AttentionKernel & KernelName, AttentionCheck> = {
  attention_forward: checked('attention_forward', (before, p, shape, row, head) => {
    const { place, score, mask } = sequenceOf(before, p, shape, row, head)
    const i = row % shape.length
    const exponentials = Array.from({ length: shape.length }, (_, j) => Math.exp(score(i, j)))
    const total = exponentials.reduce((sum, value) => sum + value, 0)
    return { out: weightedRows(shape, place, j => (mask(i, j) * exponentials[j]!) / total, before.v!) }
  }),
  attention_backward_q: checked('attention_backward_q', (before, p, shape, row, head) => {
    const { place, scale, ds } = sequenceOf(before, p, shape, row, head)
    return { dq: weightedRows(shape, place, j => scale * ds(row % shape.length, j), before.k!) }
  }),
  attention_backward_kv: checked('attention_backward_kv', (before, p, shape, row, head) => {
    const { place, scale, mask, p: probability, ds } = sequenceOf(before, p, shape, row, head)
    const j = row % shape.length
    return {
      dk: weightedRows(shape, place, i => scale * ds(i, j), before.q!),
      dv: weightedRows(shape, place, i => mask(i, j) * probability(i, j), before.dout!),
    }
  }),
}
