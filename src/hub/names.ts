// Names of models on the Hub (`org/name`, `org/name@revision`), the places of its standard cache, and what the environment says about both.
// Source: https://huggingface.co/docs/huggingface_hub/guides/manage-cache, …/package_reference/environment_variables
import { exists, join, readText } from '../runtime/files.js'

export interface HubName {
  /** org/name */
  readonly repo: string
  /** A branch, a tag or a commit. */
  readonly revision: string
}

const part = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_-])?$/

/** Undefined of what cannot be a name on the Hub, such as a path. Fails at a revision that would lead out of the cache. */
export function parseHubName(name: string): HubName | undefined {
  const [repo = '', ...rest] = name.split('@')
  const parts = repo.split('/')
  if (parts.length !== 2 || !parts.every(each => part.test(each) && !/--|\.\./.test(each))) return undefined
  const revision = rest.length > 0 ? rest.join('@') : 'main'
  checkRevision(revision, name)
  return { repo, revision }
}

export function checkRevision(revision: string, name: string): void {
  const bad = /[\\:\0\s@~^?*[]|\.\.|\/\/|^[/.-]|[/.]$/.test(revision)
  if (bad || revision === '' || revision.length > 200)
    throw new Error(`${name}: "${revision}" is no revision, expected a branch, a tag or a commit`)
}

/** Fails at a file's name that would lead out of its folder. */
export function checkFileName(file: string, repo: string): void {
  const parts = file.split('/')
  if (/[\\:\0]/.test(file) || parts.some(each => each === '' || each === '.' || each === '..'))
    throw new Error(`${repo} lists the file "${file}", whose name leads out of the model's folder; it is not fetched`)
}

export interface HubPlace {
  /** Without a slash at its end. */
  readonly endpoint: string
  /** The cache's folder. */
  readonly cache: string
  readonly token?: string
  /** Only the cache is looked at. */
  readonly offline: boolean
}

const isOn = (value: string | undefined): boolean => /^(1|on|yes|true)$/i.test(value ?? '')

/** HF_ENDPOINT, HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, HF_TOKEN, HF_TOKEN_PATH, HF_HUB_OFFLINE and their older names. */
export async function placeFrom(env: Readonly<Record<string, string | undefined>>, home: string): Promise<HubPlace> {
  const at = (path: string) => (path.startsWith('~/') ? join(home, path.slice(2)) : path)
  const base = at(env.HF_HOME || join(env.XDG_CACHE_HOME || join(home, '.cache'), 'huggingface'))
  const tokenFile = at(env.HF_TOKEN_PATH || join(base, 'token'))
  const saved = (await exists(tokenFile)) ? await readText(tokenFile) : ''
  const token = (env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN || saved).trim()
  return {
    endpoint: (env.HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, ''),
    cache: at(env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(base, 'hub')),
    offline: isOn(env.HF_HUB_OFFLINE) || isOn(env.TRANSFORMERS_OFFLINE),
    ...(token !== '' && { token }),
  }
}

/** Where a model lies in the cache: blobs/<digest>, refs/<revision> with a commit in it, snapshots/<commit>/<file> that link to blobs. */
export function cacheLayout(cache: string, repo: string) {
  const root = join(cache, `models--${repo.replace('/', '--')}`)
  return {
    blob: (oid: string) => join(root, 'blobs', oid),
    ref: (revision: string) => join(root, 'refs', ...revision.split('/')),
    snapshot: (commit: string) => join(root, 'snapshots', commit),
  }
}

export const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision)
