// What a backend is: memory, and running kernels of the table by name. It knows no shapes, no models and no gradients; it is not a graph
// compiler and not a scheduler. webgpu/ and wasm/ implement it.
import type { KernelName, Params } from './kernels.js'

/** A piece of a backend's memory, made by `allocate`. */
export interface Memory {
  readonly label: string
  readonly bytes: number
}

/** A range of a piece of memory; `offset` is a multiple of the backend's `alignment`. In bytes. */
export interface View {
  readonly memory: Memory
  readonly offset: number
  readonly bytes: number
}

/** One kernel call with its tensors bound, in the table's order; undefined for an absent optional tensor. */
export interface BoundCall {
  readonly kernel: KernelName
  readonly views: readonly (View | undefined)[]
}

/** A sequence of bound calls made ready to run (pipelines, bind groups, function references). */
export interface Prepared {
  readonly calls: readonly BoundCall[]
  /** Releases what preparing made; not the memory. */
  release(): void
}

export interface BackendLimits {
  /** The largest range that one tensor of a call may span, in bytes. */
  readonly binding: number
  /** The largest piece of memory, in bytes. */
  readonly memory: number
  /** Views start at multiples of this, in bytes. */
  readonly alignment: number
}

/** What runs kernels by their names: allocates, writes, runs and reads. */
export interface Backend {
  readonly kind: 'webgpu' | 'wasm'
  /** For people: the adapter's or the module's name. */
  readonly description: string
  /** What decides the last bits of a result beside its inputs: the same on another run means the same bits. Kept with checkpoints. */
  readonly numerics: string
  readonly limits: BackendLimits
  /** Whether it runs the kernels that need shader-f16. */
  readonly f16?: boolean
  /** Threads that share its work, where that is for the host to know. */
  readonly threads?: number
  /** Zeroed memory; fails with a message that says how much was asked. */
  allocate(bytes: number, label: string): Memory
  /** Once the backend is closed all memory is free already. */
  free(memory: Memory): void
  /** Copies data to the start of the view, ordered before every later run. */
  write(view: View, data: ArrayBufferView): void
  /** The bytes of a view after every earlier run. Rejects with any error of those runs. */
  read(view: View): Promise<ArrayBuffer>
  prepare(calls: readonly BoundCall[]): Promise<Prepared>
  /** Runs the calls in order with these parameters, one record a call. Returns before the device is done. */
  run(prepared: Prepared, params: readonly Params[]): void
  /** Resolves when everything submitted is done; rejects with any error of it. */
  finish(): Promise<void>
  close(): void
}

/** The `cause` of errors about memory that could not be had: whoever knows what was planned can say what to make smaller. */
export const OUT_OF_MEMORY = 'out of memory'

/** The whole of a piece of memory as a view. */
export const wholeView = (memory: Memory): View => ({ memory, offset: 0, bytes: memory.bytes })
