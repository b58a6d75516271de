// A program: a plan bound to a backend's memory. Inputs and outputs have memory of their own; temporaries share a pool, which several programs
// share in turn because only one runs at a time. Memory grows when a batch is larger than every one before, and is bound again then.
import type { Backend, BoundCall, Memory, Prepared, View } from '../backend/backend.js'
import { wholeView } from '../backend/backend.js'
import { callParams, checkLimits, type Deal, dealBuffers, type Plan } from './plan.js'
import { bytesOf, elementsOf, type Tensor, type Values } from './tensor.js'

/** Buffers that programs use in turn, by their number in a deal. */
export interface Pool {
  readonly backend: Backend
  readonly buffers: Map<number, Memory>
}

export const createPool = (backend: Backend): Pool => ({ backend, buffers: new Map() })

const sumBytes = (memories: Iterable<Memory>): number => [...memories].reduce((sum, { bytes }) => sum + bytes, 0)
export const poolBytes = (pool: Pool): number => sumBytes(pool.buffers.values())

export function releasePool(pool: Pool): void {
  for (const memory of pool.buffers.values()) pool.backend.free(memory)
  pool.buffers.clear()
}

export type HostArray = Float32Array | Int32Array | Uint32Array

export interface Program {
  readonly plan: Plan
  /** Writes the inputs and runs the plan. Returns when the work is handed over; errors of the device appear at the next `read`. */
  run(values: Values, inputs?: Readonly<Record<string, HostArray>>): Promise<void>
  /** An output of the last run, in its shape. */
  read(name: string): Promise<Float32Array>
  /** Of its inputs and outputs; temporaries lie in the pool. */
  bytes(): number
  release(): void
}

export function createProgram(plan: Plan, pool: Pool): Program {
  const { backend } = pool
  const own = new Map<Tensor, Memory>()
  let prepared: { value: Prepared; memories: readonly Memory[] } | undefined
  let last: Values | undefined
  let deal: Deal | undefined

  const grow = <K>(held: Map<K, Memory>, key: K, bytes: number, label: string): void => {
    const present = held.get(key)
    if (present && present.bytes >= bytes) return
    // Forgotten before it is freed: where there is no room for more, nothing may hold on to it.
    held.delete(key)
    if (present) backend.free(present)
    // A quarter more than asked, so that slowly growing batches do not bind anew each time.
    const generous = present
      ? Math.min(bytes + Math.ceil(bytes / 1024) * 256, Math.max(bytes, backend.limits.memory))
      : bytes
    held.set(key, backend.allocate(Math.ceil(generous / 256) * 256, label))
  }

  /** Makes room for batches up to these values. */
  const reserve = (values: Values): void => {
    checkLimits(plan, values, backend.limits)
    for (const tensor of [...plan.inputs.values(), ...plan.outputs.values()]) {
      if (tensor.role === 'external') continue
      grow(own, tensor, Math.max(256, bytesOf(tensor, values)), `${plan.name}.${tensor.name}`)
    }
    // The deal is made once, for the first values, and kept: sizes grow with the values, and so do the buffers below.
    deal ??= dealBuffers(plan, values)
    const needed: number[] = []
    for (const { tensor } of plan.temporaries) {
      const buffer = deal.bufferOf.get(tensor)!
      needed[buffer] = Math.max(needed[buffer] ?? 256, bytesOf(tensor, values))
    }
    needed.forEach((bytes, i) => {
      grow(pool.buffers, i, bytes, `pool.${i}`)
    })
  }

  const viewOf = (tensor: Tensor | undefined): View | undefined => {
    if (!tensor) return undefined
    if (tensor.view) return tensor.view
    const memory = own.get(tensor) ?? pool.buffers.get(deal?.bufferOf.get(tensor) ?? -1)
    if (!memory) throw new Error(`plan ${plan.name}: ${tensor.name} has no memory`)
    return wholeView(memory)
  }

  const bind = async (): Promise<Prepared> => {
    // All that tensors are given places in: the rest have theirs for good.
    const memories = [...own.values(), ...pool.buffers.values()]
    const { length } = memories
    if (prepared?.memories.length === length && prepared.memories.every((memory, i) => memory === memories[i]))
      return prepared.value
    prepared?.value.release()
    prepared = undefined
    const calls: BoundCall[] = plan.calls.map(({ kernel, tensors }) => ({ kernel, views: tensors.map(viewOf) }))
    prepared = { value: await backend.prepare(calls), memories }
    return prepared.value
  }

  return {
    plan,
    bytes: () => sumBytes(own.values()),
    async run(values, inputs = {}) {
      reserve(values)
      const ready = await bind()
      for (const [name, tensor] of plan.inputs) {
        const data = inputs[name]
        if (!data) throw new Error(`plan ${plan.name}: input ${name} is missing`)
        const expected = elementsOf(tensor, values)
        if (data.length !== expected)
          throw new Error(`plan ${plan.name}: input ${name} has ${data.length} values, expected ${expected}`)
        if (data.length > 0) backend.write(wholeView(own.get(tensor)!), data)
      }
      backend.run(ready, callParams(plan, values))
      last = values
    },
    async read(name) {
      const tensor = plan.outputs.get(name)
      if (!tensor || !last) throw new Error(`plan ${plan.name}: no output ${name} to read`)
      const view = viewOf(tensor)!
      const bytes = bytesOf(tensor, last)
      return new Float32Array(await backend.read({ memory: view.memory, offset: view.offset, bytes }))
    },
    release() {
      prepared?.value.release()
      for (const memory of own.values()) backend.free(memory)
      own.clear()
    },
  }
}
