// A model by its name: a folder, or `org/name[@revision]` on the Hub, which becomes a folder of the cache. The bases of adapters too.
import { type FetchOptions, fetchModel } from '../hub/model.js'
import { type HubName, parseHubName } from '../hub/names.js'
import { baseName, dirname, exists } from '../runtime/files.js'
import { type ModelSource, openModel, openModelUnhashed, type UnhashedSource } from './model.js'

const hubPrefix = 'hub:'

/** What a name means on the Hub: after `hub:` always, else where no folder has it, nor a folder the first part of it. */
export async function hubNameOf(name: string): Promise<HubName | undefined> {
  if (name.startsWith(hubPrefix)) {
    const found = parseHubName(name.slice(hubPrefix.length))
    if (!found) throw new Error(`"${name}" is no model on the Hub, expected hub:org/name or hub:org/name@revision`)
    return found
  }
  if ((await exists(name)) || (await exists(dirname(name.split('@')[0]!)))) return undefined
  return parseHubName(name)
}

/** The folder of a model: fetched where the name is one of the Hub, else as it was named. */
export async function modelFolder(name: string, options: FetchOptions = {}): Promise<string> {
  const hub = await hubNameOf(name)
  return hub ? fetchModel(hub, options) : name
}

interface OpenOptions extends FetchOptions {
  readonly tokenizer?: boolean | 'optional'
}

/** The folder of an adapter's base on the Hub; undefined where it has no name of there. */
export async function findHubBase(
  base: string,
  revision: string | undefined,
  options: FetchOptions,
): Promise<string | undefined> {
  const hub = parseHubName(base)
  return hub && fetchModel({ ...hub, ...(revision !== undefined && { revision }) }, options)
}

const basesOf = (options: OpenOptions) => ({
  ...(options.tokenizer !== undefined && { tokenizer: options.tokenizer }),
  findBase: (base: string, revision?: string) => findHubBase(base, revision, options),
})

export async function openNamedModel(name: string, options: OpenOptions = {}): Promise<ModelSource> {
  return named(name, await openModel(await modelFolder(name, options), basesOf(options)))
}

export async function openNamedModelUnhashed(name: string, options: OpenOptions = {}): Promise<UnhashedSource> {
  return named(name, await openModelUnhashed(await modelFolder(name, options), basesOf(options)))
}

/** What an adapter names that is trained over the model in `folder`: a model of the Hub, at its commit. */
export async function hubBase(name: string, folder: string): Promise<UnhashedSource['base']> {
  const hub = await hubNameOf(name)
  return hub && { name: hub.repo, revision: baseName(folder) }
}

/** Under its name. */
async function named<S extends UnhashedSource | ModelSource>(name: string, source: S): Promise<S> {
  const base = source.adapter ? undefined : await hubBase(name, source.folder!)
  return { ...source, name, ...(base && { base }) }
}
