// One file of the Hub, fetched into the cache: a connection that is cut is taken up again where it stopped, what a process that died left behind too;
// the file gets its name only when its digest is right.
import { digest, openGrowing, renameFile } from '../runtime/downloads.js'
import { exists, fileSize, removeFile } from '../runtime/files.js'

export interface RemoteFile {
  readonly path: string
  readonly size: number
  /** sha-256 of a large file; of a small one git's sha-1, over `blob <size>\0` and its bytes. */
  readonly oid: string
}

export interface DownloadOptions {
  readonly token?: string | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((bytes: number) => void) | undefined
  /** Milliseconds before the first repetition; doubled each time. */
  readonly pause?: number
}

/** Repetitions without a single new byte, after which it is given up. */
const TRIES = 5
const PAUSE = 500

const whole = async (path: string, { oid, size }: RemoteFile): Promise<boolean> =>
  (oid.length === 64 ? await digest(path, 'sha256') : await digest(path, 'sha1', `blob ${size}\0`)) === oid

/** An answer that no repetition would change. */
const isFinal = (status: number): boolean => status >= 400 && status < 500 && ![408, 416, 429].includes(status)

/** Puts the file at `blob`. A second one that arrives damaged is an error. */
export async function downloadFile(
  url: string,
  file: RemoteFile,
  blob: string,
  options: DownloadOptions = {},
): Promise<void> {
  if (await exists(blob)) return
  const part = `${blob}.incomplete`
  for (let attempt = 0; attempt < 2; attempt++) {
    await fetchWhole(url, file, part, options)
    if (await whole(part, file)) return renameFile(part, blob)
    await removeFile(part)
  }
  throw new Error(`${url} does not arrive as it was announced: its digest is not ${file.oid}; try again later`)
}

/** Until `part` has the file's size. */
async function fetchWhole(url: string, file: RemoteFile, part: string, options: DownloadOptions): Promise<void> {
  const { signal, pause = PAUSE } = options
  const present = async () => (await fileSize(part)) ?? 0
  if ((await present()) > file.size) await removeFile(part)
  if (file.size === 0) await (await openGrowing(part, true)).close()
  let failures = 0
  for (let have = await present(); have < file.size; have = await present()) {
    signal?.throwIfAborted()
    const reason = await fetchRest(url, file, part, have, options).catch((error: Error) => error)
    signal?.throwIfAborted()
    if (typeof reason === 'string') throw new Error(`${url} ${reason}`)
    const now = await present()
    failures = now > have ? 0 : failures + 1
    if (failures >= TRIES)
      throw new Error(
        `${url}: the connection fails (${reason instanceof Error ? messageOf(reason) : 'no data'}) at byte ${now} of ${file.size}; what came is kept, try again later`,
      )
    if (now < file.size) await new Promise(resolve => setTimeout(resolve, pause * 2 ** failures))
  }
}

const messageOf = (error: Error): string =>
  error.cause instanceof Error && error.cause.message !== '' ? error.cause.message : error.message

/**
 * Appends what the server sends from byte `have` on; a server that begins at 0 all the same begins the file anew. → what no repetition would
 * change, if it is that. Fails where the connection does.
 */
async function fetchRest(
  url: string,
  file: RemoteFile,
  part: string,
  have: number,
  options: DownloadOptions,
): Promise<string | undefined> {
  const { token, signal, onProgress } = options
  const response = await fetch(url, {
    headers: {
      ...(token && { authorization: `Bearer ${token}` }),
      ...(have > 0 && { range: `bytes=${have}-` }),
      // A packed answer has other lengths than the file.
      'accept-encoding': 'identity',
    },
    ...(signal && { signal }),
  })
  if (isFinal(response.status)) return `answers ${response.status} ${response.statusText}${adviceFor(response.status)}`
  if (response.status === 416) {
    await removeFile(part)
    return undefined
  }
  if (!response.ok || !response.body) throw new Error(`answer ${response.status} ${response.statusText}`)
  const from =
    response.status === 206 ? Number(/^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1]) : 0
  if (from !== have && from !== 0) throw new Error(`an answer that begins at byte ${from}, asked for ${have}`)
  const growing = await openGrowing(part, from === 0)
  let bytes = growing.size
  try {
    for await (const chunk of response.body) {
      // More than was announced belongs to another file.
      if (bytes + chunk.length > file.size) return `sends more than the ${file.size} bytes announced`
      await growing.append(chunk)
      bytes += chunk.length
      onProgress?.(bytes)
    }
  } finally {
    await growing.close()
  }
  return undefined
}

/** What to do about a refusal. */
export const adviceFor = (status: number): string =>
  status === 401 || status === 403
    ? ': the model is private or gated; accept its terms on its page, and give your token in HF_TOKEN'
    : status === 404
      ? ': there is no such model, revision or file; check the name'
      : ''
