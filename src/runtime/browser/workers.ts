// Workers and cores of a page or a worker. The same functions as ../workers.ts, which this file stands for in a browser.
import type { RunningWorker, WorkerOptions } from '../workers.js'

export type { RunningWorker, WorkerOptions }

/** Cores that this page may use. */
export const coreCount = async (): Promise<number> => navigator.hardwareConcurrency || 1

/** Why threads cannot share memory here; undefined where they can. */
export function whyNotShared(): string | undefined {
  if (typeof Worker !== 'function') return 'this context starts no workers'
  if (typeof SharedArrayBuffer === 'function' && globalThis.crossOriginIsolated) return undefined
  return 'this page is not cross-origin isolated'
}

const START = `
onmessage = event => thread.start(event.data, () => postMessage('ready'))`

/** Starts a worker; resolves when it has called `ready`, rejects when it ends before or may not start. */
export function startWorker({ source, data, died }: WorkerOptions): Promise<RunningWorker> {
  const address = URL.createObjectURL(new Blob([`${source}${START}`], { type: 'text/javascript' }))
  return new Promise((resolve, reject) => {
    // A content security policy says no by an event without a message, or by throwing.
    const worker = new Worker(address)
    worker.onmessage = () => {
      worker.onerror = event => died(event.message)
      resolve({ terminate: () => worker.terminate(), alive: () => true })
    }
    worker.onerror = event =>
      reject(new Error(event.message || "the page's content security policy allows no workers from blob: addresses"))
    worker.postMessage(data)
  }).finally(() => URL.revokeObjectURL(address)) as Promise<RunningWorker>
}
