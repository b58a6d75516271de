// What a worker thread runs: its own instance of the kernels over the shared memory, with scratch of its own, in the service of a team.
// scripts/assets.mjs makes one self-contained text of it, build/thread.ts, of which `start` is the way in.
import { type Kernel, serve, type Team } from './team.js'

export interface ThreadSetup {
  readonly team: Team
  /** From 1: 0 is the calling thread. */
  readonly thread: number
  readonly module: WebAssembly.Module
  readonly memory: WebAssembly.Memory
  readonly scratch: number
  /** Exports in the order of the table's kernel numbers. */
  readonly kernelNames: readonly string[]
}

/** `ready` is called when the thread can take part. It does so until it is terminated. */
export function start(setup: ThreadSetup, ready: () => void): never {
  const { team, thread, memory, kernelNames } = setup
  const { exports } = new WebAssembly.Instance(setup.module, { env: { memory } })
  const setScratch = exports.setScratch as Kernel
  setScratch(setup.scratch)
  ready()
  const kernels = kernelNames.map(name => exports[name] as Kernel)
  return serve(team, thread, kernels)
}
