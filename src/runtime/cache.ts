// Small files that may be lost: kept in the user's cache folder, so that what was measured once need not be measured again.
import { exists, join, makeFolder, readText } from './files.js'
import { writeFile } from './write.js'

/** WGPU_RETRIEVE_CACHE, else the system's place for caches; undefined where there is none. */
export function cacheFolder(env: Readonly<Record<string, string | undefined>> = process.env): string | undefined {
  if (env.WGPU_RETRIEVE_CACHE) return env.WGPU_RETRIEVE_CACHE
  const { XDG_CACHE_HOME, LOCALAPPDATA, HOME } = env
  if (XDG_CACHE_HOME) return join(XDG_CACHE_HOME, 'wgpu-retrieve')
  if (LOCALAPPDATA) return join(LOCALAPPDATA, 'wgpu-retrieve', 'cache')
  if (!HOME) return undefined
  return process.platform === 'darwin'
    ? join(HOME, 'Library', 'Caches', 'wgpu-retrieve')
    : join(HOME, '.cache', 'wgpu-retrieve')
}

/** Undefined where it is not there or cannot be read. */
export async function readCached(name: string): Promise<string | undefined> {
  const folder = cacheFolder()
  if (!folder) return undefined
  const path = join(folder, name)
  return (await exists(path)) ? readText(path).catch(() => undefined) : undefined
}

/** A cache that cannot be written is none. */
export async function writeCached(name: string, text: string): Promise<void> {
  const folder = cacheFolder()
  if (!folder) return
  try {
    await makeFolder(folder)
    await writeFile(join(folder, name), text)
  } catch {
    // A read-only home, a full disk: it is measured again next time.
  }
}
