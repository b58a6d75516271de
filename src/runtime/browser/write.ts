// Writing in a page or a worker: to mounted volumes. The same functions as ../write.ts.
import { placeOf, writeFolderInVolume, writeInVolume } from '../volumes.js'
import { describeFileError, errorCode, exists } from './files.js'

type Append = (chunk: Uint8Array | string) => Promise<void>

/** Writes over the first bytes of the file, such as a header that could not be known before. */
export type Rewrite = (start: Uint8Array) => Promise<void>

const need = (path: string) => {
  const place = placeOf(path)
  if (place) return place
  throw new Error(`cannot write ${path}: a browser has no folders; write to opfs:, or take the bytes`)
}

async function described<T>(work: Promise<T>, path: string): Promise<T> {
  return work.catch(error => {
    throw errorCode(error) ? describeFileError(error, 'write', path) : error
  })
}

export async function checkWritable(path: string): Promise<void> {
  need(path)
}

export const writeFileWith = async (
  path: string,
  fill: (append: Append, rewrite?: Rewrite) => Promise<void>,
): Promise<void> => described(writeInVolume(need(path), path, fill), path)

export const writeFile = async (path: string, content: Uint8Array | string): Promise<void> =>
  writeFileWith(path, append => append(content))

/** Makes a file that must not be there yet; false where it is. */
export async function writeNewFile(path: string, content: string): Promise<boolean> {
  if (await exists(path)) return false
  await writeFile(path, content)
  return true
}

/** Nothing is left half-written in a volume. */
export async function removeLeftovers(_folder: string): Promise<void> {}

export const writeFolderWith = async (path: string, fill: (temporary: string) => Promise<void>): Promise<void> =>
  described(writeFolderInVolume(need(path), path, fill), path)
