// The trace: running a model's functions once records a flat list of kernel calls. Each differentiable operation also leaves a closure on the
// tape that records its backward calls; `backward` runs the closures last to first. Nothing is computed here.
// Accumulation: the first gradient to reach a temporary is written (=), later ones are added (+=); parameters always add.
import { type KernelName, kernelSpec, type ParamArguments, type TensorArguments } from '../backend/kernels.js'
import { type Dim, halfFormat, quantizedBits, type Tensor, type Values } from './tensor.js'

/** A parameter of a call: a number, a size, or computed from the values of the run. */
export type Param = Dim | ((values: Values) => number)

export interface Call {
  readonly kernel: KernelName
  /** In the order of the kernel table. */
  readonly tensors: readonly (Tensor | undefined)[]
  readonly params: Readonly<Record<string, Param>>
}

interface SharedGradient {
  changes: number
  changedBy?: Tensor
  readonly seen: Map<Tensor, number>
}

/** Rows of a linear layer whose part of its weight's gradient is summed by itself too. */
export interface RowGroup {
  /** (rows of the group), indices of rows */
  readonly rows: Tensor
  /** What the sum is multiplied by. */
  readonly factor: Param
  /** Of the weight's shape; added to. */
  readonly gradient: Tensor
}

export interface Trace {
  readonly calls: Call[]
  readonly inputs: Map<string, Tensor>
  readonly outputs: Map<string, Tensor>
  /** Whether operations leave backward closures. */
  readonly training: boolean
  readonly tape: (() => void)[]
  readonly gradients: Map<Tensor, Tensor>
  /** Gradients that tensors share: how often one of them has added to it, the last that did, and how often when each of them last looked. */
  readonly shared: Map<Tensor, SharedGradient>
  /** Activations that were quantised, and what to, so that each is once. */
  readonly quantized: Map<Tensor, { readonly values: Tensor; readonly scales: Tensor }>
  /** By trained weight, where gradients are wanted by groups of rows. */
  readonly rowGroups: Map<Tensor, readonly RowGroup[]>
}

export const createTrace = (options: { training: boolean }): Trace => ({
  calls: [],
  inputs: new Map(),
  outputs: new Map(),
  training: options.training,
  tape: [],
  gradients: new Map(),
  shared: new Map(),
  quantized: new Map(),
  rowGroups: new Map(),
})

/** A tensor that the host writes before each run. */
export function input(trace: Trace, name: string, shape: readonly Dim[], dtype: Tensor['dtype'] = 'i32'): Tensor {
  if (trace.inputs.has(name)) throw new Error(`input ${name} is declared twice in one trace`)
  const tensor: Tensor = { name, shape, dtype, role: 'input', needsGradient: false }
  trace.inputs.set(name, tensor)
  return tensor
}

/** A tensor that lives within one run. It takes part in the backward pass when something it is made from does. */
export function temporary(name: string, shape: readonly Dim[], madeFrom: readonly (Tensor | undefined)[] = []): Tensor {
  return { name, shape, dtype: 'f32', role: 'temporary', needsGradient: madeFrom.some(tensor => tensor?.needsGradient) }
}

/** Keeps a tensor's values after the run, to be read under this name. */
export function output(trace: Trace, name: string, tensor: Tensor): void {
  if (trace.outputs.has(name)) throw new Error(`output ${name} is declared twice in one trace`)
  trace.outputs.set(name, tensor)
}

/** Records one kernel call. */
export function call<K extends KernelName>(
  trace: Trace,
  kernel: K,
  tensors: TensorArguments<K, Tensor>,
  params: ParamArguments<K, Param>,
): void {
  const given = tensors as Record<string, Tensor | undefined>
  const specs = Object.entries(kernelSpec(kernel).tensors)
  for (const [name, { dtype }] of specs) {
    const tensor = given[name]
    if (tensor && (halfFormat(tensor) ?? quantizedBits(tensor)) !== undefined && dtype !== 'u32')
      throw new Error(
        `${kernel}: ${name} (${tensor.name}) is held in ${tensor.dtype}, expected ${dtype}; ` +
          'only the weights of frozen linear layers and embeddings may have 16 bits, of linear layers fewer',
      )
  }
  trace.calls.push({ kernel, tensors: specs.map(([name]) => given[name]), params })
}

/** Leaves a closure for the backward pass of `result`, where there is to be one. It is given the gradient of `result`. */
export function onBackward(trace: Trace, result: Tensor, record: (gradient: Tensor) => void): void {
  if (!trace.training || !result.needsGradient) return
  trace.tape.push(() => {
    const gradient = gradientOf(trace, result)
    if (gradient) record(gradient)
  })
}

/** The gradient that has reached a result, where one has. */
export function gradientOf(trace: Trace, result: Tensor): Tensor | undefined {
  const gradient = trace.gradients.get(result)
  const shared = gradient && trace.shared.get(gradient)
  if (shared && shared.changes !== (shared.seen.get(result) ?? 0))
    throw new Error(`the gradient of ${result.name} was changed through ${shared.changedBy!.name} before it was read`)
  return gradient
}

/** Where a gradient for `tensor` goes, and whether the kernel must add to what is there. */
export function gradientTarget(trace: Trace, tensor: Tensor): { target: Tensor; accumulate: 0 | 1 } {
  if (tensor.gradient) return { target: tensor.gradient, accumulate: 1 }
  const present = gradientOf(trace, tensor)
  if (present) {
    const shared = trace.shared.get(present)
    if (shared) {
      shared.seen.set(tensor, ++shared.changes)
      shared.changedBy = tensor
    }
    return { target: present, accumulate: 1 }
  }
  const target = temporary(`d${tensor.name}`, tensor.shape)
  trace.gradients.set(tensor, target)
  return { target, accumulate: 0 }
}

/** Hands `gradient` to `tensor` without a copy: both sides of a sum have the same gradient. */
export function shareGradient(trace: Trace, tensor: Tensor, gradient: Tensor): void {
  if (!tensor.needsGradient) return
  if (!tensor.gradient && !trace.gradients.has(tensor)) {
    trace.gradients.set(tensor, gradient)
    const shared = trace.shared.get(gradient) ?? { changes: 0, seen: new Map() }
    trace.shared.set(gradient, shared)
    shared.seen.set(tensor, shared.changes)
    return
  }
  const [rows, columns] = tensor.shape
  if (rows === undefined || typeof columns !== 'number') throw new Error(`${tensor.name}: expected a matrix`)
  const { target } = gradientTarget(trace, tensor)
  call(trace, 'copy_rows', { x: gradient, y: target }, { rows, columns, from: 0, to: 0, accumulate: 1 })
}

/** Records the backward pass from `result`, whose gradient is given (a tensor of its shape). */
export function backward(trace: Trace, result: Tensor, gradient: Tensor): void {
  trace.gradients.set(result, gradient)
  runTape(trace)
}

/** Runs the tape's closures last to first; gradients of results must have been set. */
export function runTape(trace: Trace): void {
  for (let closure = trace.tape.pop(); closure; closure = trace.tape.pop()) closure()
}
