// Every wasm kernel gives the same bits in one piece [0, n) and in two, [0, a) and [a, n), and the values of the f64 reference.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type CommonKernelName,
  FLOAT_FORMAT,
  int8Words,
  type KernelName,
  kernelSpec,
  NO_LIMIT,
  type Params,
} from '../../src/backend/kernels.js'
import { ACTIVATIONS, POOLINGS } from '../../src/backend/layer-kernels.js'
import { dropoutParams, tokenKey } from '../../src/backend/random.js'
import { tensorSizes } from '../../src/backend/sizes.js'
import { instantiateKernels } from '../../src/backend/wasm/module.js'
import { runReference } from '../reference/reference.js'
import type { ReferenceArray } from '../reference/types.js'
import { matmulGroupedCases, matmulGroupedSumCases } from '../support/cases/grouped.js'
import { halves, quantizedFactor } from '../support/cases/matmul.js'
import { type Case, type Data, epilogues, filled, int8Products, matmuls } from '../support/cases/wasm-products.js'
import { offsetsOf, seededValues } from '../support/values.js'

const random = seededValues(7)
const dropping = dropoutParams(0.3, 1, 2, 3)
const keeping = dropoutParams(0, 0, 0, 0)
const branch = { hasBranch: 1, ...dropping }
const keys = (rows: number) => Uint32Array.from({ length: rows }, (_, i) => tokenKey(i % 3, i))

const inF64 = (tensors: Record<string, Data | undefined>): Record<string, ReferenceArray | undefined> =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, data]) => [
      name,
      data instanceof Float32Array ? Float64Array.from(data) : data?.slice(),
    ]),
  )

/** Tiles of `tileRows` rows over sequences of these lengths, of which the last key of every second one is hidden. */
function attentionCase(
  lengths: number[],
  tileRows: number,
  heads: number,
  headSize: number,
  drop: object,
  form: { keyValueHeads?: number; before?: number; after?: number; biasRows?: number } = {},
): Case {
  const offsets = offsetsOf(lengths)
  const rows = offsets.at(-1)!
  const tiles = lengths.flatMap((length, s) => {
    const [start, end] = [offsets[s]!, offsets[s + 1]!]
    const firsts = Array.from({ length: Math.ceil(length / tileRows) }, (_, i) => start + i * tileRows)
    return firsts.map(first => [first, start, end, s % 2 ? end - 1 : end, tokenKey(s, 0), 0, 0, 0])
  })
  const size = rows * heads * headSize
  const { keyValueHeads = heads, before = NO_LIMIT, after = NO_LIMIT, biasRows = 0 } = form
  const keySize = rows * keyValueHeads * headSize
  const [q, k, v, dout] = [random.normal(size), random.normal(keySize), random.normal(keySize), random.normal(size)]
  const shape = { rows, tiles: tiles.length, tileRows, heads, keyValueHeads, headSize, before, after, biasRows }
  const params = { ...shape, softmaxScale: headSize ** -0.5, ...drop } as Params
  const statistics = { out: new Float32Array(size), lse: new Float32Array(rows * heads) }
  const bias = random.normal(biasRows * heads)
  const tensors = { q, k, v, tiles: Int32Array.from(tiles.flat()), bias, ...statistics }
  const wide = inF64({ ...tensors })
  runReference('attention_forward', wide, params)
  // lse as the forward pass gives it, else probabilities would exceed 1; delta may be anything
  const stats = Float32Array.of(...wide.lse!, ...new Float32Array(rows * heads).fill(0.1), ...bias)
  const dbias = biasRows ? random.normal(tiles.length * biasRows * heads) : undefined
  return { params, tensors: { ...tensors, dout, stats, dq: q.slice(), dk: k.slice(), dv: k.slice(), dbias } }
}
const attention = [
  attentionCase([13, 1, 40, 150, 290], 32, 2, 16, keeping),
  attentionCase([13, 2, 40, 150], 37, 3, 12, dropping),
  attentionCase([7, 64, 9], 5, 1, 20, dropping),
  attentionCase([300], 48, 2, 32, dropping),
  attentionCase([13, 1, 40, 150, 290], 32, 4, 16, keeping, { keyValueHeads: 2, before: 40, after: 0 }),
  attentionCase([13, 2, 40, 150], 37, 3, 12, dropping, { before: 9, after: 5, biasRows: 11 }),
]

const offsets = offsetsOf([3, 1, 7, 12])
const pooled = { x: random.normal(23 * 21), dx: random.normal(23 * 21), offsets, starts: Int32Array.of(1, 0, 9, 4) }
const modes = POOLINGS.map((_, mode) => mode)
const kinds = ACTIVATIONS.map((_, kind) => kind)
const rowsOf = { rows: 21, columns: 45 }
const logits = random.normal(9 * 37, 3)
const targets = Int32Array.from(Array.from({ length: 9 }, (_, i) => [i + 2, i, 37 - i]).flat())
const tileTargets = Int32Array.from(Array.from({ length: 9 }, (_, i) => [i * 10 + 2, i * 5, 100 - i]).flat())
const tileLabels = Int32Array.from({ length: 100 }, (_, i) => i % 11)
const tileStats = random.uniform(27, 2, 9)
const late = { queries: 3, queryTokens: 12, documentTokens: 36, width: 20 }
const lateOffsets = { queryOffsets: offsetsOf([4, 7, 1]), documentOffsets: offsetsOf([3, 9, 5, 12, 1, 6]) }
const lateBest = {
  // The maximum of each column lies in its own document
  best: Int32Array.from({ length: 12 * 6 }, (_, i) => lateOffsets.documentOffsets[(i % 6) + 1]! - 1),
  owners: Int32Array.of(0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2),
}
const ties = new Float32Array(9 * 301).map((_, i) => (i % 31 === 5 ? Number.NaN : (i * 7919) % 50))
const sorted = (rows: number, k: number) => Float32Array.from({ length: rows * k }, (_, i) => 50 - (i % k) * 9)
const moments = (count: number) => ({ m: random.normal(count, 0.1), v: random.uniform(count, 0, 0.1) })
const step = {
  rate: 0.01,
  beta1: 0.9,
  oneMinusBeta1: 0.1,
  beta2: 0.999,
  oneMinusBeta2: 0.001,
  epsilon: 1e-8,
  decay: 0.1,
  correction1: 2,
  correction2: 90,
}
const state = (finite: number) => Float32Array.of(3, 0.5, finite, 4)

/** Three products of 70 rows, of 100 columns, masked and not. */
const loraCases = (more: Params): readonly Case[] =>
  [dropping, keeping].map(drop => ({
    params: {
      ...{ rows: 70, columns: 100, rank0: 8, rank1: 3, rank2: 5 },
      ...{ ...drop, key2: 5, key3: 6, key4: 7, key5: 8 },
      ...more,
    },
    tensors: { keys: keys(70) },
  }))

const cases: Readonly<Record<CommonKernelName | 'nearest' | 'maxsim_stored', readonly Case[]>> = {
  matmul: matmuls,
  matmul_half: matmuls
    .filter(({ params }) => !params.transposeA)
    .map(({ params, tensors }, i) => ({
      params: { ...params, format: i % 2 },
      tensors: { ...tensors, b: halves(params.N! * params.K!, i % 2) },
    })),
  matmul_epilogue: epilogues,
  // Small sums: tanh leaves of large ones their rounding, and nothing above 1 to measure it by.
  matmul_half_epilogue: epilogues.map(({ params, tensors }, i) => ({
    params: { ...params, alpha: params.alpha! / 16, format: i % 2 },
    tensors: { ...tensors, b: halves(params.N! * params.K!, i % 2) },
  })),
  matmul_quantized: matmuls
    .filter(({ params }) => !params.transposeA)
    .map(({ params, tensors }, i) => ({
      params: { ...params, bits: i % 2 ? 4 : 8 },
      tensors: {
        ...tensors,
        ...quantizedFactor(
          params.transposeB ? params.N! : params.K!,
          params.transposeB ? params.K! : params.N!,
          i % 2 ? 4 : 8,
        ),
      },
    })),
  matmul_grouped: filled(matmulGroupedCases()),
  matmul_grouped_sum: filled(matmulGroupedSumCases()),
  gather_rows_half: [0, 1].map(format => ({
    params: { ...rowsOf, accumulate: format, format },
    tensors: { table: halves(60 * 45, format), index: random.integers(21, 60) },
  })),
  quantize_rows: [
    { params: rowsOf, tensors: { values: new Uint32Array(21 * int8Words(45)) } },
    { params: { rows: 9, columns: 3000 }, tensors: { values: new Uint32Array(9 * int8Words(3000)) } },
  ],
  matmul_int8: int8Products,
  column_sum: [{ params: rowsOf }, { params: { rows: 3, columns: 5000 } }],
  gather_rows: [0, 1].map(accumulate => ({
    params: { ...rowsOf, accumulate },
    tensors: { table: random.normal(60 * 45), index: random.integers(21, 60) },
  })),
  scatter_rows: [
    {
      params: { count: 4, columns: 45 },
      tensors: {
        dout: random.normal(12 * 45),
        order: Int32Array.of(3, 1, 0, 2, 11, 5, 4, 7),
        starts: Int32Array.of(0, 3, 3, 4, 8),
        targets: Int32Array.of(5, 0, 7, 2),
        dtable: random.normal(8 * 45),
      },
    },
  ],
  copy_rows: [0, 1].map(accumulate => ({ params: { ...rowsOf, from: 3, to: 2, accumulate } })),
  place_columns: [0, 1].map(accumulate => ({
    params: { ...rowsOf, xColumns: 51, yColumns: 48, from: 3, to: 2, accumulate },
  })),
  dropout: [dropping, keeping].map(drop => ({ params: { ...rowsOf, ...drop }, tensors: { keys: keys(21) } })),
  lora_down: [0, 1].flatMap(joined => loraCases({ joined })),
  lora_input: [0, 1].flatMap(accumulate => loraCases({ accumulate })),
  lora_weights: [dropping, keeping].map(drop => ({
    params: { rows: 70, columns: 100, outputs: 37, rank: 5, downColumns: 9, downFirst: 2, alpha: 0.5, ...drop },
    tensors: { keys: keys(70) },
  })),
  layer_norm_forward: [
    { params: { ...rowsOf, epsilon: 1e-5, hasResidual: 1, hasBeta: 1, ...dropping }, tensors: { keys: keys(21) } },
    {
      params: { ...rowsOf, epsilon: 1e-12, hasResidual: 0, hasBeta: 0, ...keeping },
      tensors: { residual: undefined, keys: undefined, beta: undefined, sum: undefined },
    },
  ],
  layer_norm_backward: [0, 1].map(accumulate => ({
    params: { ...rowsOf, accumulate, ...branch },
    tensors: { keys: keys(21) },
  })),
  layer_norm_parameters: [{ params: { ...rowsOf, hasBeta: 1 } }],
  activation_forward: kinds.map(kind => ({
    params: { count: 4003, kind },
    tensors: { x: random.normal(4003, 3) },
  })),
  activation_backward: kinds.map(kind => ({
    params: { count: 4003, kind },
    tensors: { x: random.normal(4003, 3) },
  })),
  gated_activation_forward: kinds.map(kind => ({
    params: { count: 4003, kind },
    tensors: { gate: random.normal(4003, 3) },
  })),
  gated_activation_backward: kinds.map(kind => ({
    params: { count: 4003, kind },
    tensors: { gate: random.normal(4003, 3) },
  })),
  rms_norm_forward: [
    { params: { ...rowsOf, epsilon: 1e-5, plus: 1, hasResidual: 1, ...dropping }, tensors: { keys: keys(21) } },
    {
      params: { ...rowsOf, epsilon: 1e-12, plus: 0, hasResidual: 0, ...keeping },
      tensors: { residual: undefined, keys: undefined, sum: undefined },
    },
  ],
  rms_norm_backward: [0, 1].map(accumulate => ({
    params: { ...rowsOf, plus: accumulate, accumulate, ...branch },
    tensors: { keys: keys(21) },
  })),
  rms_norm_parameters: [{ params: rowsOf }],
  rope: [10, 16].map(headSize => ({
    params: { rows: 21, columns: 3 * headSize, headSize, direction: -1 },
    tensors: { positions: random.integers(21, 40), table: random.normal(40 * headSize) },
  })),
  scale: [{ params: { count: 103, factor: 2.5 } }],
  attention_forward: attention,
  attention_delta: [{ params: { rows: 21, heads: 3, headSize: 11 } }],
  attention_backward_q: attention,
  attention_backward_q_bias: attention.filter(({ params }) => params.biasRows! > 0),
  attention_backward_kv: attention,
  pool_forward: modes.flatMap(mode =>
    [0, 1].map(hasStarts => ({ params: { sequences: 4, columns: 21, mode, hasStarts }, tensors: pooled })),
  ),
  pool_backward: modes.flatMap(mode =>
    [0, 1].map(hasStarts => ({
      params: { sequences: 4, columns: 21, mode, hasStarts, accumulate: hasStarts },
      tensors: pooled,
    })),
  ),
  l2_normalize_forward: [{ params: { ...rowsOf, epsilon: 1e-12 } }, { params: { ...rowsOf, epsilon: 6.7 } }],
  l2_normalize_backward: [{ params: { ...rowsOf, epsilon: 0.5 }, tensors: { norms: random.uniform(21, 0.1, 2) } }],
  mask_duplicates: [
    {
      params: { rows: 9, columns: 37 },
      tensors: { scores: logits, targets, labels: Int32Array.from({ length: 37 }, (_, i) => i % 5) },
    },
  ],
  softmax_cross_entropy_forward: [{ params: { rows: 9, columns: 37 }, tensors: { scores: logits, targets } }],
  softmax_cross_entropy_backward: [
    {
      params: { rows: 9, columns: 37 },
      tensors: { scores: logits, targets, lse: new Float32Array(9).fill(6) },
    },
  ],
  softmax_tile_forward: [0, 1].map(fresh => ({
    params: { rows: 9, columns: 37, first: 40, hasLabels: fresh, fresh },
    tensors: { scores: logits, targets: tileTargets, labels: tileLabels },
  })),
  softmax_tile_losses: [{ params: { rows: 9 }, tensors: { targets: tileTargets, stats: tileStats } }],
  softmax_tile_backward: [0, 1].map(hasLabels => ({
    params: { rows: 9, columns: 37, first: 40, hasLabels },
    tensors: { scores: logits, targets: tileTargets, labels: tileLabels, stats: tileStats },
  })),
  copy_columns: [12, 60].flatMap(source =>
    [0, 1].map(accumulate => ({ params: { rows: 21, source, columns: 45, accumulate } })),
  ),
  group_scores: [{ params: { rows: 9, columns: 3, width: 45, alpha: 2 } }],
  group_scores_backward_query: [0, 1].map(accumulate => ({
    params: { rows: 9, columns: 3, width: 45, alpha: 2, accumulate },
  })),
  group_scores_backward_passage: [0, 1].map(accumulate => ({
    params: { rows: 9, columns: 3, width: 45, alpha: 2, accumulate },
  })),
  pairwise_softmax: [{ params: { rows: 9, columns: 4 } }],
  triplet_margin: [{ params: { rows: 9, columns: 4, margin: 0.4 } }],
  margin_mse: [{ params: { rows: 9, columns: 4 } }],
  kl_divergence: [{ params: { rows: 9, columns: 4, sharpness: 2 } }],
  maxsim_forward: [0, 1].map(grouped => ({
    params: { ...late, columns: grouped ? 2 : 6, grouped, l2: grouped, hasKeep: 0, hasBest: 1, alpha: 2 },
    tensors: { ...lateOffsets, keep: undefined, best: new Int32Array(12 * 6) },
  })),
  maxsim_backward_query: [0, 1].map(l2 => ({
    params: { queryTokens: 12, columns: 6, width: 20, l2, accumulate: l2, alpha: 2 },
    tensors: { ...lateBest, dscores: random.normal(3 * 6), document: random.normal(36 * 20) },
  })),
  maxsim_backward_document: [0, 1].map(l2 => ({
    params: { ...late, documents: 6, columns: 6, grouped: 0, l2, accumulate: l2, alpha: 2 },
    tensors: { ...lateOffsets, best: lateBest.best },
  })),
  scale_rows: [0, 1].map(accumulate => ({ params: { ...rowsOf, accumulate } })),
  unpack_f16: [{ params: { words: 103 }, tensors: { x: random.words(103).map(word => word & 0xbbffbbff) } }],
  unpack_residuals: [0, 1].map(normalize => ({
    params: { rows: 21, columns: 45, normalize },
    tensors: { codes: random.integers(21, 5), residuals: random.words(63), centroids: random.normal(5 * 45) },
  })),
  weighted_sum: [0, 1].map(accumulate => ({ params: { count: 1003, accumulate } })),
  sum_of_squares: [{ params: { count: 40000, first: 2 } }],
  gradient_norm: [0, 1, 1e9].map(maxNorm => ({
    params: { count: 17, maxNorm, unscale: 0.25 },
    tensors: { partials: random.uniform(17, 0, 9), state: state(1) },
  })),
  adamw: [0, 1].flatMap(decoupled =>
    [0, 1].map(finite => ({
      params: { count: 103, decoupled, ...step },
      tensors: { ...moments(103), state: state(finite) },
    })),
  ),
  fill: [{ params: { count: 103, value: 2.5 } }],
  multiply_adds: [{ params: { count: 103, rounds: 7, factor: 0.9, term: 0.2 } }],
  maxsim_stored: [0, FLOAT_FORMAT].map(format => ({
    params: { ...late, columns: 6, format },
    tensors: {
      ...lateOffsets,
      document: new Uint32Array(random.normal(36 * 20).buffer).map(word => word & 0xbfffbfff),
    },
  })),
  nearest: [1, 10].flatMap(k =>
    [0, 1].map(fresh => ({
      params: { queries: 11, rows: 90, width: 20, k, slices: 4, first: 1000, fresh },
      tensors: {
        values: sorted(4 * 11, k),
        indices: Int32Array.from({ length: 4 * 11 * k }, (_, i) => (i % k) + 900),
      },
    })),
  ),
  top_k: [1, 10, 310].flatMap(k =>
    [0, 1].map(fresh => ({
      params: { rows: 9, columns: 301, k, first: 1000, fresh },
      tensors: {
        scores: ties,
        values: sorted(9, k),
        indices: Int32Array.from({ length: 9 * k }, (_, i) => (i % k) + 900),
      },
    })),
  ),
}

const memory = new WebAssembly.Memory({ initial: 800, maximum: 65536 })
const module = await instantiateKernels(memory)
const scratch = Math.ceil(module.heapBase / 64) * 64
module.setScratch(scratch)

function tensorsOf(kernel: KernelName, { params, tensors = {} }: Case): Record<string, Data | undefined> {
  const sizes = tensorSizes(kernel, params)
  const names = Object.keys(kernelSpec(kernel).tensors)
  return Object.fromEntries(names.map((name, i) => [name, name in tensors ? tensors[name] : random.normal(sizes[i]!)]))
}

/** The tensors after the kernel has run over these ranges, one after the other. */
function run(
  kernel: KernelName,
  params: Params,
  tensors: Record<string, Data | undefined>,
  ranges: [number, number][],
) {
  let top = scratch + module.scratchBytes
  const places = Object.entries(tensors).map(([name, data]) => {
    if (!data) return { name, pointer: 0, data }
    const pointer = top
    top += Math.ceil((data.byteLength + 64) / 64) * 64
    new Uint8Array(memory.buffer).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), pointer)
    return { name, pointer, data }
  })
  const given = Object.keys(kernelSpec(kernel).params).map(name => params[name]!)
  for (const [begin, end] of ranges) module.kernels[kernel](...places.map(place => place.pointer), ...given, begin, end)
  const after = (data: Data, pointer: number) => memory.buffer.slice(pointer, pointer + data.byteLength)
  return Object.fromEntries(
    places.filter(place => place.data).map(({ name, pointer, data }) => [name, after(data!, pointer)]),
  )
}

function compare(name: string, found: ArrayBuffer, expected: ReferenceArray): void {
  const values = expected instanceof Float64Array ? new Float32Array(found) : new Int32Array(found)
  const largest = Math.max(1e-30, ...[...expected].filter(Number.isFinite).map(Math.abs))
  for (const [i, value] of values.entries()) {
    const wanted = expected instanceof Uint32Array ? expected[i]! | 0 : expected[i]!
    const close = Object.is(value, wanted) || Math.abs(value - wanted) <= 2e-6 * largest
    assert.ok(close, `${name}[${i}] is ${value}, expected ${wanted}`)
  }
}

for (const kernel of Object.keys(cases) as (keyof typeof cases)[]) {
  test(`${kernel}: values, and the same bits however it is split`, () => {
    for (const one of cases[kernel]) {
      const tensors = tensorsOf(kernel, one)
      const units = kernelSpec(kernel).units(one.params)
      const whole = run(kernel, one.params, tensors, [[0, units]])
      const expected = inF64(tensors)
      runReference(kernel, expected, one.params)
      for (const [name, { access }] of Object.entries(kernelSpec(kernel).tensors)) {
        if (whole[name] && access !== 'read')
          compare(`${kernel} ${JSON.stringify(one.params)} ${name}`, whole[name], expected[name]!)
      }
      for (const at of new Set([1, 3, Math.floor(units / 2), Math.max(units - 1, 0)])) {
        if (at > units) continue
        const split = run(kernel, one.params, tensors, [
          [0, at],
          [at, units],
        ])
        for (const name of Object.keys(whole)) {
          assert.equal(
            new Uint8Array(split[name]!),
            new Uint8Array(whole[name]!),
            `${kernel} ${JSON.stringify(one.params)}: ${name} split at ${at}`,
          )
        }
      }
    }
  })
}

test.run()
