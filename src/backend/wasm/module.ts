// The compiled kernels (assembly/kernels) brought to life over a given memory: one function a kernel and what the host sets up.
import type { KernelName } from '../kernels.js'
import { moduleBytes } from '../module-bytes.js'

/** A kernel as exported: a pointer a tensor, the parameters, then `begin, end`, as the kernel table says. */
export type WasmKernel = (...values: number[]) => void

export interface KernelModule {
  readonly kernels: Readonly<Record<KernelName, WasmKernel>>
  /** For other threads to bring to life over the same memory. */
  readonly module: WebAssembly.Module
  /** Lends `scratchBytes` bytes at a multiple of 64 to this instance alone; to be called before any kernel. */
  setScratch(pointer: number): void
  readonly scratchBytes: number
  /** Where memory is free for the host, in bytes: below lie the module's constants. */
  readonly heapBase: number
  /** The largest headSize that the attention kernels can do. */
  readonly maxHeadSize: number
  /** Whether products are fused, which gives other last bits. */
  readonly fused: boolean
}

interface Setup {
  setScratch(pointer: number): void
  scratchBytes(): number
  heapBase(): number
  maxHeadSize(): number
}

/** A module of one function, v128 × v128 × v128 → v128, that is f32x4.relaxed_madd of its parameters. */
const RELAXED_PROBE = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0],
  ...[1, 8, 1, 96, 3, 123, 123, 123, 1, 123],
  ...[3, 2, 1, 0],
  ...[10, 13, 1, 11, 0, 32, 0, 32, 1, 32, 2, 253, 133, 2, 11],
)

/** Whether the runtime knows relaxed SIMD, whose products are fused where the processor can. */
export const hasRelaxedSimd = (): boolean => WebAssembly.validate(RELAXED_PROBE)

/**
 * Fails where the runtime has no WebAssembly SIMD, or, for a shared memory, no threads. `fused`: with fused products; default: where the runtime
 * has them.
 */
export async function instantiateKernels(
  memory: WebAssembly.Memory,
  fused: boolean = hasRelaxedSimd(),
): Promise<KernelModule> {
  // The other one need not be loaded.
  const { kernelsModule } = await (fused
    ? import('../../../build/kernels-relaxed.js')
    : import('../../../build/kernels.js'))
  const code = await moduleBytes(kernelsModule)
  const shared = typeof SharedArrayBuffer === 'function' && memory.buffer instanceof SharedArrayBuffer
  const { module, instance } = await WebAssembly.instantiate(shared ? importShared(code) : code, {
    env: { memory },
  }).catch(error => {
    throw new Error(`this runtime cannot compile the wasm kernels, which need SIMD: ${error}`, { cause: error })
  })
  const setup = instance.exports as unknown as Setup
  return {
    kernels: instance.exports as unknown as KernelModule['kernels'],
    module,
    setScratch: pointer => setup.setScratch(pointer),
    scratchBytes: setup.scratchBytes(),
    heapBase: setup.heapBase(),
    maxHeadSize: setup.maxHeadSize(),
    fused,
  }
}

/** The import of a memory: its two names, each after its length, its kind, and the flags of its limits: 1 is a maximum, 3 is shared as well. */
const MEMORY_IMPORT = [3, ...'env', 6, ...'memory', 2].map(part =>
  typeof part === 'string' ? part.charCodeAt(0) : part,
)

/**
 * The same code for a memory that is shared: a build of its own would differ in this byte alone, since threads divide the work and no
 * kernel needs atomics.
 */
function importShared(code: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const at = code.findIndex((_, i) => MEMORY_IMPORT.every((byte, j) => code[i + j] === byte)) + MEMORY_IMPORT.length
  if (code[at] !== 1) throw new Error('the wasm kernels do not import their memory as expected: build them anew')
  const shared = code.slice()
  shared[at] = 3
  return shared
}
