// Files: with write.ts the one place that touches a file system. Everything is read by position or line by line.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import * as fs from 'node:fs/promises'
import * as paths from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { createGunzip } from 'node:zlib'
import { splitLines } from './lines.js'
import * as volumes from './volumes.js'
import { isVolumePath, type OpenFile, placeOf } from './volumes.js'

export const { basename, dirname, relative } = paths
export type { OpenFile }

export const isAbsolute = (path: string): boolean => isVolumePath(path) || paths.isAbsolute(path)

export const join = (first: string, ...rest: string[]): string =>
  isVolumePath(first) ? volumes.joinVolume(first, ...rest) : paths.join(first, ...rest)

export const resolve = (...parts: string[]): string => {
  const last = parts.at(-1)
  return last !== undefined && isVolumePath(last) ? last : paths.resolve(...parts)
}

/** What a location is where it is no path of the file system: an address. */
export function addressOf(location: string | URL): string | undefined {
  if (location instanceof URL) return location.protocol === 'file:' ? undefined : location.href
  return /^https?:\/\//.test(location) ? location : undefined
}

/** The path that a location names: a file: address names one, too. */
export const pathOf = (location: string | URL): string =>
  typeof location === 'string' && !location.startsWith('file:') ? location : fileURLToPath(location)

/** Bytes of one file that this runtime can take, where it knows. */
export const fileLimit = (): number | undefined => undefined

export const errorCode = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code

/** Turns a system error into one that names the thing, the cause and the fix. */
export function describeFileError(error: unknown, action: string, path: string): Error {
  const reasons: Record<string, string> = {
    ENOENT: 'no such file or folder; check the path',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EROFS: 'the file system is read-only',
    EISDIR: 'it is a folder, expected a file',
    EEXIST: 'a file of that name is there already',
    ENOTDIR: 'a part of the path is a file, expected a folder',
    ENOSPC: 'no space left on the device; free some, or write elsewhere',
    EDQUOT: 'the disk quota is used up',
  }
  const code = errorCode(error)
  const reason = (code && reasons[code]) ?? (error instanceof Error ? error.message : String(error))
  return new Error(`cannot ${action} ${path}: ${reason}`, { cause: error })
}

export async function exists(path: string): Promise<boolean> {
  const place = placeOf(path)
  if (place) return (await volumes.isFolderInVolume(place)) || (await volumes.sizeInVolume(place, path)) !== undefined
  return (await fs.stat(path).catch(() => undefined)) !== undefined
}

/** In bytes; undefined for what is no file: a pipe, a device, standard input. */
export async function fileSize(path: string): Promise<number | undefined> {
  const place = placeOf(path)
  if (place) return volumes.sizeInVolume(place, path)
  const status = path === '-' ? undefined : await fs.stat(path).catch(() => undefined)
  return status?.isFile() ? status.size : undefined
}

export async function isFolder(path: string): Promise<boolean> {
  const place = placeOf(path)
  if (place) return volumes.isFolderInVolume(place)
  return (await fs.stat(path).catch(() => undefined))?.isDirectory() ?? false
}

export async function listFolder(path: string): Promise<string[]> {
  const place = placeOf(path)
  if (place) return volumes.listInVolume(place)
  try {
    return (await fs.readdir(path)).sort()
  } catch (error) {
    throw describeFileError(error, 'list', path)
  }
}

export async function readText(path: string): Promise<string> {
  return new TextDecoder().decode(await readBytes(path))
}

export async function readBytes(path: string): Promise<Uint8Array> {
  const place = placeOf(path)
  if (place) return volumes.readInVolume(place, path)
  try {
    return await fs.readFile(path)
  } catch (error) {
    throw describeFileError(error, 'read', path)
  }
}

/** Parses a JSON file; an error names the file. */
export async function readJson(path: string): Promise<unknown> {
  const text = await readText(path)
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`${path} is not valid JSON: ${(error as Error).message}`)
  }
}

export async function openFile(path: string): Promise<OpenFile> {
  const place = placeOf(path)
  if (place) return volumes.openInVolume(place, path)
  let handle: fs.FileHandle
  try {
    handle = await fs.open(path, 'r')
  } catch (error) {
    throw describeFileError(error, 'open', path)
  }
  const status = await handle.stat()
  if (status.isDirectory()) {
    await handle.close()
    throw describeFileError({ code: 'EISDIR' }, 'open', path)
  }
  const { size } = status
  return {
    path,
    size,
    async read(offset, length, into) {
      const bytes = into ?? new Uint8Array(length)
      let done = 0
      while (done < length) {
        // One system call takes at most 2 GiB.
        const { bytesRead } = await handle.read(bytes, done, Math.min(length - done, 1 << 30), offset + done)
        if (bytesRead === 0)
          throw new Error(`${path} ends at byte ${offset + done}, expected ${offset + length}: the file is cut short`)
        done += bytesRead
      }
      return bytes
    },
    close: () => handle.close(),
  }
}

/**
 * The lines of a text file in blocks of about a megabyte (one await a block: for files of millions of lines), `.gz` unpacked,
 * without their ends (\n or \r\n); `-` is standard input. `onRead` is told, before each block, how many bytes of the file have been read.
 */
export async function* readLineBlocks(path: string, onRead?: (bytes: number) => void): AsyncGenerator<string[]> {
  const place = placeOf(path)
  if (place) return yield* volumes.linesInVolume(place, path, onRead)
  const file = path === '-' ? undefined : createReadStream(path, { highWaterMark: 1 << 20 })
  const raw: Readable = file ?? process.stdin
  let input: Readable = raw
  if (path.endsWith('.gz')) {
    const gunzip = createGunzip({ chunkSize: 1 << 18 })
    raw.on('error', error => gunzip.destroy(error))
    input = raw.pipe(gunzip)
  }
  try {
    for await (const lines of splitLines(input)) {
      if (file) onRead?.(file.bytesRead)
      yield lines
    }
  } catch (error) {
    throw errorCode(error) ? describeFileError(error, 'read', path) : error
  } finally {
    if (path !== '-') raw.destroy()
  }
}

/** The sha-256 of a file's bytes in hexadecimal; of several files as if they were one. */
export async function hashFile(...paths: string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const path of paths) {
    try {
      const place = placeOf(path)
      if (place) hash.update(await volumes.readInVolume(place, path))
      else
        for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Uint8Array)
    } catch (error) {
      throw describeFileError(error, 'read', path)
    }
  }
  return hash.digest('hex')
}

/** The lines of a text file, one at a time; see `readLineBlocks`. */
export async function* readLines(path: string): AsyncGenerator<string> {
  for await (const lines of readLineBlocks(path)) yield* lines
}

/** The last name of a path, `.` and `..` resolved: what a folder is called. */
export const baseName = (path: string): string => basename(isVolumePath(path) ? path : resolve(path))

export async function makeFolder(path: string): Promise<void> {
  if (placeOf(path)) return
  try {
    await fs.mkdir(path, { recursive: true })
  } catch (error) {
    throw describeFileError(error, 'make the folder', path)
  }
}

/** Makes a folder that must not be there yet; false where it is. */
export async function makeNewFolder(path: string): Promise<boolean> {
  try {
    await fs.mkdir(path)
    return true
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    throw describeFileError(error, 'make the folder', path)
  }
}

/** A file that grows line by line; each line is on its way to the disk when `append` returns. */
export async function openLog(path: string): Promise<{ append(line: string): Promise<void>; close(): Promise<void> }> {
  let handle: fs.FileHandle
  try {
    handle = await fs.open(path, 'a')
  } catch (error) {
    throw describeFileError(error, 'write', path)
  }
  return {
    async append(line) {
      try {
        await handle.appendFile(`${line}\n`)
      } catch (error) {
        throw describeFileError(error, 'write', path)
      }
    },
    close: () => handle.close(),
  }
}

export async function removeFile(path: string): Promise<void> {
  const place = placeOf(path)
  if (place) return volumes.removeInVolume(place)
  await fs.rm(path, { force: true })
}

export async function removeFolder(path: string): Promise<void> {
  const place = placeOf(path)
  if (place) return volumes.removeInVolume(place)
  await fs.rm(path, { recursive: true, force: true })
}

/** This package's own folder: the nearest one above this module with a package.json, and with a folder of this name where one is needed. */
export async function packageFolder(holding?: 'collections' | 'recipes'): Promise<string> {
  const needed = holding ?? '.'
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if ((await exists(join(folder, 'package.json'))) && (await isFolder(join(folder, needed)))) return folder
    if (folder === dirname(folder))
      throw new Error(
        `the package is incomplete: its ${holding ? `${holding}/ folder` : 'package.json'} is missing; install it anew`,
      )
  }
}
