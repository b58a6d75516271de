// Keeps the page and the models that it fetched, so that it works without a network; and gives the page cross-origin isolation, which threads need, where its
// server does not.
interface Fetching extends Event {
  readonly request: Request
  respondWith(response: Promise<Response>): void
}
interface Waiting extends Event {
  waitUntil(work: Promise<unknown>): void
}
declare const SHELL: readonly string[]
declare const VERSION: string

const worker = self as unknown as EventTarget & {
  skipWaiting(): Promise<void>
  clients: { claim(): Promise<void>; matchAll(): Promise<readonly { postMessage(message: unknown): void }[]> }
  registration: { scope: string }
}
const SHELL_CACHE = `page-${VERSION}`
const MODELS = 'models'

worker.addEventListener('install', event => {
  const keep = caches.open(SHELL_CACHE).then(cache => cache.addAll([...SHELL]))
  ;(event as Waiting).waitUntil(keep.then(() => worker.skipWaiting()))
})

worker.addEventListener('activate', event => {
  const clear = async () => {
    for (const name of await caches.keys())
      if (name.startsWith('page-') && name !== SHELL_CACHE) await caches.delete(name)
    await worker.clients.claim()
  }
  ;(event as Waiting).waitUntil(clear())
})

const isolated = (response: Response): Response => {
  if (response.type === 'opaque' || response.type === 'error') return response
  const headers = new Headers(response.headers)
  headers.set('cross-origin-opener-policy', 'same-origin')
  headers.set('cross-origin-embedder-policy', 'require-corp')
  const { status, statusText } = response
  return new Response(status === 204 || status === 304 ? null : response.body, { status, statusText, headers })
}

async function shell(request: Request): Promise<Response> {
  const kept = await caches.match(request, { cacheName: SHELL_CACHE, ignoreSearch: true })
  return isolated(kept ?? (await fetch(request)))
}

/** A response twice, the second as far as the first is read: a model that is refused or stopped is not fetched to be kept. */
function inStep(response: Response): [Response, Response] {
  const { status, statusText, headers } = response
  const init = { status, statusText, headers }
  const reader = response.body?.getReader()
  if (!reader) return [response, response.clone()]
  let kept: ReadableStreamDefaultController<Uint8Array>
  let bytes = 0
  const second = new ReadableStream<Uint8Array>({
    start(controller) {
      kept = controller
    },
  })
  const first = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const both = [controller, kept]
      const { done, value } = await reader.read().catch(error => {
        kept.error(error)
        throw error
      })
      bytes += value?.length ?? 0
      for (const each of both) done ? each.close() : each.enqueue(value)
    },
    cancel(reason) {
      // Who has all the bytes that were stated need not read to the end.
      if (bytes === Number(headers.get('content-length'))) kept.close()
      else kept.error(new Error('stopped'))
      return reader.cancel(reason)
    },
  })
  return [new Response(first, init), new Response(second, init)]
}

/** From the network first: a model may have been trained anew. */
async function model(request: Request): Promise<Response> {
  const cache = await caches.open(MODELS)
  try {
    const response = await fetch(request)
    // That a file is not there is known offline, too.
    if (response.status !== 200 && response.status !== 404) return isolated(response)
    const [given, kept] = inStep(response)
    void cache.put(request, kept).catch(async (error: Error) => {
      // An older one would not go with its new neighbours.
      await cache.delete(request)
      if (error.name === 'QuotaExceededError')
        for (const client of await worker.clients.matchAll()) client.postMessage('no room')
    })
    return isolated(given)
  } catch (error) {
    const kept = await cache.match(request)
    if (kept) return isolated(kept)
    throw error
  }
}

worker.addEventListener('fetch', event => {
  const { request } = event as Fetching
  if (request.method !== 'GET' || !request.url.startsWith('http')) return
  const { scope } = worker.registration
  const path = request.url.startsWith(scope) ? request.url.slice(scope.length) : undefined
  const isShell = path !== undefined && SHELL.includes(`./${path.split(/[?#]/)[0]}`)
  ;(event as Fetching).respondWith(isShell || request.mode === 'navigate' ? shell(request) : model(request))
})
