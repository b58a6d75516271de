// Where a caller says that files are: a folder, an address, or the files themselves. All become paths that the layers below can read.

import { addressVolume } from '../runtime/address.js'
import { addressOf, fileLimit, pathOf } from '../runtime/files.js'
import { type FileContent, memoryVolume, mountVolume, unmountVolume } from '../runtime/volumes.js'

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
