// A server on the loopback that behaves like the Hub: commits, listings in pages, files behind redirects, ranges, digests, tokens; and that fails on
// request.
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { folderWith } from './temporary.js'

export interface HubServer {
  readonly endpoint: string
  /** Every request so far: method, path, range. */
  readonly requests: string[]
  close(): Promise<void>
}

export interface HubBehaviour {
  /** By path in the repository org/name. */
  readonly files: Readonly<Record<string, Uint8Array | string>>
  /** What the listing says of a file in place of the truth. */
  readonly listed?: Readonly<Record<string, string>>
  readonly commit?: string
  readonly token?: string
  /** Cuts the connection of the nth answer with a file's bytes (from 1) after so many bytes; undefined: not. */
  readonly cut?: (answer: number, path: string) => number | undefined
  readonly ignoresRanges?: boolean
  /** Status of the nth answer with a file's bytes, in place of them. */
  readonly status?: (answer: number) => number | undefined
  /** Changes bytes on their way. */
  readonly damage?: (answer: number, bytes: Uint8Array) => Uint8Array
}

export const COMMIT = '0123456789abcdef0123456789abcdef01234567'
/** From this size on a file is a large one: sha-256, and elsewhere. */
const LARGE = 1000
const PAGE = 4

/** A cache of the Hub's with a model in it, all that there is: the environment that says so. */
export function cachedModel(
  repo: string,
  files: Readonly<Record<string, Uint8Array | string>>,
): Record<string, string> {
  const root = `models--${repo.replace('/', '--')}`
  const snapshot = Object.entries(files).map(([path, content]) => [`${root}/snapshots/${COMMIT}/${path}`, content])
  return {
    HF_HUB_CACHE: folderWith({ [`${root}/refs/main`]: COMMIT, ...Object.fromEntries(snapshot) }),
    HF_HUB_OFFLINE: '1',
  }
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
export const gitHash = (bytes: Uint8Array): string =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')

export async function startHub(behaviour: HubBehaviour): Promise<HubServer> {
  const { commit = COMMIT, token } = behaviour
  const files = new Map(
    Object.entries(behaviour.files).map(([path, content]) => [path, Buffer.from(content as string)]),
  )
  const requests: string[] = []
  let answers = 0
  const json = (response: ServerResponse, status: number, value: unknown, headers = {}) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify(value))
  }
  const list = (url: URL, response: ServerResponse) => {
    const entries = [...files].map(([path, bytes]) => ({
      ...{ type: 'file', path: behaviour.listed?.[path] ?? path, size: bytes.length, oid: gitHash(bytes) },
      ...(bytes.length >= LARGE && { lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 130 } }),
    }))
    const from = Number(url.searchParams.get('cursor') ?? 0)
    url.searchParams.set('cursor', String(from + PAGE))
    const link = from + PAGE < entries.length ? { link: `<${url.href}>; rel="next"` } : {}
    json(response, 200, entries.slice(from, from + PAGE), link)
  }
  const send = (path: string, request: IncomingMessage, response: ServerResponse) => {
    const answer = ++answers
    const status = behaviour.status?.(answer)
    if (status) return json(response, status, { error: 'no' })
    const whole = files.get(path)!
    const from = behaviour.ignoresRanges ? 0 : Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    if (from >= whole.length && from > 0) return json(response, 416, {})
    const rest = whole.subarray(from)
    const bytes = behaviour.damage?.(answer, rest) ?? rest
    const range = from > 0 ? { 'content-range': `bytes ${from}-${whole.length - 1}/${whole.length}` } : {}
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': bytes.length, ...range })
    const cut = behaviour.cut?.(answer, path)
    if (cut === undefined) return response.end(bytes)
    return response.write(bytes.subarray(0, cut), () => setTimeout(() => response.destroy(), 20))
  }
  const server = createServer((request, response) => {
    const url = new URL(request.url!, `http://${request.headers.host}`)
    const range = request.headers.range ? ` ${request.headers.range}` : ''
    requests.push(`${url.pathname}${range}`)
    if (url.pathname.startsWith('/cdn/')) return send(decodeURIComponent(url.pathname.slice(5)), request, response)
    if (token && request.headers.authorization !== `Bearer ${token}`) return json(response, 401, { error: 'who?' })
    const [, revision] = /^\/api\/models\/org\/name\/revision\/([^/]+)$/.exec(url.pathname) ?? []
    if (revision && ['main', 'v1', commit].includes(decodeURIComponent(revision)))
      return json(response, 200, { _id: 'x', id: 'org/name', sha: commit, lastModified: '2024-01-01T00:00:00Z' })
    if (url.pathname === `/api/models/org/name/tree/${commit}`) return list(url, response)
    const path = decodeURIComponent(url.pathname.replace(`/org/name/resolve/${commit}/`, ''))
    if (!files.has(path)) return json(response, 404, { error: 'not found' })
    if (files.get(path)!.length < LARGE) return send(path, request, response)
    response.writeHead(302, { location: `/cdn/${encodeURIComponent(path)}` })
    return response.end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () =>
      new Promise(resolve => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}
