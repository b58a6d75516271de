// A small server of files for this machine alone: the page, its parts, and the files of a model.
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exists } from './files.js'

export interface FileServer {
  /** With no slash at its end. */
  readonly address: string
  close(): Promise<void>
}

export interface ServerSettings {
  /** Folders by the beginning of the addresses that they answer to, such as `/model/`; the longest that fits counts. */
  readonly folders: Readonly<Record<string, string>>
  /** Answers of other addresses. */
  readonly texts?: Readonly<Record<string, string>>
  /** Cross-origin isolation, which threads need; default true. */
  readonly isolated?: boolean
  /** More headers of every answer. */
  readonly headers?: Readonly<Record<string, string>>
  /** 0, the default: one that is free. */
  readonly port?: number
}

/** Where npm run build puts the page: beside the bundle that runs, or in dist/ where the sources do. */
export async function pageFolder(): Promise<string> {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    for (const each of [join(folder, 'page'), join(folder, 'dist', 'page')])
      if (await exists(join(each, 'service-worker.js'))) return each
    if (folder === dirname(folder)) throw new Error('the page is not built: npm run build makes it (dist/page)')
  }
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.webmanifest': 'application/manifest+json',
}

const ISOLATION = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cross-origin-resource-policy': 'same-origin',
}

/** Serves on the loopback address alone. Rejects where the port is taken. */
export async function serveFiles(settings: ServerSettings): Promise<FileServer> {
  const { isolated = true, headers = {}, port = 0 } = settings
  const always = { 'cache-control': 'no-cache', ...(isolated && ISOLATION), ...headers }
  const server = createServer((request, response) => {
    answer(request, response, settings, always).catch(() => response.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? new Error(`port ${port} is taken: choose another`) : error),
    )
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(
  { url = '/', method, headers: asked }: IncomingMessage,
  response: ServerResponse,
  { folders, texts = {} }: ServerSettings,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const refuse = (status: number) => response.writeHead(status, headers).end()
  // Another site's page that had its name resolve to this machine.
  if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(asked.host ?? '')) return void refuse(403)
  if (method !== 'GET' && method !== 'HEAD') return void refuse(405)
  const path = pathOf(url)
  if (path === undefined) return void refuse(400)
  const text = texts[path]
  const type = TYPES[extname(path)] ?? (path.endsWith('/') ? TYPES['.html']! : 'application/octet-stream')
  if (text !== undefined) return void response.writeHead(200, { ...headers, 'content-type': type }).end(text)
  const [start] = Object.keys(folders)
    .filter(each => path.startsWith(each))
    .sort((a, b) => b.length - a.length)
  if (start === undefined) return void refuse(404)
  const file = join(
    folders[start]!,
    path.endsWith('/') ? `${path.slice(start.length)}index.html` : path.slice(start.length),
  )
  const status = await stat(file).catch(() => undefined)
  if (!status?.isFile()) return void refuse(404)
  response.writeHead(200, { ...headers, 'content-type': type, 'content-length': status.size })
  if (method === 'HEAD') return void response.end()
  createReadStream(file)
    .on('error', () => response.destroy())
    .pipe(response)
}

/** Decoded and without a way out of the folder; undefined where it is none. */
function pathOf(url: string): string | undefined {
  try {
    const path = decodeURIComponent(new URL(url, 'http://localhost').pathname)
    const leads = path.includes('\0') || path.includes('\\') || path.split('/').includes('..')
    return leads ? undefined : path
  } catch {
    return undefined
  }
}
