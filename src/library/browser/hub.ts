// Models by their names on the Hub in a browser: `hub:org/name[@revision]` is the address below which the Hub has their files.
const NAME = /^hub:([\w.-]+\/[\w.-]+)(?:@([\w./-]+))?$/

export async function folderOf(name: string): Promise<string> {
  if (!name.startsWith('hub:')) return name
  const [, repo, revision = 'main'] = NAME.exec(name) ?? []
  if (!repo) throw new Error(`"${name}" is no model on the Hub, expected hub:org/name or hub:org/name@revision`)
  return `https://huggingface.co/${repo}/resolve/${encodeURIComponent(revision)}`
}
