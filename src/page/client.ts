// The page's side of the worker: a call a promise.
import type { Action, Answer, Argument, Request, Result, Step } from './messages.js'

export interface Call<A extends Action> {
  readonly result: Promise<Result<A>>
  abort(): void
}

export interface Client {
  call<A extends Action>(action: A, argument: Argument<A>, tell?: (step: Step<A>) => void): Call<A>
}

/** What a call rejects with when it was stopped. */
export const STOPPED = 'stopped'

interface Waiting {
  tell(step: unknown): void
  resolve(result: unknown): void
  reject(error: Error): void
}

/** `notice`: told what happened beside any call. Fails every call where the worker does not run. */
export function startClient(address: URL, notice: (text: string) => void): Client {
  const waiting = new Map<number, Waiting>()
  let count = 0
  let broken: Error | undefined
  const worker = new Worker(address, { type: 'module' })
  const send = (request: Request) => worker.postMessage(request)
  worker.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
    if ('notice' in data) return notice(data.notice)
    const waited = waiting.get(data.id)
    if (!waited) return
    if ('step' in data) return waited.tell(data.step)
    waiting.delete(data.id)
    if ('result' in data) waited.resolve(data.result)
    else waited.reject(new Error(data.aborted ? STOPPED : data.error))
  })
  worker.addEventListener('error', event => {
    broken = new Error(
      `the page's worker does not run: ${event.message || 'its server or a content security policy (worker-src) keeps it from starting'}`,
    )
    for (const { reject } of waiting.values()) reject(broken)
    waiting.clear()
    notice(broken.message)
  })
  return {
    call<A extends Action>(action: A, argument: Argument<A>, tell: (step: Step<A>) => void = () => undefined) {
      const id = ++count
      const result = new Promise<Result<A>>((resolve, reject) => {
        if (broken) return reject(broken)
        waiting.set(id, { tell: step => tell(step as Step<A>), resolve: found => resolve(found as Result<A>), reject })
        send({ id, action, argument })
      })
      return { result, abort: () => send({ id, abort: true }) }
    },
  }
}
