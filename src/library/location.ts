// Where a caller says that files are: a folder, an address, or the files themselves. All become paths that the layers below can read.

import { addressVolume } from '../runtime/address.js'
import { addressOf, fileLimit, pathOf } from '../runtime/files.js'
import { type FileContent, memoryVolume, mountVolume, unmountVolume } from '../runtime/volumes.js'
import { type Check, checkValue, tagOf } from './given.js'

/** Files by their names inside the folder that they make up, such as `config.json` and `1_Pooling/config.json`. */
export type FilesByName = Readonly<Record<string, FileContent>>

/**
 * A folder's path (in a browser: an address relative to the page's), an http or https address below which the files lie, or the files. Strings among the
 * files are their text.
 */
export type Location = string | URL | FilesByName

/** How much of a file has arrived, in bytes. */
export interface FetchProgress {
  readonly file: string
  readonly bytes: number
  readonly total: number
}

export interface LocateOptions {
  /** Of what is fetched. */
  readonly onFetch?: ((progress: FetchProgress) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface Located {
  readonly path: string
  close(): void
}

const isContent = (value: unknown): boolean =>
  typeof value === 'string' || value instanceof Blob || tagOf(value) === 'ArrayBuffer' || ArrayBuffer.isView(value)

/** Names of files and what is in them: no map, list or object of another kind, whose entries they would not be. */
const isFiles = (value: unknown): boolean =>
  tagOf(value) === 'Object' && Object.values(value as object).every(isContent)

export const isLocation: Check = [
  'a path, a URL, or an object of files {name: Blob, Uint8Array, ArrayBuffer or string}',
  value => (typeof value === 'string' && value !== '') || value instanceof URL || isFiles(value),
]

export const checkLocation = (what: string, location: unknown): void => checkValue(what, location, isLocation)

/** A path for the layers below, good until it is closed. */
export function locate(location: Location, { onFetch, signal }: LocateOptions = {}): Located {
  if (typeof location === 'string' || location instanceof URL) {
    const address = addressOf(location)
    if (address === undefined) return { path: pathOf(location), close() {} }
    const root = address.replace(/\/+$/, '')
    const volume = addressVolume(root, { signal, onProgress: onFetch, maximumBytes: fileLimit() })
    return mounted(mountVolume(volume, root))
  }
  const files = Object.entries(location).map(([name, content]) => [name, new Blob([content])] as const)
  return mounted(mountVolume(memoryVolume(new Map(files))))
}

const mounted = (path: string): Located => ({ path, close: () => unmountVolume(path) })
