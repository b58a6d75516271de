// The compiled kernels (assembly/kernels) brought to life over a given memory: one function a kernel and what the host sets up.
import { kernelsModule } from '../../../build/kernels.js'
import type { KernelName } from '../kernels.js'

/** A kernel as exported: a pointer a tensor, the parameters, then `begin, end`, as the kernel table says. */
export type WasmKernel = (...values: number[]) => void

export interface KernelModule {
  readonly kernels: Readonly<Record<KernelName, WasmKernel>>
  /** Lends `scratchBytes` bytes at a multiple of 64 to this instance alone; to be called before any kernel. */
  setScratch(pointer: number): void
  readonly scratchBytes: number
  /** Where memory is free for the host, in bytes: below lie the module's constants. */
  readonly heapBase: number
  /** The largest headSize that the attention kernels can do. */
  readonly maxHeadSize: number
}

interface Setup {
  setScratch(pointer: number): void
  scratchBytes(): number
  heapBase(): number
  maxHeadSize(): number
}

/** Fails where the runtime has no WebAssembly SIMD. */
export async function instantiateKernels(memory: WebAssembly.Memory): Promise<KernelModule> {
  const code = Uint8Array.from(atob(kernelsModule), character => character.charCodeAt(0))
  const { instance } = await WebAssembly.instantiate(code, { env: { memory } }).catch(error => {
    throw new Error(`this runtime cannot compile the wasm kernels, which need SIMD: ${error}`, { cause: error })
  })
  const setup = instance.exports as unknown as Setup
  return {
    kernels: instance.exports as unknown as KernelModule['kernels'],
    setScratch: pointer => setup.setScratch(pointer),
    scratchBytes: setup.scratchBytes(),
    heapBase: setup.heapBase(),
    maxHeadSize: setup.maxHeadSize(),
  }
}
