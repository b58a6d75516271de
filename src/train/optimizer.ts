// The optimizer's calls: gradient norm over all segments, clipping, AdamW (Loshchilov & Hutter 2019) behind a guard on the device, and gradients
// set back to zero. The guard: where the norm is not finite nothing moves, and the status says so.
import { type Backend, type View, wholeView } from '../backend/backend.js'
import { NORM_CHUNK } from '../backend/kernels.js'
import type { Segment } from '../tensor/parameters.js'
import type { Tensor, Values } from '../tensor/tensor.js'
import { call, type Trace, temporary } from '../tensor/trace.js'

export interface OptimizerSettings {
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  readonly weightDecay: number
  /** The largest gradient norm; 0: no clipping. */
  readonly clip: number
  /** true: AdamW; false: Adam with L2 (decay · θ is added to the gradient). */
  readonly decoupled: boolean
}

export const defaultOptimizer: OptimizerSettings = {
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.01,
  clip: 1,
  decoupled: true,
}

/** What a step leaves for the host, in one piece of memory so that one read brings it. */
export interface Status {
  readonly memory: View
  /** (8): norm, clip factor, finite, steps skipped so far */
  readonly state: Tensor
  /** (1): the loss of the step */
  readonly loss: Tensor
}

export interface StepStatus {
  readonly loss: number
  /** Before clipping. */
  readonly gradientNorm: number
  readonly finite: boolean
}

const LOSS_OFFSET = 256

export function createStatus(backend: Backend): Status {
  const memory = backend.allocate(2 * LOSS_OFFSET, 'status')
  const place = (name: string, elements: number, offset: number): Tensor => ({
    name,
    shape: [elements],
    dtype: 'f32',
    role: 'external',
    needsGradient: false,
    view: { memory, offset, bytes: elements * 4 },
  })
  return { memory: wholeView(memory), state: place('state', 8, 0), loss: place('loss', 1, LOSS_OFFSET) }
}

export async function readStatus(backend: Backend, status: Status): Promise<StepStatus> {
  const floats = new Float32Array(await backend.read(status.memory))
  return { loss: floats[LOSS_OFFSET / 4]!, gradientNorm: floats[0]!, finite: floats[2] === 1 }
}

/** The values that an update reads: the learning rate, what a scaled loss is divided by, and, for step t counted from 1, Adam's bias corrections. */
export const updateValues = (rate: number, t: number, { beta1, beta2 }: OptimizerSettings, lossScale = 1): Values => ({
  rate,
  unscale: 1 / lossScale,
  correction1: 1 / (1 - beta1 ** t),
  correction2: 1 / (1 - beta2 ** t),
})

/** Records norm, clipping, the update of every segment, and zeroing of the gradients. */
export function recordUpdate(
  trace: Trace,
  segments: readonly Segment[],
  state: Tensor,
  settings: OptimizerSettings,
): void {
  const { beta1, beta2, epsilon, weightDecay, clip, decoupled } = settings
  const chunks = segments.map(({ elements }) => Math.ceil(elements / NORM_CHUNK))
  const count = chunks.reduce((sum, n) => sum + n, 0)
  const partials = temporary('partials', [count])
  let first = 0
  segments.forEach(({ gradients, elements }, i) => {
    call(trace, 'sum_of_squares', { x: gradients, partials }, { count: elements, first })
    first += chunks[i]!
  })
  call(trace, 'gradient_norm', { partials, state }, { count, maxNorm: clip, unscale: 'unscale' })
  for (const { gradients, parameters, m, v, elements, decay } of segments) {
    const moments = { beta1, oneMinusBeta1: 1 - beta1, beta2, oneMinusBeta2: 1 - beta2, epsilon }
    const step = { rate: 'rate', correction1: 'correction1', correction2: 'correction2', decoupled: decoupled ? 1 : 0 }
    call(
      trace,
      'adamw',
      { gradient: gradients, state, parameters, m, v },
      { count: elements, decay: decay ? weightDecay : 0, ...moments, ...step },
    )
    call(trace, 'fill', { x: gradients }, { count: elements, value: 0 })
  }
}
