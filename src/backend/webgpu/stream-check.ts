// The variants of stream-variants.ts, and of products with a factor in few bits, with an epilogue or in groups, against each kernel's plain one, on this
// adapter: those that compute something else are refused. Done once for an adapter and driver, as the products are measured.
import { type Backend, type View, wholeView } from '../backend.js'
import { EPILOGUES } from '../epilogue-kernels.js'
import { FLOAT_FORMAT, type KernelName, kernelSpec, type Params } from '../kernels.js'
import { dropoutParams } from '../random.js'
import { tensorSizes } from '../sizes.js'
import { products } from './products.js'
import { streamVariants } from './stream-variants.js'
import { type Adapter, remembered, type TunedBackend, type Tuning } from './tuning.js'
import type { Variant } from './variants.js'

const { matmul_half, matmul_quantized, matmul_epilogue, matmul_grouped, matmul_grouped_sum } = products
const { matmul_f16_quantized } = products
const others = {
  ...{ matmul_half, matmul_quantized, matmul_epilogue, matmul_grouped, matmul_grouped_sum },
  matmul_f16_quantized,
}
const checked: Readonly<Record<string, readonly Variant[]>> = { ...streamVariants, ...others }
type Checked = keyof typeof streamVariants | keyof typeof others

/** Of sums in another order, as a part of the largest value. */
const TOLERANCE = 1e-4
/** Rows such that every share of them has some, of three vectors of four for each of 32 lanes. */
const matrix = { rows: 544, columns: 384 }
const many = { count: 3 * 16384 + 40 }
const branch = { accumulate: 1, hasBranch: 1, ...dropoutParams(0.1, 1, 2, 3) }
const residual = { ...matrix, epsilon: 1e-6, hasResidual: 1, ...dropoutParams(0.1, 1, 2, 3) }
const moments = { rate: 0.1, beta1: 0.9, oneMinusBeta1: 0.1, beta2: 0.99, oneMinusBeta2: 0.01, epsilon: 1, decay: 0.1 }

// Rows that are not whole groups; so many terms that every share of them has some.
const product = { M: 76, N: 140, K: 1020, transposeA: 0, transposeB: 1, accumulate: 0, hasBias: 1, alpha: 1 }

// All tensors that an epilogue may have
const gatedSlope = { epilogue: EPILOGUES.indexOf('gated_slope'), kind: 2, hasBeside: 1, rank: 0, factor: 0 }
const group = {
  ...{ M: 76, K: 1020, N0: 140, N1: 68, N2: 36, b0: 0, b1: 142848, b2: 212224, format: FLOAT_FORMAT },
  ...{ hasBias: 1, bias0: 0, bias1: 192, bias2: 320, rank0: 8, rank1: 0, rank2: 4, up0: 0, up1: 0, up2: 1152 },
  ...{ factor0: 2, factor1: 0, factor2: 3, gated: 0, kind: 0, hasBeside: 0 },
}
const groupSum = { M: 76, N: 140, K0: 340, K1: 36, K2: 20, b0: 0, b1: 47616, b2: 52672 }

const calls: Readonly<Record<Checked, Params>> = {
  gather_rows: { ...matrix, accumulate: 1 },
  gather_rows_half: { ...matrix, accumulate: 1, format: 1 },
  scatter_rows: { count: 8, columns: 384 },
  copy_rows: { ...matrix, from: 1, to: 2, accumulate: 1 },
  place_columns: { rows: 544, columns: 64, xColumns: 128, yColumns: 384, from: 16, to: 32, accumulate: 1 },
  dropout: { ...matrix, ...dropoutParams(0.1, 1, 2, 3) },
  layer_norm_forward: { ...residual, hasBeta: 1 },
  layer_norm_backward: { ...matrix, ...branch },
  layer_norm_parameters: { ...matrix, hasBeta: 1 },
  rms_norm_forward: { ...residual, plus: 1 },
  rms_norm_backward: { ...matrix, plus: 1, ...branch },
  rms_norm_parameters: matrix,
  column_sum: matrix,
  activation_forward: { ...many, kind: 0 },
  activation_backward: { ...many, kind: 0 },
  gated_activation_forward: { ...many, kind: 2 },
  gated_activation_backward: { ...many, kind: 2 },
  rope: { ...matrix, headSize: 64, direction: 1 },
  scale: { ...many, factor: 3 },
  fill: { ...many, value: 2 },
  adamw: { ...many, ...moments, correction1: 1, correction2: 1, decoupled: 1 },
  sum_of_squares: { ...many, first: 1 },
  matmul_half: { ...product, format: 1 },
  matmul_quantized: { ...product, bits: 4 },
  matmul_f16_quantized: { ...product, bits: 4 },
  matmul_epilogue: { ...product, ...gatedSlope },
  matmul_grouped: group,
  matmul_grouped_sum: { ...groupSum, format: FLOAT_FORMAT, accumulate: 0 },
}

/** Of tensors whose length only their values tell: of rows 0 to 7, of which all indices are. */
const UNSIZED = 8 * 384

const values = {
  f32: (count: number) => Float32Array.from({ length: count }, (_, i) => (((i * 37) % 101) + 1) / 101),
  i32: (count: number) => Int32Array.from({ length: count }, (_, i) => i % 8),
  // Two bf16 between 1 and 2 each
  u32: (count: number) => Uint32Array.from({ length: count }, (_, i) => 0x3f803f80 + (i % 128) * 0x10001),
}

/** `mixed`: those that need f16 too. */
const checkedKernels = (mixed: boolean): readonly Checked[] =>
  (Object.keys(calls) as Checked[]).filter(kernel => mixed || !kernelSpec(kernel).needs)

/** Names of variants that compute something else than the plain one. */
export async function wrongStreams(
  { backend, force }: TunedBackend,
  kernels = checkedKernels(false),
): Promise<readonly string[]> {
  const wrong: string[] = []
  try {
    for (const kernel of kernels) {
      const names = checked[kernel]!.map(({ name }) => name)
      force(names.at(-1))
      const expected = await resultsOf(backend, kernel)
      for (const name of names.slice(0, -1)) {
        force(name)
        if (!agree(await resultsOf(backend, kernel), expected)) wrong.push(name)
      }
    }
    return wrong
  } finally {
    force(undefined)
  }
}

/** From the cache, or checked and put there. */
export const checkedStreams = (tunedBackend: TunedBackend, adapter: Adapter, mixed = false): Promise<Tuning> => {
  const kernels = checkedKernels(mixed)
  return remembered(
    adapter,
    kernels.flatMap(kernel => checked[kernel]!.map(({ name }) => name)),
    async () => ({ choices: {}, refused: await wrongStreams(tunedBackend, kernels), gflops: 1 }),
  )
}

/** What a call leaves in the tensors that it writes. */
async function resultsOf(backend: Backend, kernel: KernelName): Promise<Float32Array[]> {
  const params = calls[kernel as Checked]
  const sizes = tensorSizes(kernel, params)
  const specs = Object.entries(kernelSpec(kernel).tensors)
  const views = specs.map(([name, { dtype }], i): View => {
    const data = values[dtype](sizes[i] || UNSIZED)
    const view = wholeView(backend.allocate(data.byteLength, `check ${name}`))
    backend.write(view, data)
    return view
  })
  const prepared = await backend.prepare([{ kernel, views }])
  try {
    backend.run(prepared, [params])
    const written = views.filter((_, i) => specs[i]![1].access !== 'read')
    return await Promise.all(written.map(async view => new Float32Array(await backend.read(view))))
  } finally {
    prepared.release()
    for (const { memory } of views) backend.free(memory)
  }
}

const agree = (found: readonly Float32Array[], expected: readonly Float32Array[]): boolean =>
  expected.every((wanted, t) => {
    const most = wanted.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0)
    return wanted.every((value, i) => Math.abs(found[t]![i]! - value) <= TOLERANCE * most)
  })
