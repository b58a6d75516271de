// Every kernel alone: checked against f64 on the very shape that is then timed.
import type { Backend } from '../backend/backend.js'
import { kernelSpec } from '../backend/kernels.js'
import type { WebGpuBackend } from '../backend/webgpu/backend.js'
import { type HostTensors, hostTensors, openCall } from './host.js'
import { CARD_ROWS, type KernelCase, kernelCases } from './kernel-cases.js'
import { measureLimits, withLimit } from './limits.js'
import { type ComparisonOptions, compareProducts } from './products.js'
import { isSoftware, placeOf, type Report } from './row.js'

/** Of f32 sums of some thousand terms, as a part of the largest result. */
const TOLERANCE = 1e-5

export interface KernelBenchOptions extends ComparisonOptions {
  /** A part of the names of the cases to run; all where absent. */
  readonly match?: string | undefined
  /** Aborting rejects with its reason, between two kernels. */
  readonly signal?: AbortSignal | undefined
}

export async function benchKernels(
  backend: Backend,
  options: KernelBenchOptions,
  report: Report,
  say: (line: string) => void,
): Promise<void> {
  const [tokens, rows] = isSoftware(backend) ? [256, 256] : [4096, backend.kind === 'webgpu' ? CARD_ROWS : 4096]
  const cases = kernelCases(tokens, rows).filter(({ name }) => name.includes(options.match ?? ''))
  const seconds = isSoftware(backend) ? options.seconds / 5 : options.seconds
  const limits = await measureLimits(backend, seconds, report)
  for (const one of cases) {
    // What would stop it is heard.
    await new Promise(resolve => setTimeout(resolve, 0))
    options.signal?.throwIfAborted()
    await benchKernel(backend, one, seconds, row => report(withLimit(row, limits)))
  }
  if (options.folder) await compareProducts(backend, cases, options, report, say)
}

export async function benchKernel(backend: Backend, one: KernelCase, seconds: number, report: Report): Promise<void> {
  const { name, shape, kernel, params, tensors, check } = one
  const before = hostTensors(kernel, params, tensors())
  const call = await openCall(backend, kernel, params, before)
  try {
    const error = check(before, call.after, params)
    const time = await call.time({ seconds })
    const flops = one.flops ?? kernelSpec(kernel).flops?.(params)
    const bytes = bytesMoved(one, before)
    report({
      name,
      shape,
      variant: await variantOf(backend, one),
      ...placeOf(backend),
      verified: error <= (one.tolerance ?? TOLERANCE),
      max_error: error,
      milliseconds: time,
      ...(flops && { gflops: flops / time / 1e6 }),
      gbps: bytes / time / 1e6,
    })
  } finally {
    call.release()
  }
}

/** Read and written; what is updated counts twice, unless it is told to be overwritten. */
export function bytesMoved({ kernel, params }: Pick<KernelCase, 'kernel' | 'params'>, tensors: HostTensors): number {
  const specs = kernelSpec(kernel).tensors
  return Object.entries(tensors).reduce((sum, [name, { byteLength }]) => {
    const twice = specs[name]!.access === 'update' && params.accumulate !== 0 && params.fresh !== 1
    return sum + (twice ? 2 : 1) * byteLength
  }, 0)
}

async function variantOf(backend: Backend, { kernel, params }: KernelCase): Promise<string> {
  return backend.kind === 'wasm' ? 'simd' : (backend as WebGpuBackend).variantOf(kernel, params)
}
