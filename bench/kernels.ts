// Times the kernels of the WebAssembly backend at the shapes of a small BERT (12 heads of 32, 384 wide). Every kernel is compared with
// the f64 reference on a small case before it is timed; a mismatch ends in exit code 1. One line a kernel, the best of several runs.
//   npx tsx bench/kernels.ts [part of a name] [--tokens 4096] [--threads 2]
import { parseArgs } from 'node:util'
import { Bench } from 'tinybench'
import { type Backend, wholeView } from '../src/backend/backend.js'
import { type KernelName, kernelSpec, NO_LIMIT, type Params, TILE_STRIDE } from '../src/backend/kernels.js'
import { dropoutParams, tokenKey } from '../src/backend/random.js'
import { tensorSizes } from '../src/backend/sizes.js'
import { createWasmBackend } from '../src/backend/wasm/backend.js'
import { runReference } from '../test/reference/reference.js'
import type { ReferenceArray } from '../test/reference/types.js'
import { seededValues } from '../test/support/values.js'

type Data = Float32Array | Int32Array | Uint32Array
interface Case {
  readonly name: string
  readonly kernel: KernelName
  readonly params: Params
  readonly tensors?: Readonly<Record<string, Data | undefined>>
}

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { tokens: { type: 'string', default: '4096' }, threads: { type: 'string' } },
})
const tokens = Number(flags.tokens)
const heads = 12
const headSize = 32
const width = heads * headSize
const random = seededValues(1)
const dropping = dropoutParams(0.1, 1, 2, 3)
const keeping = dropoutParams(0, 0, 0, 0)
const plain = { accumulate: 0, hasBias: 0, alpha: 1 }

const matmul = (form: 'NT' | 'NN' | 'TN', M: number, N: number, K: number): Case => ({
  name: `matmul ${form} ${M} x ${K} x ${N}`,
  kernel: 'matmul',
  params: { M, N, K, transposeA: form === 'TN' ? 1 : 0, transposeB: form === 'NT' ? 1 : 0, ...plain },
  tensors: { bias: undefined },
})

/** T rows in sequences of `length`, tiles of 32. */
function attention(kernel: KernelName, T: number, length: number, drop: object): Case {
  const sequences = Math.max(1, Math.floor(T / length))
  const tiles: number[] = []
  for (let s = 0; s < sequences; s++)
    for (let row = 0; row < length; row += 32)
      tiles.push(s * length + row, s * length, (s + 1) * length, (s + 1) * length, tokenKey(s, 0), 0, 0, 0)
  const size = sequences * length * width
  const rows = size / headSize
  const stats = new Float32Array(2 * rows).fill(Math.log(length) + 0.5, 0, rows)
  const names = ['q', 'k', 'v', 'out', 'dout', 'dq', 'dk', 'dv']
  const params = {
    ...{ rows: rows / heads, tiles: tiles.length / TILE_STRIDE, tileRows: 32, heads, keyValueHeads: heads, headSize },
    ...{ before: NO_LIMIT, after: NO_LIMIT, biasRows: 0 },
    softmaxScale: headSize ** -0.5,
    ...drop,
  }
  const given = Object.fromEntries(names.map(name => [name, random.normal(size)]))
  const label = `${kernel} ${sequences} x ${length}${drop === dropping ? ' dropout' : ''}`
  return {
    name: label,
    kernel,
    params: params as Params,
    tensors: {
      ...given,
      stats,
      lse: new Float32Array(rows),
      tiles: Int32Array.from(tiles),
      bias: undefined,
      dbias: undefined,
    },
  }
}

const cases = (T: number): Case[] => [
  ...[
    [width, width],
    [4 * width, width],
    [width, 4 * width],
  ].flatMap(([N, K]) => [matmul('NT', T, N!, K!), matmul('NN', T, N!, K!), matmul('TN', K!, N!, T)]),
  matmul('NT', T, 8, width),
  matmul('NT', T, width, 8),
  matmul('NN', T, 8, width),
  matmul('TN', 8, width, T),
  matmul('NT', 1, 5 * T, width),
  matmul('NT', 8, 5 * T, width),
  matmul('NT', 64, 5 * T, width),
  ...[64, 256].flatMap(length =>
    (['attention_forward', 'attention_backward_q', 'attention_backward_kv'] as const).flatMap(kernel => [
      attention(kernel, T, length, keeping),
      attention(kernel, T, length, dropping),
    ]),
  ),
  { name: 'attention_delta', kernel: 'attention_delta', params: { rows: T, heads, headSize } },
  ...[0, 1].map(approximate => ({
    name: `gelu_forward ${approximate ? 'tanh' : 'erf'}`,
    kernel: 'activation_forward' as const,
    params: { count: T * 4 * width, kind: approximate },
  })),
  { name: 'gelu_backward erf', kernel: 'activation_backward', params: { count: T * 4 * width, kind: 0 } },
  {
    name: 'layer_norm_forward residual dropout',
    kernel: 'layer_norm_forward',
    params: { rows: T, columns: width, epsilon: 1e-12, hasResidual: 1, hasBeta: 1, ...dropping },
    tensors: { keys: random.words(T) },
  },
  {
    name: 'layer_norm_forward residual',
    kernel: 'layer_norm_forward',
    params: { rows: T, columns: width, epsilon: 1e-12, hasResidual: 1, hasBeta: 1, ...keeping },
    tensors: { keys: undefined },
  },
  { name: 'layer_norm_backward', kernel: 'layer_norm_backward', params: { rows: T, columns: width, accumulate: 0 } },
  { name: 'layer_norm_parameters', kernel: 'layer_norm_parameters', params: { rows: T, columns: width, hasBeta: 1 } },
  { name: 'column_sum', kernel: 'column_sum', params: { rows: T, columns: 4 * width } },
  {
    name: 'dropout',
    kernel: 'dropout',
    params: { rows: T, columns: width, ...dropping },
    tensors: { keys: random.words(T) },
  },
  { name: 'sum_of_squares', kernel: 'sum_of_squares', params: { count: T * width, first: 0 } },
  {
    name: 'adamw',
    kernel: 'adamw',
    params: {
      count: T * width,
      rate: 1e-3,
      beta1: 0.9,
      oneMinusBeta1: 0.1,
      beta2: 0.999,
      oneMinusBeta2: 0.001,
      epsilon: 1e-8,
      decay: 0.01,
      correction1: 10,
      correction2: 1000,
      decoupled: 1,
    },
    tensors: { state: Float32Array.of(1, 1, 1, 0), v: random.uniform(T * width, 0, 1) },
  },
  {
    name: 'top_k 100',
    kernel: 'top_k',
    params: { rows: 64, columns: 5 * T, k: 100, first: 0, fresh: 1 },
    tensors: { indices: new Int32Array(6400) },
  },
]

const tensorsOf = ({ kernel, params, tensors = {} }: Case): [string, Data | undefined][] => {
  const sizes = tensorSizes(kernel, params)
  return Object.keys(kernelSpec(kernel).tensors).map((name, i) => [
    name,
    name in tensors ? tensors[name] : random.normal(sizes[i]!),
  ])
}

/** Uploads, runs until half a second is over, and gives the best time in milliseconds with the tensors after the first run. */
async function measure(backend: Backend, one: Case, tensors: [string, Data | undefined][], seconds: number) {
  const memories = tensors.map(([name, data]) => data && backend.allocate(data.byteLength, name))
  memories.forEach((memory, i) => {
    if (memory) backend.write(wholeView(memory), tensors[i]![1]!)
  })
  const prepared = await backend.prepare([
    { kernel: one.kernel, views: memories.map(memory => memory && wholeView(memory)) },
  ])
  const call = async () => {
    backend.run(prepared, [one.params])
    await backend.finish()
  }
  await call()
  const after = await Promise.all(memories.map(memory => memory && backend.read(wholeView(memory))))
  const bench = new Bench({ time: seconds * 1000, iterations: 2, warmup: false, throws: true })
  if (seconds > 0) await bench.add(one.name, call).run()
  const result = bench.tasks[0]?.result
  const best = result && 'latency' in result ? result.latency.min : Number.POSITIVE_INFINITY
  for (const memory of memories) if (memory) backend.free(memory)
  return { best, after }
}

/** The largest difference to the reference, as a part of the largest entry of its tensor. */
async function largestError(backend: Backend, one: Case): Promise<number> {
  const tensors = tensorsOf(one)
  const { after } = await measure(backend, one, tensors, 0)
  const expected: Record<string, ReferenceArray | undefined> = Object.fromEntries(
    tensors.map(([name, data]) => [name, data instanceof Float32Array ? Float64Array.from(data) : data?.slice()]),
  )
  runReference(one.kernel, expected, one.params)
  let worst = 0
  tensors.forEach(([name, data], i) => {
    if (!(data instanceof Float32Array)) return
    const [found, wanted] = [new Float32Array(after[i]!), expected[name]!]
    const largest = [...wanted].reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30)
    found.forEach((value, j) => {
      worst = Math.max(worst, Object.is(value, wanted[j]) ? 0 : Math.abs(value - wanted[j]!) / largest)
    })
  })
  return worst
}

const backend = await createWasmBackend(flags.threads ? { threads: Number(flags.threads) } : {})
console.log(`${backend.description}, ${tokens} tokens`)
const small = cases(64)
for (const [i, one] of cases(tokens).entries()) {
  if (positionals.length > 0 && !positionals.some(word => one.name.includes(word))) continue
  const error = await largestError(backend, small[i]!)
  if (!(error < 5e-6)) {
    console.log(`${one.name}: not verified, error ${error}`)
    process.exitCode = 1
    continue
  }
  const tensors = tensorsOf(one)
  const { best } = await measure(backend, one, tensors, 0.4)
  const spec = kernelSpec(one.kernel)
  const bytes = tensors.reduce((sum, [, data]) => sum + (data?.byteLength ?? 0), 0)
  const rate = spec.flops
    ? `${(spec.flops(one.params) / best / 1e6).toFixed(1)} GFLOP/s`
    : `${(bytes / best / 1e6).toFixed(1)} GB/s`
  console.log(
    `${one.name.padEnd(44)} ${best.toFixed(2).padStart(9)} ms  ${rate.padStart(14)}  error ${error.toExponential(1)}`,
  )
}
