// A run's folder: made so that a second run never overwrites the first, found again to be resumed, and worked on by one process at a time.
import { parse } from 'smol-toml'
import { exists, join, listFolder, makeFolder, makeNewFolder, readText, removeFile } from '../runtime/files.js'
import { processId, processIsAlive } from '../runtime/processes.js'
import { writeFile, writeNewFile } from '../runtime/write.js'

/** Files of one training. */
export interface TrainingFolder {
  readonly path: string
  /** A line a step. */
  readonly log: string
  readonly checkpoint: string
  readonly model: string
  /** There once the model is saved and scored. */
  readonly summary: string
}

/** Files of a run; those of the recipe's own training, not of a variant, lie beside them. */
export interface RunFolder extends TrainingFolder {
  readonly recipe: string
  /** There once the run has ended. */
  readonly metrics: string
  readonly report: string
  /** TREC runs. */
  readonly runs: string
  /** Names the process that works here. */
  readonly lock: string
}

const trainingLayout = (path: string): TrainingFolder => ({
  path,
  log: join(path, 'log.jsonl'),
  checkpoint: join(path, 'checkpoint.safetensors'),
  model: join(path, 'model'),
  summary: join(path, 'training.json'),
})

const layout = (path: string): RunFolder => ({
  ...trainingLayout(path),
  recipe: join(path, 'recipe.toml'),
  metrics: join(path, 'metrics.json'),
  report: join(path, 'report.html'),
  runs: join(path, 'runs'),
  lock: join(path, 'running'),
})

export const variantFolder = (folder: RunFolder, name: string): TrainingFolder =>
  trainingLayout(join(folder.path, 'variants', name))

/** Where a system's results for a test lie. */
export const trecFile = (folder: RunFolder, test: string, system: string): string =>
  join(folder.runs, `${test}.${system}.trec`)

/** out/name, or out/name-2, out/name-3, … where that is taken; this process holds it. */
export async function newRunFolder(out: string, name: string): Promise<RunFolder> {
  await makeFolder(out)
  for (let attempt = 1; ; attempt++) {
    const path = join(out, attempt === 1 ? name : `${name}-${attempt}`)
    // Two runs may ask at the same time: making the folder decides.
    if (await makeNewFolder(path)) return hold(layout(path))
  }
}

/** The latest run of this name that stopped before its end; this process holds it. Fails where there is none, saying what there is. */
export async function unfinishedRunFolder(out: string, name: string): Promise<RunFolder> {
  const names = (await exists(out)) ? await listFolder(out) : []
  const numberOf = (each: string) => (each === name ? 1 : Number(/^(\d+)$/.exec(each.slice(name.length + 1))?.[1] ?? 0))
  const candidates = names.filter(each => each === name || (each.startsWith(`${name}-`) && numberOf(each) > 1))
  for (const each of candidates.sort((a, b) => numberOf(b) - numberOf(a))) {
    const folder = layout(join(out, each))
    if ((await exists(folder.recipe)) && !(await exists(folder.metrics))) return hold(folder)
  }
  const found =
    candidates.length > 0 ? `${candidates.join(', ')} ended or never began` : `${out} holds no run named ${name}`
  throw new Error(`nothing to resume: ${found}; start it without --resume`)
}

/** Fails where another living process holds the folder. One that was killed leaves its file: a new holder replaces it. */
async function hold(folder: RunFolder): Promise<RunFolder> {
  const mine = `${processId()}\n`
  if (await writeNewFile(folder.lock, mine)) return folder
  const holder = Number((await readText(folder.lock)).trim())
  if (holder !== processId() && processIsAlive(holder))
    throw new Error(
      `${folder.path} is being worked on by process ${holder}; wait for it or stop it, or remove ${folder.lock} if that is another program`,
    )
  await writeFile(folder.lock, mine)
  return folder
}

export const letGo = (folder: RunFolder): Promise<void> => removeFile(folder.lock)

/** Keys that may differ when a run is resumed: they change no result, or only where it lies. */
const FREE = ['name', 'out', 'threads', 'backend', 'adapter']

/** Fails where the recipe is another one than the folder's. Both as TOML with the same base for paths. */
export function checkSameRecipe(saved: string, given: string, folder: string): void {
  const [before, now] = [parse(saved), parse(given)] as Record<string, unknown>[]
  const keys = [...new Set([...Object.keys(before!), ...Object.keys(now!)])].filter(key => !FREE.includes(key))
  const changed = keys.filter(key => JSON.stringify(before![key]) !== JSON.stringify(now![key]))
  if (changed.length > 0)
    throw new Error(
      `${folder} belongs to a run with other settings (${changed.map(key => `[${key}]`).join(', ')} differ); resume with the recipe and options that began it, or start anew under another --name`,
    )
}
