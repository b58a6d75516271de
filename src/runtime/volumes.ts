// Folders that are none of a file system: bytes that a caller holds, files below an address, a browser's own store. Mounted, a volume is a path
// (`memory:1`, `https://host/model`) that may stand wherever a folder's path may.
import { splitLines, unzipped } from './lines.js'

/** A file opened for reading by position. */
export interface OpenFile {
  readonly path: string
  /** In bytes. */
  readonly size: number
  /** Exactly `length` bytes from `offset`; fails where the file is shorter. `into`, of that length, may be used for them. */
  read(offset: number, length: number, into?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>
  close(): Promise<void>
}

export interface Volume {
  /** Undefined where there is no such file. `path`: what messages call it. */
  open(name: string, path: string): Promise<OpenFile | undefined>
  /** Names of files, those in folders as `folder/name`, as far as they are known. */
  names(): Promise<string[]>
  /** Absent where nothing can be written. */
  readonly write?: (name: string, content: Blob) => Promise<void>
  readonly remove?: (name: string) => Promise<void>
  /** Gives a file another name; there with `write`. */
  readonly move?: (from: string, to: string) => Promise<void>
  unmount?(): void
}

const mounted = new Map<string, Volume>()
let count = 0

/** The path under which the volume stands until it is unmounted; `name` where it must be a certain one. */
export function mountVolume(volume: Volume, name = `memory:${++count}`): string {
  mounted.set(name, volume)
  return name
}

export function unmountVolume(path: string): void {
  mounted.get(path)?.unmount?.()
  mounted.delete(path)
}

/** Whether a path is one of a volume, mounted or not. */
export const isVolumePath = (path: string): boolean => /^(memory:|opfs:|https?:\/\/)/.test(path)

export interface Place {
  readonly volume: Volume
  /** Inside the volume; empty for all of it. */
  readonly name: string
}

/** Where a path leads; undefined for one of the file system. Fails where its volume is not mounted. */
export function placeOf(path: string): Place | undefined {
  if (!isVolumePath(path)) return undefined
  for (const [root, volume] of mounted) {
    if (path === root) return { volume, name: '' }
    if (path.startsWith(`${root}/`)) return { volume, name: trimmed(path.slice(root.length + 1)) }
  }
  return undefined
}

const trimmed = (name: string): string => name.replace(/^\.?\/+|\/+$/g, '')

/** Below a volume `..` leads nowhere. */
export const joinVolume = (first: string, ...rest: readonly string[]): string =>
  [first.replace(/\/+$/, ''), ...rest.map(trimmed)].filter(Boolean).join('/')

export async function openInVolume({ volume, name }: Place, path: string): Promise<OpenFile> {
  const file = name === '' ? undefined : await volume.open(name, path)
  if (!file) throw new Error(`cannot open ${path}: no such file; check the path`)
  return file
}

export async function readInVolume(place: Place, path: string): Promise<Uint8Array<ArrayBuffer>> {
  const file = await openInVolume(place, path)
  try {
    return await file.read(0, file.size)
  } finally {
    await file.close()
  }
}

/** In bytes; undefined where there is no such file. */
export async function sizeInVolume({ volume, name }: Place, path: string): Promise<number | undefined> {
  const file = name === '' ? undefined : await volume.open(name, path)
  await file?.close()
  return file?.size
}

export async function isFolderInVolume({ volume, name }: Place): Promise<boolean> {
  return name === '' || (await volume.names()).some(each => each.startsWith(`${name}/`))
}

/** What a folder holds, files and folders. */
export async function listInVolume({ volume, name }: Place): Promise<string[]> {
  const prefix = name === '' ? '' : `${name}/`
  const below = (await volume.names()).filter(each => each.startsWith(prefix))
  return [...new Set(below.map(each => each.slice(prefix.length).split('/')[0]!))].sort()
}

const BLOCK = 1 << 20

/** See `readLineBlocks` of files.ts. */
export async function* linesInVolume(
  place: Place,
  path: string,
  onRead?: (bytes: number) => void,
): AsyncGenerator<string[]> {
  const file = await openInVolume(place, path)
  let at = 0
  async function* blocks() {
    for (; at < file.size; at += BLOCK) yield await file.read(at, Math.min(BLOCK, file.size - at))
  }
  try {
    for await (const lines of splitLines(path.endsWith('.gz') ? unzipped(blocks()) : blocks())) {
      onRead?.(Math.min(at + BLOCK, file.size))
      yield lines
    }
  } finally {
    await file.close()
  }
}

type Fill = (
  append: (chunk: Uint8Array | string) => Promise<void>,
  rewrite?: (start: Uint8Array) => Promise<void>,
) => Promise<void>

/** A file that is there when `fill` has returned. */
export async function writeInVolume({ volume, name }: Place, path: string, fill: Fill): Promise<void> {
  if (!volume.write) throw new Error(`cannot write ${path}: nothing can be written there`)
  const parts: BlobPart[] = []
  let start: Uint8Array | undefined
  const copied = (chunk: Uint8Array | string) => (typeof chunk === 'string' ? chunk : chunk.slice())
  await fill(
    async chunk => void parts.push(copied(chunk) as BlobPart),
    async first => {
      start = first.slice()
    },
  )
  const content = new Blob(parts)
  await volume.write(name, start ? new Blob([start as BlobPart, content.slice(start.length)]) : content)
}

/**
 * A folder whose files are there when `fill`, given another path to write to, has returned; what was there before is gone. Where there is no room for all
 * of them nothing is written and what was there stays.
 */
export async function writeFolderInVolume(
  place: Place,
  path: string,
  fill: (temporary: string) => Promise<void>,
): Promise<void> {
  const { volume, name } = place
  if (!volume.write || !volume.move) throw new Error(`cannot write ${path}: nothing can be written there`)
  const files = new Map<string, Blob>()
  const temporary = mountVolume(memoryVolume(files))
  try {
    await fill(temporary)
  } finally {
    unmountVolume(temporary)
  }
  const partial = `${name}.partial`
  const clear = () => removeInVolume({ volume, name: partial })
  // Of a page that was closed while it wrote.
  await clear()
  try {
    for (const [each, content] of files) await volume.write(`${partial}/${each}`, content)
  } catch (error) {
    await clear().catch(() => undefined)
    throw error
  }
  for (const each of await volume.names())
    if (isBelow(each, name) && !isBelow(each, partial)) await volume.remove?.(each)
  for (const each of files.keys()) await volume.move(`${partial}/${each}`, name === '' ? each : `${name}/${each}`)
}

const isBelow = (file: string, folder: string): boolean =>
  folder === '' || file === folder || file.startsWith(`${folder}/`)

/** Removes a file, or a folder with what is in it. */
export async function removeInVolume({ volume, name }: Place): Promise<void> {
  for (const each of await volume.names()) if (isBelow(each, name)) await volume.remove?.(each)
}

/** A file of a blob's bytes. */
export const openBlob = (blob: Blob, path: string): OpenFile => ({
  path,
  size: blob.size,
  async read(offset, length) {
    const bytes = new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer())
    if (bytes.length < length)
      throw new Error(`${path} ends at byte ${blob.size}, expected ${offset + length}: the file is cut short`)
    return bytes
  },
  async close() {},
})

/** A file's content; of a string its UTF-8. */
export type FileContent = Blob | Uint8Array<ArrayBuffer> | ArrayBuffer | string

/** Files by name in memory, to be read and written. The map changes with what is written. */
export function memoryVolume(files: Map<string, Blob> = new Map()): Volume {
  return {
    async open(name, path) {
      const blob = files.get(name)
      return blob && openBlob(blob, path)
    },
    names: async () => [...files.keys()],
    async write(name, content) {
      files.set(name, content)
    },
    async remove(name) {
      files.delete(name)
    },
    async move(from, to) {
      files.set(to, files.get(from)!)
      files.delete(from)
    },
  }
}
