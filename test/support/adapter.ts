// The WebGPU backend of this process for tests, where the machine has an adapter.
import { createWebGpuBackend, type WebGpuBackend } from '../../src/backend/webgpu/backend.js'
import { requestAdapter } from '../../src/runtime/gpu.js'

let backend: Promise<WebGpuBackend | undefined> | undefined

/**
 * One backend a process, on the adapter that WGPU_RETRIEVE_ADAPTER names or the runtime's choice; undefined, with the reason printed, where
 * there is none. With CI=true a missing adapter is an error; a present one that does not work always is.
 */
export function webgpuBackend(): Promise<WebGpuBackend | undefined> {
  backend ??= open()
  return backend
}

async function open(): Promise<WebGpuBackend | undefined> {
  const adapter = process.env.WGPU_RETRIEVE_ADAPTER
  const options = adapter ? { adapter } : {}
  try {
    const opened = await requestAdapter(options)
    opened.release()
  } catch (error) {
    if (process.env.CI === 'true') throw error
    console.log(`skipped: WebGPU: ${(error as Error).message}`)
    return undefined
  }
  return createWebGpuBackend(options)
}
