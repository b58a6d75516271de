// A run's folder: made so that a second run never overwrites the first, and found again to be resumed.
import { exists, join, listFolder, makeFolder, makeNewFolder } from '../runtime/files.js'

export interface RunFolder {
  readonly path: string
  readonly recipe: string
  readonly log: string
  readonly checkpoint: string
  readonly metrics: string
  readonly report: string
  readonly model: string
  readonly runs: string
}

const layout = (path: string): RunFolder => ({
  path,
  recipe: join(path, 'recipe.toml'),
  log: join(path, 'log.jsonl'),
  checkpoint: join(path, 'checkpoint.safetensors'),
  metrics: join(path, 'metrics.json'),
  report: join(path, 'report.html'),
  model: join(path, 'model'),
  runs: join(path, 'runs'),
})

/** out/name, or out/name-2, out/name-3, … where that is taken. */
export async function newRunFolder(out: string, name: string): Promise<RunFolder> {
  await makeFolder(out)
  for (let attempt = 1; ; attempt++) {
    const path = join(out, attempt === 1 ? name : `${name}-${attempt}`)
    // Two runs may ask at the same time: making the folder decides.
    if (await makeNewFolder(path)) return layout(path)
  }
}

/** The latest run of this name that stopped before its end. Fails where there is none, saying what there is. */
export async function unfinishedRunFolder(out: string, name: string): Promise<RunFolder> {
  const names = (await exists(out)) ? await listFolder(out) : []
  const numberOf = (each: string) => (each === name ? 1 : Number(/^(\d+)$/.exec(each.slice(name.length + 1))?.[1] ?? 0))
  const candidates = names.filter(each => each === name || (each.startsWith(`${name}-`) && numberOf(each) > 1))
  for (const each of candidates.sort((a, b) => numberOf(b) - numberOf(a))) {
    const folder = layout(join(out, each))
    if ((await exists(folder.checkpoint)) && !(await exists(folder.metrics))) return folder
  }
  const found =
    candidates.length > 0 ? `${candidates.join(', ')} ended or left no checkpoint` : `${out} holds no run named ${name}`
  throw new Error(`nothing to resume: ${found}; start it without --resume`)
}
