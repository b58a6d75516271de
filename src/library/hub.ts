// Models by their names on the Hub: `org/name[@revision]` becomes a folder of the standard cache. browser/hub.ts stands for this file in a browser.
import type { LocateOptions } from './location.js'

/** The folder that a model's name means; a path or an address as it is. */
export async function folderOf(name: string, { onFetch, signal }: LocateOptions): Promise<string> {
  if (/^https?:\/\/|^file:/.test(name)) return name
  const { modelFolder } = await import('../run/named-model.js')
  return modelFolder(name, { signal, onProgress: onFetch })
}
