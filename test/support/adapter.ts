// The WebGPU backend of this process for tests, where the machine has an adapter.
import { createWebGpuBackend, type WebGpuBackend } from '../../src/backend/webgpu/backend.js'

let backend: Promise<WebGpuBackend | undefined> | undefined

/**
 * One backend a process, on the adapter that WGPU_RETRIEVE_ADAPTER names or the runtime's choice; undefined, with the reason printed, where
 * there is none. With CI=true a missing adapter is an error.
 */
export function webgpuBackend(): Promise<WebGpuBackend | undefined> {
  backend ??= open()
  return backend
}

async function open(): Promise<WebGpuBackend | undefined> {
  const adapter = process.env.WGPU_RETRIEVE_ADAPTER
  try {
    return await createWebGpuBackend(adapter ? { adapter } : {})
  } catch (error) {
    if (process.env.CI === 'true') throw error
    console.log(`skipped: ${(error as Error).message}`)
    return undefined
  }
}
