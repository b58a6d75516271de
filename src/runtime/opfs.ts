// The origin private file system, a browser's own store of files for a site, as a volume. A file appears when it is complete: what is written
// goes to a copy that takes the file's place when it is closed.
import { openBlob, type Volume } from './volumes.js'

/** A folder of the store, made where it is missing. Fails where the browser has no such store, as in a private window of some. */
export async function opfsVolume(folder: string): Promise<Volume> {
  let root = await navigator.storage.getDirectory().catch((error: Error) => {
    throw new Error(`this browser gives the page no store of its own: ${error.message}`, { cause: error })
  })
  for (const part of folder.split('/').filter(Boolean)) root = await root.getDirectoryHandle(part, { create: true })
  const folderOf = async (parts: readonly string[], create: boolean) => {
    let at = root
    for (const part of parts) at = await at.getDirectoryHandle(part, { create })
    return at
  }
  return {
    async open(name, path) {
      const parts = name.split('/')
      const file = parts.pop()!
      try {
        const handle = await (await folderOf(parts, false)).getFileHandle(file)
        return openBlob(await handle.getFile(), path)
      } catch (error) {
        if (isMissing(error)) return undefined
        throw error
      }
    },
    names: () => filesUnder(root, ''),
    async write(name, content) {
      const parts = name.split('/')
      const file = parts.pop()!
      const handle = await (await folderOf(parts, true)).getFileHandle(file, { create: true })
      const writable = await handle.createWritable()
      try {
        await writable.write(content)
      } catch (error) {
        await writable.abort().catch(() => undefined)
        throw error
      }
      await writable.close()
    },
    async remove(name) {
      const parts = name.split('/')
      const file = parts.pop()!
      await (await folderOf(parts, false)).removeEntry(file).catch(error => {
        if (!isMissing(error)) throw error
      })
    },
    async move(from, to) {
      const [parts, target] = [from.split('/'), to.split('/')]
      const file = parts.pop()!
      const name = target.pop()!
      const handle = await (await folderOf(parts, false)).getFileHandle(file)
      await (handle as Movable).move(await folderOf(target, true), name)
    },
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof DOMException && (error.name === 'NotFoundError' || error.name === 'TypeMismatchError')

// The library's types do not know that a file of this store can be moved, nor that a folder's entries can be gone through.
type Movable = FileSystemFileHandle & { move(folder: FileSystemDirectoryHandle, name: string): Promise<void> }
type Entries = FileSystemDirectoryHandle & AsyncIterable<[string, FileSystemHandle]>

async function filesUnder(folder: FileSystemDirectoryHandle, prefix: string): Promise<string[]> {
  const names: string[] = []
  for await (const [name, handle] of folder as Entries)
    if (handle.kind === 'file') names.push(prefix + name)
    else names.push(...(await filesUnder(handle as FileSystemDirectoryHandle, `${prefix}${name}/`)))
  return names
}
