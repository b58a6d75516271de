// Models by their names on the Hub: `org/name[@revision]` becomes a folder of the standard cache. browser/hub.ts stands for this file in a browser.
import type { OpenModelOptions } from '../run/model.js'
import type { LocateOptions, Location } from './location.js'

export interface NamedFolder {
  readonly folder: Location
  /** Of a model on the Hub: what adapters of it name. */
  readonly base?: { readonly name: string; readonly revision: string }
}

/** The folder that a model's name means; a path, an address and files as they are. */
export async function folderOf(name: Location, { onFetch, signal }: LocateOptions): Promise<NamedFolder> {
  if (typeof name !== 'string' || /^https?:\/\/|^file:/.test(name)) return { folder: name }
  const { hubBase, modelFolder } = await import('../run/named-model.js')
  const folder = await modelFolder(name, { signal, onProgress: onFetch })
  const base = await hubBase(name, folder)
  return { folder, ...(base && { base }) }
}

/** How the base model of an adapter's folder is found where no folder has its name. */
export const basesOf = ({ onFetch, signal }: LocateOptions): OpenModelOptions => ({
  findBase: async (base, revision) => {
    const { findHubBase } = await import('../run/named-model.js')
    return findHubBase(base, revision, { signal, onProgress: onFetch })
  },
})
