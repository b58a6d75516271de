// A team of threads at work on one shared memory: the calling thread and persistent workers, which sleep between runs. What a worker throws is
// an error of that run; a worker that is lost makes every later run an error.
import { threadSource } from '../../../build/thread.js'
import { type RunningWorker, startWorker } from '../../runtime/workers.js'
import { type KernelName, kernelNames } from '../kernels.js'
import { CAPACITY, createTeam, failureOf, type Kernel, postCalls, type TeamCall, walk } from './team.js'
import type { ThreadSetup } from './thread.js'

export interface Threads {
  /** The calling thread included. */
  readonly size: number
  /** Returns when all calls are done. Fails where a kernel does, on whatever thread, or a worker is lost. */
  run(calls: readonly TeamCall[]): void
  /** Fails where a worker has been lost. */
  check(): void
  close(): void
}

export interface ThreadsOptions {
  readonly size: number
  readonly module: WebAssembly.Module
  readonly memory: WebAssembly.Memory
  /** The calling thread's own instance. */
  readonly kernels: Readonly<Record<KernelName, Kernel>>
  /** A piece of memory for each worker. */
  readonly scratch: readonly number[]
  /** Seconds that the calling thread waits for the others when its own part is done. */
  readonly patience: number
}

/** Milliseconds that the calling thread sleeps before it asks whether the workers it waits for are still there. */
const SLICE = 100

const lostThread = (reason: string): Error =>
  new Error(
    `the wasm backend lost a thread: ${reason}; the process may be short of memory: start again, with fewer threads ` +
      '(--threads) or smaller batches',
  )

export async function startThreads(options: ThreadsOptions): Promise<Threads> {
  const { size, module, memory, patience } = options
  const team = createTeam(size)
  const kernels = kernelNames.map(name => options.kernels[name])
  let lost: string | undefined
  const start = (scratch: number, i: number): Promise<RunningWorker> => {
    const setup: ThreadSetup = { team, thread: i + 1, module, memory, scratch, kernelNames }
    const died = (reason: string) => {
      lost ??= `thread ${i + 2} of ${size} has ended (${reason})`
    }
    return startWorker({ source: threadSource, data: setup, died })
  }
  const started = await Promise.allSettled(options.scratch.map(start))
  const workers = started.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
  const close = () => {
    for (const worker of workers.splice(0)) worker.terminate()
  }
  for (const result of started) {
    if (result.status === 'fulfilled') continue
    close()
    throw result.reason
  }

  const check = () => {
    if (lost) throw lostThread(lost)
  }
  const mayWait = canWait(team.counters)
  const giveUp = (reason: string): never => {
    lost ??= reason
    close()
    throw lostThread(lost)
  }
  const wait = (waited: { slices: number }) => (index: number, value: number) => {
    // A page's own thread may not sleep
    if (!mayWait) return
    // In slices: the whole time would also count while the process is stopped
    if (Atomics.wait(team.counters, index, value, SLICE) !== 'timed-out') return
    const ended = workers.findIndex(worker => !worker.alive())
    if (ended >= 0) giveUp(`thread ${ended + 2} of ${size} has ended in the middle of a run`)
    if (++waited.slices * SLICE >= patience * 1000)
      giveUp(`one of ${size} threads did not do its part within ${patience} s`)
  }
  return {
    size,
    check,
    run(calls) {
      check()
      for (let from = 0; from < calls.length; from += CAPACITY) {
        const part = calls.slice(from, from + CAPACITY)
        postCalls(team, part)
        walk(team, 0, kernels, wait({ slices: 0 }))
        const failure = failureOf(team)
        if (!failure) continue
        const name = kernelNames[part[failure.call]!.kernel]
        throw new Error(`${name} failed on thread ${failure.thread + 1} of ${size}: ${failure.text}`)
      }
    },
    close,
  }
}

function canWait(counters: Int32Array<SharedArrayBuffer>): boolean {
  try {
    Atomics.wait(counters, counters.length - 1, 1, 0)
    return true
  } catch {
    return false
  }
}
