// What a cache of downloads needs of the system: files that grow where they stopped, links, digests, the environment. Node's, Deno's and Bun's; a
// browser has its own cache.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import * as fs from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { describeFileError } from './files.js'

export const environment = (): Readonly<Record<string, string | undefined>> => process.env

export const homeFolder = (): string => homedir()

/** A file that grows. */
export interface GrowingFile {
  /** Bytes that it had when it was opened. */
  readonly size: number
  append(chunk: Uint8Array): Promise<void>
  /** On the disk when it returns. */
  close(): Promise<void>
}

/** Opens a file to go on where it ends, or from its start. Its folder is made. */
export async function openGrowing(path: string, anew: boolean): Promise<GrowingFile> {
  try {
    await fs.mkdir(dirname(path), { recursive: true })
    const handle = await fs.open(path, anew ? 'w' : 'a')
    return {
      size: (await handle.stat()).size,
      append: async chunk => void (await handle.appendFile(chunk)),
      async close() {
        await handle.sync()
        await handle.close()
      },
    }
  } catch (error) {
    throw describeFileError(error, 'write', path)
  }
}

/** A digest of a file's bytes after those of `before`, hexadecimal. */
export async function digest(path: string, algorithm: 'sha1' | 'sha256', before = ''): Promise<string> {
  const hash = createHash(algorithm).update(before)
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Uint8Array)
  return hash.digest('hex')
}

export const renameFile = (from: string, to: string): Promise<void> => fs.rename(from, to)

/** Makes `path` stand for `target` by a relative link, or by a copy where the system allows no links. */
export async function standFor(path: string, target: string): Promise<void> {
  const beside = join(dirname(path), `.${process.pid}.${Date.now()}.part`)
  await fs.mkdir(dirname(path), { recursive: true })
  try {
    await fs.symlink(relative(dirname(path), target), beside).catch(() => fs.copyFile(target, beside))
    await fs.rename(beside, path)
  } catch (error) {
    await fs.rm(beside, { force: true })
    throw describeFileError(error, 'write', path)
  }
}
