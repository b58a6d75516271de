// Calls on their way to the wasm kernels: what is checked when they are bound and again when they run, their arguments, and which of them
// need each other's results. In wasm a wrong call corrupts memory in silence, so nothing runs unchecked.
import type { BoundCall, View } from '../backend.js'
import { BIAS_ROWS, INT8_COLUMNS, type KernelSpec, kernelNames, kernelSpec, type Params } from '../kernels.js'
import { NEAREST_WIDTH } from '../search-kernels.js'
import { tensorSizes } from '../sizes.js'
import { HEAP_ALIGNMENT } from './heap.js'

export interface PreparedCall {
  readonly call: BoundCall
  readonly spec: KernelSpec
  /** Place in `kernelNames`. */
  readonly kernel: number
  readonly paramNames: readonly string[]
  /** Bit d − 1: this call and the d-th before it touch the same memory, and one of them writes it. */
  readonly conflicts: number
}

/** How far back conflicts are looked for. */
export const CONFLICT_WINDOW = 16

export function prepareCalls(calls: readonly BoundCall[]): PreparedCall[] {
  return calls.map((call, i) => {
    // The names come first: a kernel's accesses are read below
    const spec = checkedSpec(call)
    let conflicts = 0
    for (let d = 1; d <= Math.min(i, CONFLICT_WINDOW); d++) if (conflict(call, calls[i - d]!)) conflicts |= 1 << (d - 1)
    return { call, spec, kernel: kernelNames.indexOf(call.kernel), paramNames: Object.keys(spec.params), conflicts }
  })
}

function checkedSpec(call: BoundCall): KernelSpec {
  const spec: KernelSpec | undefined = kernelSpec(call.kernel)
  if (!spec) throw new Error(`unknown kernel ${call.kernel}: it is not in the kernel table`)
  if (spec.needs && spec.needs !== 'wasm')
    throw new Error(
      `${call.kernel} needs ${spec.needs} of a WebGPU device, the wasm backend computes in f32; use precision f32`,
    )
  const tensors = Object.entries(spec.tensors)
  if (call.views.length !== tensors.length) {
    throw new Error(
      `${call.kernel} takes ${tensors.length} tensors (${Object.keys(spec.tensors).join(', ')}), found ${call.views.length}`,
    )
  }
  tensors.forEach(([name, tensor], i) => {
    const view = call.views[i]
    if (view) checkView(view, `${call.kernel}: tensor ${name}`)
    else if (!tensor.optional) throw new Error(`${call.kernel}: tensor ${name} is missing and not optional`)
  })
  return spec
}

export function checkView(view: View, name: string): void {
  if (view.offset % HEAP_ALIGNMENT)
    throw new Error(
      `${name}: a view at byte ${view.offset} of ${view.memory.label}; expected a multiple of ${HEAP_ALIGNMENT}`,
    )
  if (view.offset < 0 || view.offset + view.bytes > view.memory.bytes) {
    throw new Error(
      `${name}: a view of bytes ${view.offset} to ${view.offset + view.bytes} of ${view.memory.label}, which has ${view.memory.bytes}`,
    )
  }
}

function conflict(a: BoundCall, b: BoundCall): boolean {
  const [accessesA, accessesB] = [a, b].map(call =>
    Object.values(kernelSpec(call.kernel).tensors).map(tensor => tensor.access),
  )
  return a.views.some((x, i) =>
    b.views.some((y, j) => {
      if (!x || !y || x.memory !== y.memory) return false
      const apart = x.offset + x.bytes <= y.offset || y.offset + y.bytes <= x.offset
      return !apart && (accessesA![i] !== 'read' || accessesB![j] !== 'read')
    }),
  )
}

/** A call with parameters, checked: its pointers and parameters, and the elements that its tensors hold at least. */
export interface CheckedCall {
  readonly values: readonly number[]
  readonly elements: number
}

/** Channels of a token vector that maxsim_forward has room for. */
const MAXSIM_WIDTH = 2048

export function checkCall(
  { call, paramNames }: PreparedCall,
  params: Params,
  pointerOf: (view: View) => number,
  maxHeadSize: number,
): CheckedCall {
  checkParams(call, paramNames, params, maxHeadSize)
  const least = tensorSizes(call.kernel, params)
  const values: number[] = []
  let elements = 0
  call.views.forEach((view, i) => {
    const bytes = 4 * least[i]!
    if (bytes > (view?.bytes ?? 0)) throw new Error(tooSmall(call, i, bytes, params))
    elements += least[i]!
    values.push(view ? pointerOf(view) : 0)
  })
  for (const name of paramNames) values.push(params[name]!)
  return { values, elements }
}

function checkParams(call: BoundCall, names: readonly string[], params: Params, maxHeadSize: number): void {
  for (const name of names) {
    if (typeof params[name] !== 'number')
      throw new Error(`${call.kernel}: parameter ${name} is missing; it takes ${names.join(', ')}`)
  }
  if ((params.headSize ?? 0) > maxHeadSize)
    throw new Error(
      `${call.kernel}: headSize ${params.headSize} is more than ${maxHeadSize}, the most that wasm can do`,
    )
  if ((params.biasRows ?? 0) > BIAS_ROWS)
    throw new Error(`${call.kernel}: biasRows is ${params.biasRows}, at most ${BIAS_ROWS}`)
  if (call.kernel === 'matmul_int8' && params.K! > INT8_COLUMNS)
    throw new Error(`matmul_int8: K is ${params.K}, at most ${INT8_COLUMNS}`)
  if ((call.kernel === 'maxsim_forward' || call.kernel === 'maxsim_stored') && params.width! > MAXSIM_WIDTH)
    throw new Error(`${call.kernel}: width is ${params.width}, at most ${MAXSIM_WIDTH}`)
  if (call.kernel === 'nearest' && params.width! > NEAREST_WIDTH)
    throw new Error(`nearest: width is ${params.width}, at most ${NEAREST_WIDTH}`)
  if (call.kernel === 'top_k' && params.k! > 1024) throw new Error(`top_k: k is ${params.k}, at most 1024`)
}

function tooSmall(call: BoundCall, index: number, bytes: number, params: Params): string {
  const name = Object.keys(kernelSpec(call.kernel).tensors)[index]
  const found = call.views[index] ? `${call.views[index].bytes} bytes` : 'none'
  const given = Object.entries(params).map(([key, value]) => `${key} ${value}`)
  return `${call.kernel}: tensor ${name} needs ${bytes} bytes, found ${found} (${given.join(', ')})`
}
