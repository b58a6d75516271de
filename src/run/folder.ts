// A run's folder: made so that a second run never overwrites the first, found again to be resumed, and worked on by one process at a time.
import { parse } from 'smol-toml'
import { exists, join, listFolder, makeFolder, makeNewFolder, readText, removeFile } from '../runtime/files.js'
import { processId, processIsAlive } from '../runtime/processes.js'
import { writeNewFile } from '../runtime/write.js'

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
  /** Of the GPU that it began on. */
  readonly tuning: string
  /** Names the process that works here; lockPath has those of later ones. */
  readonly lock: string
}

export const trainingLayout = (path: string): TrainingFolder => ({
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
  tuning: join(path, 'tuning.json'),
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
    if (!(await exists(folder.recipe))) continue
    if (!(await exists(folder.metrics))) {
      await hold(folder)
      // Its holder may have ended the run just before.
      if (!(await exists(folder.metrics))) return folder
    }
    // One that was killed after its last file has left its lock.
    await letGo(folder)
  }
  const found =
    candidates.length > 0 ? `${candidates.join(', ')} ended or never began` : `${out} holds no run named ${name}`
  throw new Error(`nothing to resume: ${found}; start it without --resume`)
}

/** Locks have numbers: running, running-2, …; each is there once, so that making the next one decides between several who want it. */
const lockPath = ({ lock }: RunFolder, number: number): string => (number === 1 ? lock : `${lock}-${number}`)

interface Lock {
  readonly path: string
  readonly number: number
  readonly holder: number
}

/** In the order of their numbers. */
async function locksOf(folder: RunFolder): Promise<Lock[]> {
  const locks: Lock[] = []
  for (const name of (await exists(folder.path)) ? await listFolder(folder.path) : []) {
    const match = /^running(?:-(\d+))?$/.exec(name)
    if (!match) continue
    const path = join(folder.path, name)
    const holder = await holderOf(path)
    if (holder !== undefined) locks.push({ path, number: Number(match[1] ?? 1), holder })
  }
  return locks.sort((a, b) => a.number - b.number)
}

/** The process that a lock names; 0 where that was killed before it had written its number, undefined where the lock has gone. */
async function holderOf(path: string): Promise<number | undefined> {
  for (let reads = 0; reads < 5; reads++) {
    const text = await readText(path).catch(() => '')
    if (text.endsWith('\n')) return Number(text)
    if (!(await exists(path))) return undefined
    // Made a moment ago: its number is on the way.
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  return 0
}

const isOfAnother = ({ holder }: Lock): boolean => holder !== processId() && processIsAlive(holder)

/**
 * Fails where another living process holds the folder. One that was killed leaves its lock; a new holder makes the next and then removes those
 * before it. Whoever finds a living rival after making its own lock gives way, so that two never hold one folder.
 */
async function hold(folder: RunFolder): Promise<RunFolder> {
  const before = await locksOf(folder)
  const mine = lockPath(folder, (before.at(-1)?.number ?? 0) + 1)
  const made = !before.some(isOfAnother) && (await writeNewFile(mine, `${processId()}\n`))
  const locks = await locksOf(folder)
  const other = locks.find(isOfAnother)
  if (other) {
    if (made) await removeFile(mine)
    throw new Error(
      `${folder.path} is being worked on by process ${other.holder}; wait for it or stop it, or remove ${other.path} if that is another program`,
    )
  }
  // The rival that was quicker has ended already.
  if (!made) return hold(folder)
  for (const { path } of locks) if (path !== mine) await removeFile(path)
  return folder
}

/** Removes the locks of this process and of those that were killed. */
export async function letGo(folder: RunFolder): Promise<void> {
  for (const lock of await locksOf(folder)) if (!isOfAnother(lock)) await removeFile(lock.path)
}

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
