// Models by their names on the Hub in a browser: `hub:org/name[@revision]` is the address below which the Hub has their files.
import type { OpenModelOptions } from '../../run/model.js'
import type { NamedFolder } from '../hub.js'
import type { Location } from '../location.js'

const NAME = /^hub:([\w.-]+\/[\w.-]+)(?:@([\w./-]+))?$/

export async function folderOf(name: Location): Promise<NamedFolder> {
  if (typeof name !== 'string' || !name.startsWith('hub:')) return { folder: name }
  const [, repo, revision = 'main'] = NAME.exec(name) ?? []
  if (!repo) throw new Error(`"${name}" is no model on the Hub, expected hub:org/name or hub:org/name@revision`)
  const folder = `https://huggingface.co/${repo}/resolve/${encodeURIComponent(revision)}`
  return { folder, base: { name: repo, revision } }
}

/** Where an adapter lies its base does not: give its address, and the adapter with it. */
export const basesOf = (): OpenModelOptions => ({})
