// A model of the Hub as a local folder: its commit found, the files that it takes listed and fetched into the standard cache, and those alone.
// Source: https://huggingface.co/docs/hub/api
import { HubApiError, listFiles, modelInfo } from '@huggingface/hub'
import { asObject, parseStrictJson } from '../data/json.js'
import { environment, homeFolder, standFor } from '../runtime/downloads.js'
import { exists, join, readText } from '../runtime/files.js'
import { writeFile } from '../runtime/write.js'
import { adviceFor, downloadFile, type RemoteFile } from './download.js'
import { cacheLayout, checkFileName, checkRevision, type HubName, type HubPlace, isCommit, placeFrom } from './names.js'

export interface FetchOptions {
  /** Default: what the environment says. */
  readonly place?: HubPlace
  /** The tokenizer's files alone. */
  readonly tokenizerOnly?: boolean
  readonly signal?: AbortSignal | undefined
  /** What happens, in words: a line each. */
  readonly say?: ((line: string) => void) | undefined
  readonly onProgress?:
    | ((done: { readonly file: string; readonly bytes: number; readonly total: number }) => void)
    | undefined
  readonly pause?: number
}

const tokenizerFiles = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.txt',
  'vocab.json',
  'merges.txt',
]
const modelFiles = [
  'config.json',
  'modules.json',
  'sentence_bert_config.json',
  'config_sentence_transformers.json',
  'artifact.metadata',
  'adapter_config.json',
  'adapter_model.safetensors',
]

/** Fetches what is not in the cache yet; → the snapshot's folder. */
export async function fetchModel({ repo, revision }: HubName, options: FetchOptions = {}): Promise<string> {
  const place = options.place ?? (await placeFrom(environment(), homeFolder()))
  checkRevision(revision, repo)
  if (place.offline) return cachedSnapshot(place, { repo, revision }, 'HF_HUB_OFFLINE is set')
  const online = await lookUp(place, { repo, revision }).catch(async (error: Error) => {
    if (error instanceof HubApiError && error.statusCode < 500)
      throw new Error(
        `${repo}@${revision}: ${place.endpoint} answers ${error.statusCode}${adviceFor(error.statusCode)}`,
      )
    // Without a network, what came before is used.
    const reason = `${place.endpoint} cannot be reached (${error.cause instanceof Error ? error.cause.message : error.message})`
    const folder = await cachedSnapshot(place, { repo, revision }, reason)
    options.say?.(`warning: ${reason}; ${repo} is taken from the cache as it is`)
    return folder
  })
  if (typeof online === 'string') return online
  return fetchSnapshot(place, { repo, revision }, online, options)
}

/** What is in the cache already. Files that are missing in it are found when the model is opened. */
async function cachedSnapshot({ cache }: HubPlace, { repo, revision }: HubName, reason: string): Promise<string> {
  const { ref, snapshot } = cacheLayout(cache, repo)
  const commit = isCommit(revision)
    ? revision
    : (await exists(ref(revision)))
      ? (await readText(ref(revision))).trim()
      : ''
  if (isCommit(commit) && (await exists(snapshot(commit)))) return snapshot(commit)
  throw new Error(`${repo}@${revision} is not in the cache ${cache}, and ${reason}; fetch it once with a network`)
}

interface Listing {
  readonly commit: string
  readonly files: ReadonlyMap<string, RemoteFile>
}

async function lookUp({ endpoint, token }: HubPlace, { repo, revision }: HubName): Promise<Listing> {
  // The library takes only tokens that begin as the Hub's own; a mirror's may be others. No other host is told.
  const withToken: typeof fetch = (url, init) => {
    const own = token !== undefined && new URL(String(url)).origin === new URL(endpoint).origin
    return fetch(url, own ? { ...init, headers: { ...init?.headers, authorization: `Bearer ${token}` } } : init)
  }
  const access = { hubUrl: endpoint, fetch: withToken }
  const { sha } = await modelInfo({ name: repo, revision, additionalFields: ['sha'], ...access })
  if (!isCommit(sha)) throw new Error(`${repo}@${revision}: ${endpoint} names no commit, but "${sha}"`)
  const files = new Map<string, RemoteFile>()
  for await (const entry of listFiles({ repo, revision: sha, recursive: true, ...access })) {
    if (entry.type !== 'file') continue
    checkFileName(entry.path, repo)
    const oid = entry.lfs?.oid ?? entry.oid ?? ''
    if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(oid))
      throw new Error(`${repo} lists the file "${entry.path}" with the digest "${oid}", expected sha-1 or sha-256`)
    files.set(entry.path, { path: entry.path, size: entry.lfs?.size ?? entry.size, oid })
  }
  return { commit: sha, files }
}

async function fetchSnapshot(
  place: HubPlace,
  { repo, revision }: HubName,
  { commit, files }: Listing,
  options: FetchOptions,
): Promise<string> {
  const layout = cacheLayout(place.cache, repo)
  const folder = layout.snapshot(commit)
  const get = async (path: string): Promise<void> => {
    const file = files.get(path)
    if (!file || (await exists(join(folder, path)))) return
    const url = `${place.endpoint}/${repo}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`
    await downloadFile(url, file, layout.blob(file.oid), {
      ...{ token: place.token, signal: options.signal },
      onProgress: bytes => options.onProgress?.({ file: path, bytes, total: file.size }),
      ...(options.pause !== undefined && { pause: options.pause }),
    })
    await standFor(join(folder, path), layout.blob(file.oid))
  }
  const wanted = options.tokenizerOnly ? tokenizerFiles : [...modelFiles, ...tokenizerFiles]
  for (const path of wanted) await get(path)
  if (!options.tokenizerOnly) {
    for (const path of await moduleFiles(folder)) await get(path)
    for (const path of await weightFiles(files, folder, repo, get)) await get(path)
  }
  // Last: a revision stands for a snapshot that is complete.
  if (!isCommit(revision)) await writeFile(layout.ref(revision), commit)
  return folder
}

/** Files of the modules that modules.json lists; what is wrong with it is said when the folder is read. */
async function moduleFiles(folder: string): Promise<string[]> {
  const path = join(folder, 'modules.json')
  if (!(await exists(path))) return []
  const modules = parseStrictJson(await readText(path), path)
  const paths = Array.isArray(modules) ? modules.map(module => (module as { path?: unknown } | null)?.path) : []
  return paths
    .filter(each => typeof each === 'string' && each !== '')
    .flatMap(each => [`${each}/config.json`, `${each}/model.safetensors`])
}

/** model.safetensors, or the shards that its index names. */
async function weightFiles(
  files: Listing['files'],
  folder: string,
  repo: string,
  get: (path: string) => Promise<void>,
): Promise<string[]> {
  if (files.has('model.safetensors')) return ['model.safetensors']
  const index = 'model.safetensors.index.json'
  if (!files.has(index)) {
    const pickled = files.has('pytorch_model.bin')
      ? '; its pytorch_model.bin is not read: look for a revision in safetensors (such as refs/pr/1)'
      : ''
    if (!files.has('adapter_model.safetensors'))
      throw new Error(`${repo} has no model.safetensors, nor an index of shards${pickled}`)
    return []
  }
  await get(index)
  const path = join(folder, index)
  const map = asObject(asObject(parseStrictJson(await readText(path), path), path).weight_map, `${path}: weight_map`)
  const shards = [...new Set(Object.values(map))].filter(name => typeof name === 'string').sort()
  for (const shard of shards) checkFileName(shard, repo)
  const missing = shards.filter(shard => !files.has(shard))
  if (missing.length > 0) throw new Error(`${repo}: shards that ${index} names are not there: ${missing.join(', ')}`)
  return shards
}
