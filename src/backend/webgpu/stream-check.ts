// The variants of stream-variants.ts, and of products with a factor in few bits, with an epilogue or in groups, against each kernel's plain one, on this
// adapter: those that compute something else are refused.
import { type Backend, type View, wholeView } from '../backend.js'
import { EPILOGUES, LOW_RANK_EPILOGUE } from '../epilogue-kernels.js'
import { FLOAT_FORMAT, type KernelName, kernelSpec, type Params } from '../kernels.js'
import { dropoutParams } from '../random.js'
import { tensorSizes } from '../sizes.js'
import type { TunedBackend, VariantTest } from './first-use.js'
import { type Variant, variants } from './variants.js'

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

const halfGroup = { ...group, format: 1 }
const lowRank = { epilogue: LOW_RANK_EPILOGUE, kind: 0, hasBeside: 0, rank: 8, factor: 2 }
const masks = { ...dropoutParams(0.1, 1, 2, 3), key2: 4, key3: 5, key4: 6, key5: 7 }
const updates = { rows: 76, columns: 384, rank0: 8, rank1: 0, rank2: 4, joined: 0, ...masks }
const update = { rows: 544, columns: 384, outputs: 140, rank: 8, downColumns: 12, downFirst: 4, alpha: 2 }

/** What each variant is to do, as far as it can; what most models take comes first. */
const calls = {
  matmul_epilogue: [
    { ...product, ...gatedSlope },
    { ...product, ...lowRank },
  ],
  matmul_grouped: [group, halfGroup],
  layer_norm_forward: [{ ...residual, hasBeta: 1 }],
  rms_norm_forward: [{ ...residual, plus: 1 }],
  gather_rows: [{ ...matrix, accumulate: 1 }],
  rope: [{ ...matrix, headSize: 64, direction: 1 }],
  matmul_grouped_sum: [
    { ...groupSum, format: FLOAT_FORMAT, accumulate: 0 },
    { ...groupSum, format: 1, accumulate: 0 },
  ],
  layer_norm_backward: [{ ...matrix, ...branch }],
  rms_norm_backward: [{ ...matrix, plus: 1, ...branch }],
  layer_norm_parameters: [{ ...matrix, hasBeta: 1 }],
  rms_norm_parameters: [matrix],
  column_sum: [matrix],
  adamw: [{ ...many, ...moments, correction1: 1, correction2: 1, decoupled: 1 }],
  sum_of_squares: [{ ...many, first: 1 }],
  lora_down: [updates],
  lora_weights: [{ ...update, ...dropoutParams(0.1, 1, 2, 3) }],
  activation_forward: [{ ...many, kind: 0 }],
  activation_backward: [{ ...many, kind: 0 }],
  gated_activation_forward: [{ ...many, kind: 2 }],
  gated_activation_backward: [{ ...many, kind: 2 }],
  scale: [{ ...many, factor: 3 }],
  fill: [{ ...many, value: 2 }],
  copy_rows: [{ ...matrix, from: 1, to: 2, accumulate: 1 }],
  place_columns: [{ rows: 544, columns: 64, xColumns: 128, yColumns: 384, from: 16, to: 32, accumulate: 1 }],
  scatter_rows: [{ count: 8, columns: 384 }],
  dropout: [{ ...matrix, ...dropoutParams(0.1, 1, 2, 3) }],
  gather_rows_half: [{ ...matrix, accumulate: 1, format: 1 }],
  matmul_half: [{ ...product, format: 1 }],
  matmul_half_epilogue: [{ ...product, ...gatedSlope, format: 1 }],
  matmul_quantized: [{ ...product, bits: 4 }],
  matmul_quantized_epilogue: [{ ...product, ...gatedSlope, bits: 4 }],
  matmul_f16_quantized: [{ ...product, bits: 4 }],
  matmul_f16_quantized_epilogue: [{ ...product, ...gatedSlope, bits: 4 }],
  matmul_f16_epilogue: [{ ...product, ...gatedSlope, format: FLOAT_FORMAT }],
  matmul_f16_grouped: [group, halfGroup],
  matmul_f16_grouped_sum: [{ ...groupSum, format: FLOAT_FORMAT, accumulate: 0 }],
} as const satisfies Partial<Record<KernelName, readonly Params[]>>

type Checked = keyof typeof calls
const checkedKernels = Object.keys(calls) as readonly Checked[]

/** Of tensors whose length only their values tell: of rows 0 to 7, of which all indices are. */
const UNSIZED = 8 * 384

/** Made once of each kind, for the longest tensor: that takes longer than a call. */
type Values = (dtype: 'f32' | 'i32' | 'u32', count: number) => Float32Array | Int32Array | Uint32Array

function createValues(): Values {
  const f32 = Float32Array.from({ length: 101 }, (_, i) => (((i * 37) % 101) + 1) / 101)
  const made = new Map<string, Float32Array | Int32Array | Uint32Array>()
  const make = (dtype: 'f32' | 'i32' | 'u32', count: number) => {
    const list = dtype === 'f32' ? new Float32Array(count) : new (dtype === 'i32' ? Int32Array : Uint32Array)(count)
    for (let i = 0; i < count; i++)
      // Of u32 two bf16 between 1 and 2 each
      list[i] = dtype === 'f32' ? f32[i % 101]! : dtype === 'i32' ? i % 8 : 0x3f803f80 + (i % 128) * 0x10001
    return list
  }
  return (dtype, count) => {
    let list = made.get(dtype)
    if (!list || list.length < count) {
      list = make(dtype, count)
      made.set(dtype, list)
    }
    return list.subarray(0, count)
  }
}

/** Of every variant but each kernel's plain one, which computes what is expected; in the order of the table above. */
export function streamTests(
  { backend, force, wanted = kernel => variants[kernel] }: TunedBackend,
  kernels = checkedKernels,
): readonly VariantTest[] {
  const values = createValues()
  return kernels.flatMap(kernel => {
    const plain = wanted(kernel).at(-1)?.name
    const expected = new Map<Params, Promise<Float32Array[]>>()
    const forced = (name: string, params: Params) => {
      force(name)
      return resultsOf(backend, kernel, params, values)
    }
    const passes = async ({ name, can }: Variant) => {
      for (const params of calls[kernel] as readonly Params[]) {
        if (can && !can(params)) continue
        const wanted = expected.get(params) ?? forced(plain!, params)
        expected.set(params, wanted)
        // The plain one is forced first: who is forced is asked when a call runs.
        await wanted
        if (!agree(await forced(name, params), await wanted)) return false
      }
      return true
    }
    return wanted(kernel)
      .filter(({ name }) => name !== plain)
      .map(variant => ({ kernel, variant, passes: () => passes(variant) }))
  })
}

/** Names of variants that compute something else than the plain one. */
export async function wrongStreams(tuned: TunedBackend, kernels = checkedKernels): Promise<readonly string[]> {
  const wrong: string[] = []
  try {
    for (const { variant, passes } of streamTests(tuned, kernels)) if (!(await passes())) wrong.push(variant.name)
    return wrong
  } finally {
    tuned.force(undefined)
  }
}

/** What a call leaves in the tensors that it writes. */
async function resultsOf(
  backend: Backend,
  kernel: KernelName,
  params: Params,
  values: Values,
): Promise<Float32Array[]> {
  const sizes = tensorSizes(kernel, params)
  const specs = Object.entries(kernelSpec(kernel).tensors)
  const views = specs.map(([name, { dtype }], i): View => {
    const data = values(dtype, sizes[i] || UNSIZED)
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
