// The WebAssembly backend on one thread: the kernels of assembly/kernels over one linear memory that this file deals out. Calls run as they
// are submitted, so that `run` has done its work when it returns. The module has no heap of its own.
import type { Backend, BoundCall, Memory, Prepared, View } from '../backend.js'
import { type KernelSpec, kernelSpec, type Params } from '../kernels.js'
import { createHeap, HEAP_ALIGNMENT } from './heap.js'
import { instantiateKernels, type KernelModule, type WasmKernel } from './module.js'
import { tensorSizes } from './sizes.js'

const PAGE = 65536
/** The last page stays unused: the address after a tensor must not wrap to 0. */
const LARGEST_MEMORY = 2 ** 32 - PAGE

interface PreparedCall {
  readonly call: BoundCall
  readonly spec: KernelSpec
  readonly names: readonly string[]
  readonly run: WasmKernel
}

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`

/** Up to `maximumBytes` (4 GiB at most) of memory. Fails where the runtime has no WebAssembly SIMD. */
export async function createWasmBackend(options: { maximumBytes?: number } = {}): Promise<Backend> {
  const maximum = Math.min(options.maximumBytes ?? LARGEST_MEMORY, LARGEST_MEMORY)
  const memory = createMemory(maximum)
  const module = await instantiateKernels(memory)
  const scratch = Math.ceil(module.heapBase / HEAP_ALIGNMENT) * HEAP_ALIGNMENT
  module.setScratch(scratch)
  const heap = createHeap(scratch + module.scratchBytes, memory.buffer.byteLength, end =>
    growMemory(memory, end, maximum),
  )
  const pointers = new Map<Memory, number>()
  let closed = false

  const check = (): void => {
    if (closed) throw new Error('the wasm backend is closed: create another with createWasmBackend()')
  }
  const pointerOf = (view: View): number => {
    const pointer = pointers.get(view.memory)
    if (pointer === undefined)
      throw new Error(`memory ${view.memory.label} is not of this backend, or was freed before its last use`)
    return pointer + view.offset
  }
  // A view of the buffer is made anew for each use: growing detaches the buffers of before
  const bytesOf = (view: View): Uint8Array => {
    checkView(view, view.memory.label)
    return new Uint8Array(memory.buffer, pointerOf(view), view.bytes)
  }

  return {
    kind: 'wasm',
    description: 'wasm SIMD, 1 thread',
    limits: { binding: maximum, memory: maximum, alignment: HEAP_ALIGNMENT },
    allocate(bytes, label) {
      check()
      if (!Number.isSafeInteger(bytes) || bytes < 0)
        throw new Error(`cannot allocate ${bytes} bytes for ${label}: expected a whole number`)
      const block = heap.allocate(bytes)
      if (!block) throw new Error(outOfMemory(bytes, label, heap.held(), maximum))
      new Uint8Array(memory.buffer, block.start, block.dirty).fill(0)
      const made: Memory = { label, bytes }
      pointers.set(made, block.start)
      return made
    },
    free(freed) {
      check()
      heap.free(pointerOf({ memory: freed, offset: 0, bytes: 0 }))
      pointers.delete(freed)
    },
    write(view, data) {
      check()
      if (data.byteLength > view.bytes) {
        throw new Error(`cannot write ${data.byteLength} bytes to ${view.memory.label}: the view holds ${view.bytes}`)
      }
      bytesOf(view).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    },
    async read(view) {
      check()
      return bytesOf(view).slice().buffer as ArrayBuffer
    },
    async prepare(calls) {
      check()
      const prepared = calls.map(call => prepareCall(call, module))
      for (const { call } of prepared) for (const view of call.views) if (view) pointerOf(view)
      const made: PreparedCalls = { calls, prepared, release() {} }
      return made
    },
    run(prepared, params) {
      check()
      const list = (prepared as PreparedCalls).prepared
      if (params.length !== list.length)
        throw new Error(`run: ${list.length} calls were prepared, but ${params.length} parameter records given`)
      for (let i = 0; i < list.length; i++) runCall(list[i]!, params[i]!, pointerOf, module.maxHeadSize)
    },
    async finish() {
      check()
    },
    close() {
      closed = true
      pointers.clear()
    },
  }
}

interface PreparedCalls extends Prepared {
  readonly prepared: readonly PreparedCall[]
}

function createMemory(maximum: number): WebAssembly.Memory {
  const initial = 64
  if (!(maximum >= initial * PAGE)) {
    throw new Error(`maximumBytes is ${maximum}: the wasm backend needs at least ${initial * PAGE}`)
  }
  return new WebAssembly.Memory({ initial, maximum: Math.floor(maximum / PAGE) })
}

/** Grows to at least `end` bytes; the new size, or undefined where that is not to be had. */
function growMemory(memory: WebAssembly.Memory, end: number, maximum: number): number | undefined {
  if (end > Math.floor(maximum / PAGE) * PAGE) return undefined
  try {
    memory.grow(Math.ceil((end - memory.buffer.byteLength) / PAGE))
  } catch {
    return undefined
  }
  return memory.buffer.byteLength
}

function outOfMemory(bytes: number, label: string, held: number, maximum: number): string {
  const asked = `cannot allocate ${mebibytes(bytes)} for ${label}`
  return `${asked}: the wasm memory holds ${mebibytes(held)} and may grow to ${mebibytes(maximum)}; use a smaller batch or chunk, or raise maximumBytes`
}

function checkView(view: View, name: string): void {
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

function prepareCall(call: BoundCall, module: KernelModule): PreparedCall {
  const spec = kernelSpec(call.kernel)
  const run = module.kernels[call.kernel]
  if (!spec || !run) throw new Error(`unknown kernel ${call.kernel}: it is not in the kernel table`)
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
  return { call, spec, run, names: Object.keys(spec.params) }
}

function runCall(
  { call, spec, run, names }: PreparedCall,
  params: Params,
  pointerOf: (view: View) => number,
  maxHeadSize: number,
): void {
  checkParams(call, names, params, maxHeadSize)
  const least = tensorSizes(call.kernel, params)
  const values: number[] = []
  call.views.forEach((view, i) => {
    const bytes = 4 * least[i]!
    if (bytes > (view?.bytes ?? 0)) throw new Error(tooSmall(call, i, bytes, params))
    values.push(view ? pointerOf(view) : 0)
  })
  for (const name of names) values.push(params[name]!)
  run(...values, 0, spec.units(params))
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
  if (call.kernel === 'top_k' && params.k! > 1024) throw new Error(`top_k: k is ${params.k}, at most 1024`)
}

function tooSmall(call: BoundCall, index: number, bytes: number, params: Params): string {
  const name = Object.keys(kernelSpec(call.kernel).tensors)[index]
  const found = call.views[index] ? `${call.views[index].bytes} bytes` : 'none'
  const given = Object.entries(params).map(([key, value]) => `${key} ${value}`)
  return `${call.kernel}: tensor ${name} needs ${bytes} bytes, found ${found} (${given.join(', ')})`
}
