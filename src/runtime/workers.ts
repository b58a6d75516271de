// Worker threads and cores: `worker_threads` of Node, Deno and Bun. A worker is started from source text, which holds in a bundle, in a test that runs
// the sources, and on a page alike. browser/workers.ts stands for this file in a browser.
import type { Worker as NodeWorker } from 'node:worker_threads'

export interface RunningWorker {
  /** Ends it, whatever it is doing. */
  terminate(): void
  /**
   * False where it has ended, known at once and not, as `died`, when this thread's event loop turns: for a thread that sleeps while it waits
   * for its workers. Where that cannot be asked, true.
   */
  alive(): boolean
}

export interface WorkerOptions {
  /** A script that defines `thread` with a function `start(data, ready)`, which is called on the worker. */
  readonly source: string
  /** Copied to the worker; shared memory is shared. */
  readonly data: unknown
  /** Called when the worker ends for a reason of its own, with what is known about it. Not after `terminate`. */
  readonly died: (reason: string) => void
}

/** Cores that this process may use. */
export async function coreCount(): Promise<number> {
  return (await import('node:os')).availableParallelism()
}

/** Why threads cannot share memory here; undefined where they can. */
export const whyNotShared = (): string | undefined =>
  typeof SharedArrayBuffer === 'function' ? undefined : 'no memory can be shared here'

/**
 * Starts a worker; resolves when it has called `ready`, rejects when it ends before. A worker that is ready does not keep the
 * process from ending.
 */
const NODE_START = `
const { parentPort, workerData } = require('node:worker_threads')
thread.start(workerData, () => parentPort.postMessage('ready'))`

export async function startWorker({ source, data, died }: WorkerOptions): Promise<RunningWorker> {
  const { Worker: Started } = await import('node:worker_threads')
  // No arguments of the process: a loader that it runs with is of no use here and slow to start.
  const worker: NodeWorker = new Started(`${source}${NODE_START}`, { eval: true, workerData: data, execArgv: [] })
  return new Promise((resolve, reject) => {
    let [ready, ended] = [false, false]
    const end = (reason: string) => {
      if (ended) return
      ended = true
      if (ready) died(reason)
      else reject(new Error(`a worker thread did not start: ${reason}`))
    }
    worker.once('message', () => {
      ready = true
      worker.unref()
      // The first question fixes when the thread began; of one that is no more that cannot be learnt.
      hasStopped(worker)
      resolve({
        terminate() {
          ended = true
          void worker.terminate()
        },
        alive: () => !ended && !hasStopped(worker),
      })
    })
    worker.once('error', error => end(error.message))
    worker.once('exit', code => end(`it ended with code ${code}`))
  })
}

// The idle time of a thread that is no more is −1; 0 as long as its event loop never turns. Deno and Bun cannot tell.
const hasStopped = (worker: NodeWorker): boolean =>
  'Deno' in globalThis || 'Bun' in globalThis ? false : worker.performance.eventLoopUtilization().idle < 0
