// The kernels that are timed, at the shapes of a small BERT (12 heads of 32, 384 wide), each with its check against f64.
import type { KernelName, Params } from '../backend/kernels.js'
import type { Data, HostTensors } from './host.js'
import { product } from './products.js'

export interface KernelCase {
  readonly name: string
  readonly shape: string
  readonly kernel: KernelName
  readonly params: Params
  /** Tensors that are no random values in (−1, 1); undefined: absent. */
  readonly tensors: () => Readonly<Record<string, Data | undefined>>
  /** The largest error of sampled results against f64. */
  readonly check: (before: HostTensors, after: HostTensors, params: Params) => number
}

const WIDTH = 384

/** `tokens`: 4096, fewer on a software adapter. */
export function kernelCases(tokens: number): KernelCase[] {
  const shapes = [
    [WIDTH, WIDTH],
    [4 * WIDTH, WIDTH],
    [WIDTH, 4 * WIDTH],
  ] as const
  return shapes.flatMap(([N, K]) => [
    product('NT', tokens, N, K),
    product('NN', tokens, N, K),
    product('TN', K, N, tokens),
  ])
}
