// Files and folders that appear whole or not at all: written beside the target, fsynced and renamed, so that nothing half-written is ever found under
// a final name, and what was there before stays until then.
import { rmSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { basename, describeFileError, dirname, errorCode, exists, isFolder, join, resolve } from './files.js'
import { placeOf, writeFolderInVolume, writeInVolume } from './volumes.js'

let temporaryCount = 0
const beside = (path: string) =>
  join(dirname(resolve(path)), `.${basename(path)}.${process.pid}.${temporaryCount++}.part`)

// Of a process that is made to end in the middle of writing.
const unfinished = new Set<string>()
let watching = false

function begin(temporary: string): void {
  unfinished.add(temporary)
  if (watching) return
  watching = true
  process.on('exit', () => {
    for (const path of unfinished) rmSync(path, { recursive: true, force: true })
  })
}

async function removeUnfinished(temporary: string): Promise<void> {
  // What cannot be removed cannot be there either; the error that led here is the one to tell.
  await fs.rm(temporary, { recursive: true, force: true }).catch(() => undefined)
  unfinished.delete(temporary)
}

/**
 * Fails where `path` cannot become a file: it is a folder, or what lies above it is no folder or cannot be written to. To be asked before a long
 * computation; nothing is made.
 */
export async function checkWritable(path: string): Promise<void> {
  if (path === '-' || placeOf(path)) return
  if (await isFolder(path)) throw describeFileError({ code: 'EISDIR' }, 'write', path)
  let folder = dirname(resolve(path))
  while (!(await exists(folder)) && folder !== dirname(folder)) folder = dirname(folder)
  try {
    // stat of a path below a file fails as if nothing were there.
    if (!(await isFolder(folder))) throw Object.assign(new Error('not a folder'), { code: 'ENOTDIR' })
    await fs.access(folder, fs.constants.W_OK)
  } catch (error) {
    throw describeFileError(error, 'write', path)
  }
}

type Append = (chunk: Uint8Array | string) => Promise<void>

/** Writes over the first bytes of the file, such as a header that could not be known before. */
export type Rewrite = (start: Uint8Array) => Promise<void>

const toStandardOutput: Append = chunk =>
  new Promise((resolve, reject) => process.stdout.write(chunk, error => (error ? reject(error) : resolve())))

const appendTo =
  (handle: fs.FileHandle): Append =>
  async chunk => {
    const bytes = typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk
    for (let done = 0; done < bytes.length; )
      done += (await handle.write(bytes, done, bytes.length - done)).bytesWritten
  }

const rewriteIn =
  (handle: fs.FileHandle): Rewrite =>
  async start => {
    for (let done = 0; done < start.length; )
      done += (await handle.write(start, done, start.length - done, done)).bytesWritten
  }

type Fill = (append: Append, rewrite?: Rewrite) => Promise<void>

async function fillFile(path: string, fill: Fill): Promise<void> {
  const handle = await fs.open(path, 'w')
  try {
    const isFile = (await handle.stat()).isFile()
    await fill(appendTo(handle), isFile ? rewriteIn(handle) : undefined)
    if (isFile) await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Sequential writing of one file that appears under its name only when `fill` has returned. Parent folders are made. `-` is standard output;
 * a device or a pipe is written to as it is, and its start cannot be written over: no `rewrite` is given.
 */
export async function writeFileWith(path: string, fill: Fill): Promise<void> {
  if (path === '-') return fill(toStandardOutput)
  const place = placeOf(path)
  if (place) return writeInVolume(place, path, fill)
  const temporary = beside(path)
  let made: string | undefined
  try {
    if (await isDevice(path)) return await fillFile(path, fill)
    begin(temporary)
    made = await fs.mkdir(dirname(temporary), { recursive: true })
    await fillFile(temporary, fill)
    await fs.rename(temporary, path)
    unfinished.delete(temporary)
  } catch (error) {
    await removeUnfinished(temporary)
    if (made !== undefined) await removeEmpty(dirname(temporary), made)
    throw errorCode(error) ? describeFileError(error, 'write', path) : error
  }
}

/** Removes a folder and those above it, up to `highest`, as far as nothing is in them. */
async function removeEmpty(folder: string, highest: string): Promise<void> {
  for (let each = folder; each.length >= highest.length; each = dirname(each))
    await fs.rmdir(each).catch(() => undefined)
}

// Renaming a file over /dev/null would replace it.
async function isDevice(path: string): Promise<boolean> {
  const status = await fs.stat(path).catch(() => undefined)
  return status !== undefined && !status.isFile() && !status.isDirectory()
}

export async function writeFile(path: string, content: Uint8Array | string): Promise<void> {
  await writeFileWith(path, append => append(content))
}

/** Makes a file that must not be there yet; false where it is. */
export async function writeNewFile(path: string, content: string): Promise<boolean> {
  try {
    await fs.writeFile(path, content, { flag: 'wx' })
    return true
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    throw describeFileError(error, 'write', path)
  }
}

/**
 * Removes what was left half-written in a folder that no other process writes to. Whether the writer lives is not asked: in a container the number
 * of one that was killed is soon that of another program, or our own.
 */
export async function removeLeftovers(folder: string): Promise<void> {
  for (const name of (await exists(folder)) ? await fs.readdir(folder) : []) {
    const path = join(folder, name)
    if (/^\..+\.\d+\.\d+\.part(\.old)?$/.test(name) && !unfinished.has(resolve(path).replace(/\.old$/, '')))
      await fs.rm(path, { recursive: true, force: true })
  }
}

/**
 * Writes a whole folder that appears under its name only when `fill` has returned. An existing folder of that name is replaced
 * (it is moved aside first and removed last).
 */
export async function writeFolderWith(path: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const place = placeOf(path)
  if (place) return writeFolderInVolume(place, path, fill)
  const temporary = beside(path)
  const aside = `${temporary}.old`
  begin(temporary)
  try {
    await fs.mkdir(temporary, { recursive: true })
    await fill(temporary)
    const replaced = await exists(path)
    if (replaced) await fs.rename(path, aside)
    try {
      await fs.rename(temporary, path)
    } catch (error) {
      if (replaced) await fs.rename(aside, path)
      throw error
    }
    unfinished.delete(temporary)
    if (replaced) await fs.rm(aside, { recursive: true, force: true })
  } catch (error) {
    await removeUnfinished(temporary)
    throw errorCode(error) ? describeFileError(error, 'write', path) : underItsName(error, temporary, path)
  }
}

// An error of a file inside names the folder as it is called in the end.
function underItsName(error: unknown, temporary: string, path: string): unknown {
  if (!(error instanceof Error) || !error.message.includes(temporary)) return error
  return new Error(error.message.replaceAll(temporary, path), { cause: error })
}
