// The plan: what a trace recorded, with lifetimes. From it come the memory figure, the limits that are checked before anything runs, and FLOP
// counts. Temporaries are dealt buffers from a pool; one buffer holds one live tensor at a time, so that no dispatch reads and writes the
// same buffer.
import type { BackendLimits } from '../backend/backend.js'
import { type KernelName, kernelSpec, type Params } from '../backend/kernels.js'
import { bytesOf, shapeText, sizeOf, type Tensor, type Values } from './tensor.js'
import type { Call, Param, Trace } from './trace.js'

export interface Plan {
  readonly name: string
  readonly calls: readonly Call[]
  readonly inputs: ReadonlyMap<string, Tensor>
  readonly outputs: ReadonlyMap<string, Tensor>
  /** Temporaries that are no outputs, in order of first use, with the first and last call that touches them. */
  readonly temporaries: readonly { readonly tensor: Tensor; readonly first: number; readonly last: number }[]
}

/** Buffers for the temporaries of a plan: how large each is, and which one each temporary gets. */
export interface Deal {
  readonly bufferBytes: readonly number[]
  readonly bufferOf: ReadonlyMap<Tensor, number>
}

export interface MemoryFigure {
  /** In bytes: temporaries with sharing, without sharing, inputs and outputs. */
  readonly temporaries: number
  readonly unshared: number
  readonly inputs: number
  readonly outputs: number
}

/** Closes a trace. Fails where a temporary is read before anything wrote it. */
export function createPlan(name: string, trace: Trace): Plan {
  const kept = new Set(trace.outputs.values())
  const spans = new Map<Tensor, { tensor: Tensor; first: number; last: number }>()
  const written = new Set<Tensor>()
  trace.calls.forEach((call, index) => {
    const specs = Object.values(kernelSpec(call.kernel).tensors)
    call.tensors.forEach((tensor, i) => {
      if (tensor?.role !== 'temporary') return
      const access = specs[i]!.access
      const overwrites = access === 'write' || (access === 'update' && startsFresh(call))
      if (!overwrites && !written.has(tensor))
        throw new Error(`plan ${name}: call ${index} (${call.kernel}) reads ${tensor.name}, which nothing has written`)
      if (access !== 'read') written.add(tensor)
      const span = spans.get(tensor)
      if (span) span.last = index
      else if (!kept.has(tensor)) spans.set(tensor, { tensor, first: index, last: index })
    })
  })
  return { name, calls: trace.calls, inputs: trace.inputs, outputs: trace.outputs, temporaries: [...spans.values()] }
}

// An `update` tensor is overwritten where the call says so.
const startsFresh = ({ kernel, params }: Call): boolean =>
  params.accumulate === 0 ||
  params.fresh === 1 ||
  kernel === 'sum_of_squares' ||
  kernel === 'copy_rows' ||
  kernel === 'place_columns'

const roundUp = (bytes: number): number => Math.max(256, Math.ceil(bytes / 256) * 256)

/** Deals buffers to temporaries: the smallest free one that fits, else the largest free one grown, else a new one. */
export function dealBuffers(plan: Plan, values: Values): Deal {
  const bufferBytes: number[] = []
  const bufferOf = new Map<Tensor, number>()
  const free = new Set<number>()
  const ending = new Map<number, number[]>()
  for (const { last } of plan.temporaries) ending.set(last, [])
  let next = 0
  plan.calls.forEach((_, index) => {
    for (; next < plan.temporaries.length && plan.temporaries[next]!.first === index; next++) {
      const { tensor, last } = plan.temporaries[next]!
      const bytes = roundUp(bytesOf(tensor, values))
      const buffer = pickBuffer(free, bufferBytes, bytes)
      free.delete(buffer)
      bufferBytes[buffer] = Math.max(bufferBytes[buffer] ?? 0, bytes)
      bufferOf.set(tensor, buffer)
      ending.get(last)!.push(buffer)
    }
    for (const buffer of ending.get(index) ?? []) free.add(buffer)
  })
  return { bufferBytes, bufferOf }
}

function pickBuffer(free: ReadonlySet<number>, sizes: readonly number[], bytes: number): number {
  let fitting = -1
  let largest = -1
  for (const buffer of free) {
    const size = sizes[buffer]!
    if (size >= bytes && (fitting < 0 || size < sizes[fitting]!)) fitting = buffer
    if (largest < 0 || size > sizes[largest]!) largest = buffer
  }
  if (fitting >= 0) return fitting
  return largest >= 0 ? largest : sizes.length
}

const sum = (numbers: Iterable<number>): number => [...numbers].reduce((total, n) => total + n, 0)

/** What a run with these values holds beside weights. In bytes. */
export function memoryFigure(plan: Plan, values: Values): MemoryFigure {
  return {
    temporaries: sum(dealBuffers(plan, values).bufferBytes),
    unshared: sum(plan.temporaries.map(({ tensor }) => roundUp(bytesOf(tensor, values)))),
    inputs: sum([...plan.inputs.values()].map(tensor => roundUp(bytesOf(tensor, values)))),
    outputs: sum([...plan.outputs.values()].map(tensor => roundUp(bytesOf(tensor, values)))),
  }
}

/** Fails, before anything runs, where a tensor does not fit one binding of the backend. */
export function checkLimits(plan: Plan, values: Values, limits: BackendLimits): void {
  const limit = Math.min(limits.binding, limits.memory)
  const tensors = [...plan.inputs.values(), ...plan.outputs.values(), ...plan.temporaries.map(span => span.tensor)]
  for (const tensor of tensors) {
    const bytes = bytesOf(tensor, values)
    if (bytes > limit)
      throw new Error(
        `plan ${plan.name}: ${tensor.name} ${shapeText(tensor.shape)} needs ${megabytes(bytes)}, more than the ${megabytes(limit)} ` +
          'that this backend can bind at once; use a smaller batch, chunk_size or max_length',
      )
  }
}

export const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`

/** The parameters of every call for one run. */
export const callParams = (plan: Plan, values: Values): Params[] =>
  plan.calls.map(call => {
    const params: Record<string, number> = {}
    for (const name in call.params) params[name] = paramValue(call.params[name]!, values)
    return params
  })

const paramValue = (param: Param, values: Values): number =>
  typeof param === 'function' ? param(values) : sizeOf(param, values)

/** Floating-point operations of one run, products only, by kernel. */
export function flopCount(plan: Plan, values: Values): Map<KernelName, number> {
  const counts = new Map<KernelName, number>()
  callParams(plan, values).forEach((params, i) => {
    const { kernel } = plan.calls[i]!
    const flops = kernelSpec(kernel).flops?.(params) ?? 0
    if (flops) counts.set(kernel, (counts.get(kernel) ?? 0) + flops)
  })
  return counts
}
