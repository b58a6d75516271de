// Small files that may be lost, of a page or a worker: in the browser's own cache. The same functions as ../cache.ts, which this file stands for in a
// browser. What a browser says of an adapter does not tell its driver: another browser, or version of it, measures again.
const STORE = 'wgpu-retrieve'
const addressOf = (name: string): string =>
  `https://wgpu-retrieve.invalid/${name}?${encodeURIComponent(navigator.userAgent)}`

/** Undefined where it is not there or cannot be read: pages without TLS have no such cache. */
export async function readCached(name: string): Promise<string | undefined> {
  try {
    const store = await caches.open(STORE)
    return await (await store.match(addressOf(name)))?.text()
  } catch {
    return undefined
  }
}

/** A cache that cannot be written is none. */
export async function writeCached(name: string, text: string): Promise<void> {
  try {
    const store = await caches.open(STORE)
    await store.put(addressOf(name), new Response(text))
  } catch {
    // A private window, a full disk: it is measured again next time.
  }
}
