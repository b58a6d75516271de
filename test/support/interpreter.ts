// Runs what a trace recorded in f64, with the references as kernels: what a plan says, without any backend. Against it backends are compared; its
// own gradients are compared with central differences of its own outputs.
import { kernelSpec } from '../../src/backend/kernels.js'
import { callParams, createPlan } from '../../src/tensor/plan.js'
import { elementsOf, type Tensor, type Values } from '../../src/tensor/tensor.js'
import type { Trace } from '../../src/tensor/trace.js'
import { runReference } from '../reference/reference.js'
import type { ReferenceArray } from '../reference/types.js'

/** Values of tensors that are no temporaries, by name: read, and written where the calls write them. Others begin as NaN. */
export function interpret(trace: Trace, values: Values, held: Readonly<Record<string, ReferenceArray>>): void {
  const arrays = new Map<Tensor, ReferenceArray>()
  const arrayOf = (tensor: Tensor): ReferenceArray => {
    // Two temporaries may have one name
    const present = arrays.get(tensor) ?? (tensor.role === 'temporary' ? undefined : held[tensor.name])
    if (present) return present
    const size = elementsOf(tensor, values)
    const kinds = { f32: Float64Array, i32: Int32Array, u32: Uint32Array } as const
    const made = new kinds[tensor.dtype as keyof typeof kinds](size)
    if (made instanceof Float64Array) made.fill(Number.NaN)
    arrays.set(tensor, made)
    return made
  }
  const params = callParams(createPlan('interpreted', trace), values)
  trace.calls.forEach(({ kernel, tensors }, i) => {
    const names = Object.keys(kernelSpec(kernel).tensors)
    const given = names.map((name, n) => [name, tensors[n] && arrayOf(tensors[n])])
    runReference(kernel, Object.fromEntries(given), params[i]!)
  })
  for (const [name, tensor] of trace.outputs) held[name]?.set(arrayOf(tensor) as Float64Array)
}
