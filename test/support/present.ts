// The backends that this machine has, one of each kind, for tests that run on all of them.
import type { Backend } from '../../src/backend/backend.js'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'

/** WGPU_RETRIEVE_BACKENDS=wasm (or webgpu) leaves out the other one. */
export async function backendsPresent(): Promise<Backend[]> {
  const only = process.env.WGPU_RETRIEVE_BACKENDS
  const wasm = only === 'webgpu' ? undefined : await createWasmBackend()
  const webgpu = only === 'wasm' ? undefined : await (await import('./adapter.js')).webgpuBackend()
  return [wasm, webgpu].filter(backend => backend !== undefined)
}
