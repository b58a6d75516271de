// Files of a page or a worker: those of mounted volumes alone. The same functions as ../files.ts, which this file stands for in a browser.
import * as volumes from '../volumes.js'
import { isVolumePath, type OpenFile, type Place, placeOf } from '../volumes.js'

export type { OpenFile }

export const basename = (path: string): string => path.replace(/\/+$/, '').split('/').at(-1) ?? ''
export const baseName = basename
export const dirname = (path: string): string => path.replace(/\/+[^/]*\/*$/, '')
export const isAbsolute = (path: string): boolean => isVolumePath(path) || path.startsWith('/')
export const join = (first: string, ...rest: string[]): string => volumes.joinVolume(first, ...rest)
export const resolve = (...parts: string[]): string => {
  const from = parts.findLastIndex(isAbsolute)
  const [first = '', ...rest] = parts.slice(Math.max(from, 0))
  return volumes.joinVolume(first, ...rest)
}
export const relative = (from: string, to: string): string =>
  to.startsWith(`${from}/`) ? to.slice(from.length + 1) : to

/** A string is an address relative to the page's, unless it is a path of a mounted volume. */
export function addressOf(location: string | URL): string | undefined {
  if (typeof location === 'string' && placeOf(location)) return undefined
  return new URL(location, globalThis.location.href).href
}

export const pathOf = (location: string | URL): string => String(location)

/** WebAssembly's memory and what browsers say of the device's, of which they tell no more than 8 GiB. */
export function fileLimit(): number | undefined {
  const { deviceMemory = 8 } = navigator as { deviceMemory?: number }
  return Math.min(4, deviceMemory / 2) * 2 ** 30
}

export const errorCode = (error: unknown): string | undefined =>
  error instanceof DOMException && error.name === 'QuotaExceededError' ? 'ENOSPC' : undefined

/** Turns an error of the browser's store into one that names the thing, the cause and the fix. */
export function describeFileError(error: unknown, action: string, path: string): Error {
  const reason =
    errorCode(error) === 'ENOSPC'
      ? "the browser's quota for this site is used up; remove what is kept of it, or free space on the device"
      : (error as Error).message
  return new Error(`cannot ${action} ${path}: ${reason}`, { cause: error })
}

function need(path: string): Place {
  const place = placeOf(path)
  if (place) return place
  throw new Error(`cannot open ${path}: a browser has no folders; give an address, or the files themselves`)
}

export async function exists(path: string): Promise<boolean> {
  const place = placeOf(path)
  if (!place) return false
  return (await volumes.isFolderInVolume(place)) || (await volumes.sizeInVolume(place, path)) !== undefined
}

export async function fileSize(path: string): Promise<number | undefined> {
  const place = placeOf(path)
  return place && volumes.sizeInVolume(place, path)
}

export async function isFolder(path: string): Promise<boolean> {
  const place = placeOf(path)
  return place !== undefined && volumes.isFolderInVolume(place)
}

export const listFolder = async (path: string): Promise<string[]> => volumes.listInVolume(need(path))

export const readBytes = async (path: string): Promise<Uint8Array> => volumes.readInVolume(need(path), path)

export const readText = async (path: string): Promise<string> => new TextDecoder().decode(await readBytes(path))

/** Parses a JSON file; an error names the file. */
export async function readJson(path: string): Promise<unknown> {
  const text = await readText(path)
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`${path} is not valid JSON: ${(error as Error).message}`)
  }
}

export const openFile = async (path: string): Promise<OpenFile> => volumes.openInVolume(need(path), path)

export const readLineBlocks = (path: string, onRead?: (bytes: number) => void): AsyncGenerator<string[]> =>
  volumes.linesInVolume(need(path), path, onRead)

export async function* readLines(path: string): AsyncGenerator<string> {
  for await (const lines of readLineBlocks(path)) yield* lines
}

/** The sha-256 of a file's bytes in hexadecimal; of several files as if they were one. */
export async function hashFile(...paths: string[]): Promise<string> {
  const contents = await Promise.all(paths.map(readBytes))
  const bytes = await new Blob(contents as BlobPart[]).arrayBuffer()
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return Array.from(hash, byte => byte.toString(16).padStart(2, '0')).join('')
}

export async function makeFolder(path: string): Promise<void> {
  need(path)
}

export const makeNewFolder = async (path: string): Promise<boolean> => !(await exists(path))

/** A file that grows line by line. */
export async function openLog(path: string): Promise<{ append(line: string): Promise<void>; close(): Promise<void> }> {
  const place = need(path)
  let text = (await exists(path)) ? await readText(path) : ''
  return {
    async append(line) {
      text += `${line}\n`
      await volumes.writeInVolume(place, path, append => append(text))
    },
    async close() {},
  }
}

export const removeFile = async (path: string): Promise<void> => volumes.removeInVolume(need(path))
export const removeFolder = removeFile

/** The collections of the package are no part of a page. */
export const packageFolder = (): Promise<string> =>
  Promise.reject(new Error('the collections of the package are not at hand in a browser; give the files themselves'))
