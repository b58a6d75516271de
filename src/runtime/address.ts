// Files below an address (http, https, or whatever fetch takes), each fetched once, when it is first asked for. A file is read while it still arrives:
// what is looked at first (a header, a size) may end the transfer before the rest has come.
import { type OpenFile, openBlob, type Volume } from './volumes.js'

export interface AddressOptions {
  readonly signal?: AbortSignal | undefined
  /** Of all files together: what is larger is refused by the sizes that the server states, before it is fetched. */
  readonly maximumBytes?: number | undefined
  /** How much of a file has arrived. */
  readonly onProgress?:
    | ((done: { readonly file: string; readonly bytes: number; readonly total: number }) => void)
    | undefined
}

/** The files below an address that ends with the model's or collection's name. */
export function addressVolume(address: string, options: AddressOptions = {}): Volume {
  const root = address.replace(/\/+$/, '')
  const files = new Map<string, Promise<Arriving | undefined>>()
  const sizes = new Map<string, number>()
  return {
    async open(name) {
      const file = `${root}/${name.split('/').map(encodeURIComponent).join('/')}`
      const fetched = files.get(name) ?? fetchFile(file, name, options, sizes)
      files.set(name, fetched)
      // What failed is asked for anew.
      fetched.catch(() => files.delete(name))
      return (await fetched)?.open()
    },
    async names() {
      const known = await Promise.all([...files].map(async ([name, file]) => ((await file) ? name : undefined)))
      return known.filter(name => name !== undefined)
    },
    unmount() {
      for (const file of files.values())
        void file.then(
          arriving => arriving?.cancel(),
          () => undefined,
        )
    },
  }
}

interface Arriving {
  open(): OpenFile
  cancel(): void
}

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(2)} GiB`

/** `sizes`: what the server stated of each file so far; this one's is added. */
async function fetchFile(
  address: string,
  name: string,
  options: AddressOptions,
  sizes: Map<string, number>,
): Promise<Arriving | undefined> {
  const { signal, maximumBytes = Number.POSITIVE_INFINITY } = options
  const response = await fetch(address, signal ? { signal } : {}).catch((error: unknown) => {
    signal?.throwIfAborted()
    throw new Error(
      `cannot fetch ${address}: ${reasonOf(error)}; check the address, and that its server allows other pages (CORS)`,
      { cause: error },
    )
  })
  const page = /^text\/html\b/.test(response.headers.get('content-type') ?? '')
  const cancel = () => void response.body?.cancel().catch(() => undefined)
  if (response.status === 404 || response.status === 410 || (response.ok && page && !name.endsWith('.html'))) {
    // A page in a file's place: a server that answers every address.
    cancel()
    return undefined
  }
  if (!response.ok) {
    cancel()
    throw new Error(`cannot fetch ${address}: the server answers ${response.status} ${response.statusText}`.trimEnd())
  }
  // Of a packed transfer the length is not the file's.
  const stated = response.headers.get('content-encoding') ? null : response.headers.get('content-length')
  sizes.set(name, Number(stated))
  const together = [...sizes.values()].reduce((total, size) => total + size, 0)
  if (together > maximumBytes) {
    cancel()
    const all = together > Number(stated) ? `, with the model's other files ${gibibytes(together)}` : ''
    throw new Error(
      `${address} is ${gibibytes(Number(stated))}${all}, more than the ${gibibytes(maximumBytes)} that there is room for here; choose a smaller model`,
    )
  }
  if (stated === null || response.body === null) {
    const blob = await response.blob()
    options.onProgress?.({ file: name, bytes: blob.size, total: blob.size })
    return { open: () => openBlob(blob, address), cancel() {} }
  }
  return arriving(response.body, Number(stated), { ...options, address, name })
}

const reasonOf = (error: unknown): string => {
  const { message, cause } = error as Error
  return cause instanceof Error ? `${message} (${cause.message})` : message
}

function roomFor(size: number, address: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(size)
  } catch (error) {
    throw new Error(`${address} is ${gibibytes(size)}: there is no memory for it here; choose a smaller model`, {
      cause: error,
    })
  }
}

/** A file of `size` bytes of which as much has been taken from the stream as was read. */
function arriving(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  size: number,
  { address, name, onProgress }: AddressOptions & { readonly address: string; readonly name: string },
): Arriving {
  const reader = stream.getReader()
  let bytes: Uint8Array<ArrayBuffer> | undefined
  let whole: Blob | undefined
  let arrived = 0
  let taking: Promise<void> = Promise.resolve()
  const takeUntil = async (end: number): Promise<void> => {
    // Not before it is asked for: a model whose other files are too many takes no memory.
    if (!whole) bytes ??= roomFor(size, address)
    while (arrived < end) {
      const { done, value } = await reader.read()
      if (done)
        throw new Error(`${address} ended at byte ${arrived}, expected ${size}: the transfer was cut short; try again`)
      if (arrived + value.length > size)
        throw new Error(`${address} has more than the ${size} bytes that its server stated`)
      bytes!.set(value, arrived)
      arrived += value.length
      onProgress?.({ file: name, bytes: arrived, total: size })
    }
    if (arrived < size || whole) return
    // A browser keeps a blob outside of the page's memory.
    whole = new Blob([bytes!])
    bytes = undefined
  }
  return {
    open: () => ({
      path: address,
      size,
      async read(offset, length) {
        if (offset + length > size)
          throw new Error(`${address} ends at byte ${size}, expected ${offset + length}: the file is cut short`)
        taking = taking.then(() => takeUntil(offset + length))
        await taking
        return whole ? openBlob(whole, address).read(offset, length) : bytes!.slice(offset, offset + length)
      },
      async close() {},
    }),
    cancel: () => void reader.cancel().catch(() => undefined),
  }
}
