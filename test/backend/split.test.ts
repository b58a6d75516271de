// Long calls in pieces: what the pieces are, and that a device that is given them computes the same.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Backend, type View, wholeView } from '../../src/backend/backend.js'
import { EPILOGUES } from '../../src/backend/epilogue-kernels.js'
import { type KernelName, kernelSpec, NO_LIMIT, type Params } from '../../src/backend/kernels.js'
import { dropoutParams } from '../../src/backend/random.js'
import { createWebGpuBackend } from '../../src/backend/webgpu/backend.js'
import { mostFlops, piecesOf } from '../../src/backend/webgpu/split.js'
import { attentionTiles, tileCount } from '../../src/tensor/tiles.js'
import { webgpuBackend } from '../support/adapter.js'
import { kernelCases } from '../support/kernel-cases.js'
import { offsetsOf, seededValues } from '../support/values.js'
import { runCase } from './conformance.js'

const plain = { transposeA: 0, transposeB: 1, accumulate: 0, hasBias: 1, alpha: 2 }

test('rows of a product, terms of a gradient, tiles of attention: whole together, each no longer than allowed', () => {
  const rows = piecesOf('matmul', { ...plain, M: 1000, N: 40, K: 30 }, 400 * 2 * 40 * 30, 1)
  assert.equal(
    rows.map(({ params, offsets }) => [params.M, offsets.a, offsets.c, params.hasBias]),
    [
      [384, 0, 0, 1],
      [384, 4 * 384 * 30, 4 * 384 * 40, 1],
      [232, 4 * 768 * 30, 4 * 768 * 40, 1],
    ],
  )
  const terms = piecesOf('matmul', { ...plain, transposeA: 1, transposeB: 0, M: 8, N: 40, K: 300 }, 150 * 2 * 8 * 40, 1)
  assert.equal(
    terms.map(({ params, offsets }) => [params.K, offsets.a, offsets.b, params.accumulate, params.hasBias]),
    [
      [256, 0, 0, 0, 1],
      [44, 4 * 256 * 8, 4 * 256 * 40, 1, 0],
    ],
  )
  const attention = { tiles: 150, tileRows: 32, heads: 2, headSize: 4, biasRows: 3 }
  const tiles = piecesOf('attention_backward_q_bias', attention, 1, 1)
  assert.equal(
    tiles.map(({ params, offsets }) => [params.tiles, offsets.tiles, offsets.dbias]),
    [
      [64, 0, 0],
      [64, 64 * 32, 64 * 24],
      [22, 128 * 32, 128 * 24],
    ],
  )
  for (const pieces of [rows, terms, tiles])
    for (const { offsets } of pieces) for (const offset of Object.values(offsets)) assert.is(offset % 256, 0)
  const short = { ...plain, M: 1000, N: 40, K: 30 }
  assert.equal(
    piecesOf('matmul', short, mostFlops(100), 1).map(({ params }) => params),
    [short],
  )
})

test('what an epilogue reads and writes is split with the rows; the second factor of a low-rank update is whole', () => {
  const params = { ...plain, M: 300, N: 64, K: 32, kind: 0, hasBeside: 1, rank: 8, factor: 1 }
  const offsets = (epilogue: (typeof EPILOGUES)[number]) =>
    piecesOf('matmul_epilogue', { ...params, epilogue: EPILOGUES.indexOf(epilogue) }, 128 * 2 * 64 * 20, 1).map(
      piece => [piece.params.M, piece.offsets],
    )
  const c = (first: number) => 4 * 64 * first
  assert.equal(
    offsets('gated_slope').slice(0, 2),
    [0, 128].map(first => [128, { a: 128 * first, c: c(first), with0: c(first), with1: c(first), beside: c(first) }]),
  )
  assert.equal(offsets('low_rank')[1], [128, { a: 128 * 128, c: c(128), with0: 32 * 128, with1: 0, beside: c(128) }])
})

test('groups of products by rows of what each reads and writes', () => {
  const sizes = { M: 300, K: 20, N0: 64, N1: 64, N2: 0, rank0: 8, rank1: 4, rank2: 0 }
  const offsets = (gated: number) =>
    piecesOf('matmul_grouped', { ...sizes, gated }, 128 * 2 * 64 * 52, 1).map(piece => [piece.params.M, piece.offsets])
  const at = (first: number, c2: number) => {
    const c = 4 * 64 * first
    return { a: 80 * first, c0: c, c1: c, c2: c2 * first, down: 48 * first }
  }
  assert.equal(offsets(0), [
    [128, at(0, 0)],
    [128, at(128, 0)],
    [44, at(256, 0)],
  ])
  assert.equal(offsets(1)[1], [128, at(128, 4 * 64)])
  const sum = { M: 200, N: 16, K0: 8, K1: 4, K2: 0 }
  assert.equal(
    piecesOf('matmul_grouped_sum', sum, 128 * 2 * 16 * 12, 1).map(piece => [piece.params.M, piece.offsets]),
    [0, 128].map(first => [first ? 72 : 128, { a0: 32 * first, a1: 16 * first, a2: 0, c: 64 * first }]),
  )
})

test('low-rank updates by rows, MaxSim by workgroups: together the whole', () => {
  const ranks = { rank0: 8, rank1: 2, rank2: 0 }
  const down = piecesOf('lora_down', { rows: 300, columns: 12, ...ranks }, 1000, 1)
  assert.equal(
    down.map(({ params, offsets }) => [params.rows, offsets.x, offsets.keys, offsets.down0, offsets.down1]),
    [
      [128, 0, 0, 0, 0],
      [128, 4 * 128 * 12, 4 * 128, 4 * 128 * 8, 4 * 128 * 2],
      [44, 4 * 256 * 12, 4 * 256, 4 * 256 * 8, 4 * 256 * 2],
    ],
  )
  const weights = piecesOf('lora_weights', { rows: 130, columns: 12, outputs: 20, rank: 8 }, 1000, 1)
  assert.equal(
    weights.map(({ params, offsets }) => [params.rows, offsets.dy, offsets.ddown, offsets.x]),
    [
      [128, 0, 0, 0],
      [2, 4 * 128 * 20, 4 * 128 * 8, 4 * 128 * 12],
    ],
  )
  for (const { offsets } of [...down, ...weights])
    for (const offset of Object.values(offsets)) assert.is(offset % 256, 0)

  const pairs = { queries: 10, columns: 7, queryTokens: 320, documentTokens: 700, width: 8, grouped: 0 }
  const flops = 2 * 320 * 700 * 8
  const groups = (params: Params, most: number, workgroups: number) =>
    piecesOf('maxsim_forward', params, most, workgroups).map(piece => piece.workgroups)
  assert.equal(groups(pairs, flops, 70), [
    [0, 35],
    [35, 35],
  ])
  assert.equal(groups(pairs, 2 * flops, 70), [undefined])
  const wide = groups(pairs, flops, 200_000)
  assert.is(wide.length, 4, 'no piece is of more workgroups than one dimension has')
  assert.is(
    wide.reduce((sum, range) => sum + range![1], 0),
    200_000,
  )
})

const random = seededValues(31)
const present = await webgpuBackend()
const onGpu = present ? test : test.skip

const inPieces = [
  ...(['lora_down', 'lora_input', 'lora_weights'] as const),
  ...(['maxsim_forward', 'maxsim_backward_query', 'maxsim_backward_document'] as const),
]

/** What a call leaves in its tensors that are written; those that are absent are undefined. */
async function results(
  backend: Backend,
  kernel: KernelName,
  params: Params,
  tensors: Record<string, Float32Array | Int32Array | undefined>,
): Promise<Float32Array[]> {
  const specs = Object.entries(kernelSpec(kernel).tensors)
  const views = specs.map(([name]): View | undefined => {
    const data = tensors[name]
    if (!data) return undefined
    const view = wholeView(backend.allocate(data.byteLength, name))
    backend.write(view, data)
    return view
  })
  const prepared = await backend.prepare([{ kernel, views }])
  backend.run(prepared, [params])
  const found: Float32Array[] = []
  for (const [i, [, { access }]] of specs.entries())
    if (access !== 'read' && views[i]) found.push(new Float32Array(await backend.read(views[i]!)))
  prepared.release()
  for (const view of views) if (view) backend.free(view.memory)
  return found
}

function attentionCall(): { params: Params; tensors: Record<string, Float32Array | Int32Array | undefined> } {
  const [heads, headSize] = [2, 8]
  const offsets = offsetsOf(Array.from({ length: 70 }, (_, i) => 1 + (i % 5)))
  const rows = offsets.at(-1)!
  const tiles = attentionTiles(offsets, 32)
  const params = {
    ...{ rows, tiles: tileCount(tiles), tileRows: 32, heads, keyValueHeads: heads, headSize, softmaxScale: 0.3 },
    ...{ before: NO_LIMIT, after: NO_LIMIT, biasRows: 0, ...dropoutParams(0.2, 1, 2, 3) },
  }
  const matrix = () => random.normal(rows * heads * headSize)
  const tensors = {
    ...{ q: matrix(), k: matrix(), v: matrix(), dout: matrix(), tiles, bias: undefined, dbias: undefined },
    stats: random.normal(rows * heads * 2),
    ...{ out: matrix(), dq: matrix(), dk: matrix(), dv: matrix(), lse: new Float32Array(rows * heads) },
  }
  return { params, tensors }
}

onGpu('a device computes pieces as the whole: the same bits but where terms are summed in another order', async () => {
  const adapter = process.env.WGPU_RETRIEVE_ADAPTER
  const split = await createWebGpuBackend({ tune: false, mostFlops: 1000, ...(adapter && { adapter }) })
  let dispatches = 0
  const { createBindGroup } = split.device
  split.device.createBindGroup = descriptor => {
    dispatches++
    return createBindGroup.call(split.device, descriptor)
  }
  const sizes = { M: 300, N: 20, K: 12 }
  const product = { ...plain, ...sizes }
  const given = {
    a: random.normal(300 * 12),
    b: random.normal(20 * 12),
    bias: random.normal(20),
    c: random.normal(6000),
  }
  assert.equal(await results(split, 'matmul', product, given), await results(present!, 'matmul', product, given))
  assert.is(dispatches, 1 + 3, 'a group for the whole, and one for each piece')

  const { params, tensors } = attentionCall()
  for (const kernel of ['attention_forward', 'attention_backward_q', 'attention_backward_kv'] as const)
    assert.equal(
      await results(split, kernel, params, tensors),
      await results(present!, kernel, params, tensors),
      kernel,
    )

  const gradient = { ...plain, transposeA: 1, transposeB: 0, accumulate: 1, hasBias: 0, M: 5, N: 20, K: 700 }
  const factors = { a: random.normal(5 * 700), b: random.normal(20 * 700), bias: undefined, c: random.normal(100) }
  const [[pieces], [whole]] = [
    await results(split, 'matmul', gradient, factors),
    await results(present!, 'matmul', gradient, factors),
  ]
  pieces!.forEach((value, i) => {
    assert.ok(Math.abs(value - whole![i]!) < 1e-3, `${value}, expected ${whole![i]}`)
  })
  split.close()
})

onGpu('low-rank updates and MaxSim in pieces are right to the tolerance of the whole', async () => {
  const adapter = process.env.WGPU_RETRIEVE_ADAPTER
  const split = await createWebGpuBackend({ tune: false, mostFlops: 20_000, ...(adapter && { adapter }) })
  let groups = 0
  const { createBindGroup } = split.device
  split.device.createBindGroup = descriptor => {
    groups++
    return createBindGroup.call(split.device, descriptor)
  }
  for (const kernel of inPieces) {
    const cases = kernelCases[kernel]()
    groups = 0
    for (const each of cases) assert.equal((await runCase(split, kernel, each, 1e-5)).problems, [], each.name)
    assert.ok(groups > 2 * cases.length, `${kernel}: ${groups} groups for ${cases.length} cases`)
  }
  for (const kernel of ['matmul_grouped', 'matmul_grouped_sum'] as const) {
    // Of fewer rows there are no pieces.
    const cases = kernelCases[kernel]().filter(({ params }) => params.M! > 256)
    groups = 0
    for (const each of cases) assert.equal((await runCase(split, kernel, each, 1e-5)).problems, [], each.name)
    assert.ok(cases.length > 0 && groups >= 4 * cases.length, `${kernel}: ${groups} groups for ${cases.length} cases`)
  }
  split.close()
})

test.run()
