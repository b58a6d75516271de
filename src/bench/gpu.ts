// What a GPU reaches at the sizes that are compared between cards: large products, attention over heads of 64, and a model of BERT-base's shape, in f32
// and, where the adapter has shader-f16, with f16 factors; what only reads and writes memory, at sizes that no cache holds. Each is checked against f64 first.
import { FLOAT_FORMAT, type KernelName } from '../backend/kernels.js'
import type { WebGpuBackend } from '../backend/webgpu/backend.js'
import type { Precision } from '../model/quantize.js'
import { attentionCase } from './attention.js'
import { benchEncode, type EncodeBenchOptions } from './encode.js'
import { benchInfoNce } from './infonce.js'
import { type BenchInput, randomDocuments, randomModel } from './inputs.js'
import { CARD_ROWS, type KernelCase, memoryCases } from './kernel-cases.js'
import { benchKernel } from './kernels.js'
import { measureLimits, withLimit } from './limits.js'
import { product } from './products.js'
import { quantizedProduct } from './quantized.js'
import { isSoftware, type Report } from './row.js'
import { benchTrain } from './train.js'

export interface GpuBenchOptions extends EncodeBenchOptions {
  readonly seconds: number
  /** A part of the names of the cases to run; all where absent. */
  readonly match?: string | undefined
}

/** Of f16 factors and f32 sums, as a part of the largest result; of attention, whose inputs are rounded before a softmax, more. */
const PRODUCT_TOLERANCE = 2e-3
const ATTENTION_TOLERANCE = 1e-2

const narrowed = (one: KernelCase, tolerance: number, params: KernelCase['params'] = {}): KernelCase => ({
  ...one,
  name: `${one.name} f16`,
  kernel: `${one.kernel}_f16` as KernelName,
  params: { ...one.params, ...params },
  tolerance,
  ...(one.flops !== undefined && { flops: one.flops }),
})

/** `small`: for processors that play a GPU. */
export function gpuCases(small: boolean, f16: boolean): KernelCase[] {
  const sizes = small ? [64] : [4096, 8192]
  const products = sizes.map(size => product('NT', size, size, size))
  const inFewBits = quantizedProduct(4, sizes[0]!, sizes[0]!, sizes[0]!)
  const shape = { length: small ? 32 : 512, heads: small ? 2 : 12, size: 64 }
  const attention = (['attention_forward', 'attention_backward_q', 'attention_backward_kv'] as const).map(kernel =>
    attentionCase(kernel, small ? 64 : 64 * 512, shape, 0),
  )
  return [
    ...products,
    ...(f16 ? products.map(one => narrowed(one, PRODUCT_TOLERANCE, { format: FLOAT_FORMAT })) : []),
    inFewBits,
    ...(f16 ? [{ ...narrowed(inFewBits, PRODUCT_TOLERANCE), kernel: 'matmul_f16_quantized' as const }] : []),
    ...attention,
    ...(f16 ? attention.map(one => narrowed(one, ATTENTION_TOLERANCE)) : []),
    ...memoryCases(small ? 64 : CARD_ROWS),
  ]
}

const WHOLE = ['encode', 'train lora', 'infonce'] as const

export const gpuNames = (): string[] => [...gpuCases(true, true).map(({ name }) => name), ...WHOLE]

const infoNceShape = (small: boolean) =>
  small ? { queries: 32, passages: 2048, width: 64 } : { queries: 4096, passages: 32_768, width: 768 }

/** 128 texts of random ids, half of them queries where a step is trained. */
const TEXTS = 128

export function gpuInput(small: boolean): BenchInput {
  const source = randomModel(small ? 'small' : 'base')
  const count = small ? 8 : TEXTS
  return { source, documents: randomDocuments(count), label: `${source.name}, ${count} random texts` }
}

/** `given`: a model and its texts; default: random ones of BERT-base's shape. */
export async function benchGpu(
  backend: WebGpuBackend,
  given: BenchInput | undefined,
  options: GpuBenchOptions & { readonly data?: string | undefined },
  report: Report,
  say: (line: string) => void,
): Promise<void> {
  const { match = '', seconds } = options
  const small = isSoftware(backend)
  const f16 = backend.features.includes('shader-f16')
  const limits = await measureLimits(backend, seconds, report)
  for (const one of gpuCases(small, f16).filter(({ name }) => name.includes(match))) {
    const { M = 0, N = 0 } = one.params
    if (4 * M * N > backend.limits.binding) {
      say(
        `${one.name} ${one.shape} is left out: a binding of this adapter holds ${backend.limits.binding / 2 ** 20} MiB`,
      )
      continue
    }
    await benchKernel(backend, one, seconds, row => report(withLimit(row, limits)))
  }
  if (WHOLE[2].includes(match))
    await benchInfoNce(backend, infoNceShape(small), options.rounds, each => report(withLimit(each, limits)))
  const input = given ?? gpuInput(small)
  const precisions: Precision[] = f16 ? ['f32', 'mixed'] : ['f32']
  for (const precision of precisions) {
    const asked = { ...options, precision }
    if (WHOLE[0].includes(match)) await benchEncode(backend, input, asked, report, say)
    if (WHOLE[1].includes(match))
      await benchTrain(
        backend,
        input.source,
        { ...asked, methods: ['lora'], ...(!small && { pairs: TEXTS / 2 }) },
        report,
        say,
      )
  }
}
