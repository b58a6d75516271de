// The WebAssembly backend: the kernels of assembly/kernels over one linear memory that this file deals out, on one thread or on several that
// share it. `run` has done its work when it returns. The module has no heap of its own.
import { coreCount, whyNotShared } from '../../runtime/workers.js'
import { type Backend, type Memory, OUT_OF_MEMORY, type Prepared, type View } from '../backend.js'
import { type Profile, recordCall } from '../profile.js'
import { checkCall, checkView, type PreparedCall, prepareCalls } from './calls.js'
import { createHeap, HEAP_ALIGNMENT } from './heap.js'
import { instantiateKernels, type KernelModule } from './module.js'
import { shareCalls } from './shares.js'
import { startThreads, type Threads } from './threads.js'

const PAGE = 65536
/** The last page stays unused: the address after a tensor must not wrap to 0. */
const LARGEST_MEMORY = 2 ** 32 - PAGE

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`

export interface WasmOptions {
  /** Default: the cores there are. One where the runtime cannot share memory between threads. */
  readonly threads?: number | undefined
  /** Of memory; 4 GiB at most. */
  readonly maximumBytes?: number | undefined
  /** Seconds that a thread may fall behind the others before it is given up. */
  readonly patience?: number | undefined
  /** Fused products, which round once instead of twice; default: where the runtime has them (relaxed SIMD). */
  readonly fused?: boolean | undefined
  /** Where each call's time goes to; calls then run one by one. */
  readonly profile?: Profile | undefined
  /** Shares among threads what is too small to be worth it, too: for tests. */
  readonly shareAll?: boolean | undefined
}

export interface WasmBackend extends Backend {
  /** The calling one included. */
  readonly threads: number
}

/** Fails where the runtime has no WebAssembly SIMD. */
export async function createWasmBackend(options: WasmOptions = {}): Promise<WasmBackend> {
  const maximum = Math.min(options.maximumBytes ?? LARGEST_MEMORY, LARGEST_MEMORY)
  const wanted = checkedThreads(options.threads ?? (await coreCount()))
  const made = createMemory(maximum, wanted)
  const { memory } = made
  let { size, reason } = made
  const module = await instantiateKernels(memory, options.fused)
  const scratch = Math.ceil(module.heapBase / HEAP_ALIGNMENT) * HEAP_ALIGNMENT
  module.setScratch(scratch)
  const base = scratch + size * module.scratchBytes
  if (base > memory.buffer.byteLength && growMemory(memory, base, maximum) === undefined)
    throw new Error(`${size} threads need ${mebibytes(base)}, but maximumBytes is ${maximum}: use fewer`)
  const heap = createHeap(base, memory.buffer.byteLength, end => growMemory(memory, end, maximum))
  const team = size > 1 ? await startTeam(memory, module, scratch, size, options) : undefined
  const threads = team?.threads
  if (team?.reason) [size, reason] = [1, team.reason]
  const pointers = new Map<Memory, number>()
  let closed = false

  const check = (): void => {
    if (closed) throw new Error('the wasm backend is closed: create another with createWasmBackend()')
  }
  const checkThreads = (): void => {
    check()
    threads?.check()
  }
  const pointerOf = (view: View): number => {
    const pointer = pointers.get(view.memory)
    if (pointer === undefined)
      throw new Error(`memory ${view.memory.label} is not of this backend, or was freed before its last use`)
    return pointer + view.offset
  }
  // A view of the buffer is made anew for each use: growing detaches the buffers of before, or, shared, leaves them short
  const bytesOf = (view: View): Uint8Array => {
    checkView(view, view.memory.label)
    return new Uint8Array(memory.buffer, pointerOf(view), view.bytes)
  }

  return {
    kind: 'wasm',
    numerics: module.fused ? 'wasm, fused products' : 'wasm',
    description: `wasm ${module.fused ? 'relaxed ' : ''}SIMD, ${size} thread${size > 1 ? 's' : ''}${reason && ` (${reason})`}`,
    threads: size,
    limits: { binding: maximum, memory: maximum, alignment: HEAP_ALIGNMENT },
    allocate(bytes, label) {
      check()
      if (!Number.isSafeInteger(bytes) || bytes < 0)
        throw new Error(`cannot allocate ${bytes} bytes for ${label}: expected a whole number`)
      const block = heap.allocate(bytes)
      if (!block) throw new Error(outOfMemory(bytes, label, heap.held(), maximum), { cause: OUT_OF_MEMORY })
      new Uint8Array(memory.buffer, block.start, block.dirty).fill(0)
      const made: Memory = { label, bytes }
      pointers.set(made, block.start)
      return made
    },
    free(freed) {
      if (closed) return
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
      checkThreads()
      return bytesOf(view).slice().buffer as ArrayBuffer
    },
    async prepare(calls) {
      check()
      const prepared = prepareCalls(calls)
      for (const { views } of calls) for (const view of views) if (view) pointerOf(view)
      const made: PreparedCalls = { calls, prepared, release() {} }
      return made
    },
    run(prepared, params) {
      checkThreads()
      const list = (prepared as PreparedCalls).prepared
      if (params.length !== list.length)
        throw new Error(`run: ${list.length} calls were prepared, but ${params.length} parameter records given`)
      const checked = list.map((call, i) => checkCall(call, params[i]!, pointerOf, module.maxHeadSize))
      const compute = (from: number, to: number): void => {
        const part = [list.slice(from, to), checked.slice(from, to), params.slice(from, to)] as const
        const shared = threads && shareCalls(...part, size, options.shareAll)
        if (shared) {
          threads.run(shared)
          return
        }
        for (let i = from; i < to; i++) {
          const { call, spec } = list[i]!
          module.kernels[call.kernel](...checked[i]!.values, 0, spec.units(params[i]!))
        }
      }
      const { profile } = options
      if (!profile || profile.paused) {
        compute(0, list.length)
        return
      }
      for (const [i, { call }] of list.entries()) {
        const start = performance.now()
        compute(i, i + 1)
        recordCall(profile, call.kernel, params[i]!, start, performance.now() - start)
      }
    },
    async finish() {
      checkThreads()
    },
    close() {
      closed = true
      threads?.close()
      pointers.clear()
    },
  }
}

/** Where nobody insisted on a number of threads, workers that do not start are no reason to stop: then it says why. */
async function startTeam(
  memory: WebAssembly.Memory,
  { module, kernels, scratchBytes }: KernelModule,
  scratch: number,
  size: number,
  { threads: asked, patience = 60 }: WasmOptions,
): Promise<{ threads?: Threads; reason?: string }> {
  const pieces = Array.from({ length: size - 1 }, (_, i) => scratch + (i + 1) * scratchBytes)
  try {
    return { threads: await startThreads({ ...{ size, memory, module, kernels, patience }, scratch: pieces }) }
  } catch (error) {
    if (asked !== undefined) throw error
    return { reason: (error as Error).message }
  }
}

interface PreparedCalls extends Prepared {
  readonly prepared: readonly PreparedCall[]
}

function checkedThreads(threads: number): number {
  if (!Number.isSafeInteger(threads) || threads < 1)
    throw new Error(`threads is ${threads}, expected an integer of 1 or more`)
  return threads
}

/** Shared where there is more than one thread; one thread, and why, where memory cannot be shared. */
function createMemory(maximum: number, threads: number): { memory: WebAssembly.Memory; size: number; reason: string } {
  const initial = 64
  if (!(maximum >= initial * PAGE)) {
    throw new Error(`maximumBytes is ${maximum}: the wasm backend needs at least ${initial * PAGE}`)
  }
  const pages = { initial, maximum: Math.floor(maximum / PAGE) }
  if (threads === 1) return { memory: new WebAssembly.Memory(pages), size: 1, reason: '' }
  const refusal = whyNotShared()
  if (refusal) return { memory: new WebAssembly.Memory(pages), size: 1, reason: refusal }
  try {
    return { memory: new WebAssembly.Memory({ ...pages, shared: true }), size: threads, reason: '' }
  } catch {
    // A shared memory takes its whole range of addresses at once, which some systems do not have.
    return { memory: new WebAssembly.Memory(pages), size: 1, reason: 'no memory can be shared here' }
  }
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
  // Within the limit it was the system that refused.
  const reason =
    held + bytes > maximum - PAGE ? `may grow to ${mebibytes(maximum)}` : 'the system gives this process no more'
  return (
    `${asked}: the wasm memory holds ${mebibytes(held)} and ${reason}; use smaller batches (--batch-tokens, chunk_size), shorter texts ` +
    '(--max-length, max_length) or --backend webgpu'
  )
}
