// npm run test:crash [-- --kills N --seed S]: a small run is killed (SIGKILL) at random moments and resumed until N kills are made, over as many
// runs as that takes. After every kill nothing half-written may lie under a final name; a run that ends must equal an undisturbed one bit by bit.
// Half of the moments are drawn from the clock, half from the names that appear and go in the run's folder: that is where files are written.
import { type ChildProcess, spawn } from 'node:child_process'
import {
  existsSync,
  type FSWatcher,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  watch,
  writeFileSync,
} from 'node:fs'
import { basename, join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { openSafetensors } from '../src/data/safetensors.js'
import { main } from '../test/support/cli.js'
import { temporaryFolder } from '../test/support/temporary.js'

const RECIPE = `name = "crash"
out = "runs"
seed = 7
backend = "wasm"
[model]
max_length = 32
random = { hidden = 16, layers = 1, heads = 2, max_positions = 48, vocabulary = 1500 }
[data]
train = "builtin:primer/music"
dev = [{ path = "builtin:primer/music" }]
tests = [{ path = "builtin:primer/music", name = "music" }]
[train]
method = "full"
steps = 40
batch_size = 8
learning_rate = 3e-3
dropout = 0.1
checkpoint_every = 2
eval_every = 3
[[variants]]
name = "lora"
train = { method = "lora", learning_rate = 1e-2 }
lora = { rank = 4, alpha = 8 }
[[variants]]
name = "stops" # early, at a rate that is too high
train = { learning_rate = 1e-1, early_stopping = { patience = 1 } }
[eval]
k = 10
baselines = ["bm25"]
`

/** When to kill: after so many milliseconds, or when so many names have appeared or gone. */
type Moment = { readonly after: number } | { readonly names: number }

interface Attempt {
  /** −1 where it was killed. */
  readonly code: number
  readonly stderr: string
  readonly milliseconds: number
  /** What appeared in the folder or went from it, in order. */
  readonly names: readonly string[]
}

/** Calls `seen` with every name that appears in a folder or goes from it, in folders below too; returns how to stop. */
function watchNames(folder: string, seen: (name: string) => void): () => void {
  const watchers = new Map<string, FSWatcher>()
  const add = (path: string) => {
    if (watchers.has(path) || !statSync(path, { throwIfNoEntry: false })?.isDirectory()) return
    try {
      const watcher = watch(path, (kind, name) => {
        if (kind !== 'rename' || name === null) return
        seen(name)
        add(join(path, name))
      })
      watchers.set(path, watcher)
      watcher.on('error', () => undefined)
      for (const name of readdirSync(path)) add(join(path, name))
    } catch {
      // It went again in the meantime.
    }
  }
  add(folder)
  return () => {
    for (const watcher of watchers.values()) watcher.close()
  }
}

/** The command in a process of its own, killed at the moment unless it ends before. */
function attempt(out: string, resume: boolean, moment?: Moment): Promise<Attempt> {
  const recipe = join(out, 'crash.toml')
  const child: ChildProcess = spawn(
    process.execPath,
    [...main, 'run', recipe, '--json', ...(resume ? ['--resume'] : [])],
    {
      env: { ...process.env, NO_COLOR: '1', DEBUG: '' },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  )
  const started = performance.now()
  const names: string[] = []
  let stderr = ''
  child.stderr!.on('data', chunk => {
    stderr += chunk
  })
  const unwatch = watchNames(join(out, 'runs'), name => {
    names.push(name)
    if (moment && 'names' in moment && names.length === moment.names) child.kill('SIGKILL')
  })
  const timer = moment && 'after' in moment && setTimeout(() => child.kill('SIGKILL'), moment.after)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code => {
      if (timer) clearTimeout(timer)
      unwatch()
      resolve({ code: code ?? -1, stderr, milliseconds: performance.now() - started, names })
    })
  })
}

/** A new folder with the recipe, for the runs to lie in. */
function newOut(): string {
  const out = temporaryFolder()
  mkdirSync(join(out, 'runs'))
  writeFileSync(join(out, 'crash.toml'), RECIPE)
  return out
}

/** The newest folder in which a run began; attempts that were killed before leave one without a recipe. */
function begun(out: string): string | undefined {
  const folders = readdirSync(join(out, 'runs')).map(name => join(out, 'runs', name))
  const numberOf = (path: string) => Number(/-(\d+)$/.exec(path)?.[1] ?? 1)
  return folders.sort((a, b) => numberOf(b) - numberOf(a)).find(folder => existsSync(join(folder, 'recipe.toml')))
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => !entry.isDirectory())
    .map(entry => relative(folder, join(entry.parentPath ?? entry.path, entry.name)))
    .sort()

/** Of the process that wrote them, not of the run. */
const OWN_KEYS = ['seconds', 'tokens_per_second', 'peak_bytes']

const withoutTimes = (json: string): string =>
  JSON.stringify(JSON.parse(json, (key, value) => (OWN_KEYS.includes(key) ? undefined : value)))

const halfWrittenIn = (folder: string): string[] => filesIn(folder).filter(name => name.includes('.part'))

/** What must be equal of a file: all of its bytes, or its values but times. */
function comparable(path: string): string {
  const text = readFileSync(path, 'latin1')
  if (/(metrics|training)\.json$/.test(path)) return withoutTimes(text)
  // The last line may have been cut off.
  if (path.endsWith('log.jsonl')) return text.split('\n').slice(0, -1).map(withoutTimes).join('\n')
  // It tells dates and times in many places.
  if (path.endsWith('report.html')) return /^<!doctype html>[\s\S]*<\/html>\s*$/i.test(text) ? 'whole' : 'cut off'
  return text
}

type Reference = ReadonlyMap<string, string>

const readReference = (folder: string): Reference =>
  new Map(filesIn(folder).map(name => [name, comparable(join(folder, name))]))

/** What is wrong with a run's folder, a line each. */
async function problemsOf(folder: string, reference: Reference, ended: boolean): Promise<string[]> {
  const problems: string[] = []
  const names = filesIn(folder)
  for (const name of names) {
    const path = join(folder, name)
    const temporary = /\.part(\.old)?(\/|$)/.test(name) || /(^|\/)(running[^/]*|checkpoint\.safetensors)$/.test(name)
    const expected = reference.get(name)
    try {
      if (temporary && ended) problems.push(`${name} is left over`)
      else if (name.endsWith('checkpoint.safetensors')) await (await openSafetensors(path)).close()
      else if (basename(name).startsWith('running') && !/^(\d+\n)?$/.test(readFileSync(path, 'utf8')))
        problems.push(`${name} is half-written`)
      else if (!temporary && expected === undefined) problems.push(`${name} is not in an undisturbed run`)
      else if (!temporary && !isEqual(name, comparable(path), expected!, ended))
        problems.push(`${name} differs from that of an undisturbed run`)
    } catch (error) {
      problems.push(`${name}: ${(error as Error).message}`)
    }
  }
  for (const name of reference.keys()) {
    // A model's folder appears as a whole.
    const parent = /^(.*model)\//.exec(name)?.[1]
    if (!names.includes(name) && (ended || (parent && existsSync(join(folder, parent))))) problems.push(`no ${name}`)
  }
  return problems
}

/** A run that goes on may have logged only some of its steps. */
const isEqual = (name: string, found: string, expected: string, ended: boolean): boolean =>
  found === expected || (!ended && name.endsWith('log.jsonl') && expected.startsWith(found))

/** mulberry32: numbers from 0 to below 1. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const lastLine = (stderr: string) => stderr.trimEnd().split('\n').at(-1) || 'starting'

interface Sum {
  kills: number
  runs: number
  /** Kills that left something half-written, under a temporary name. */
  halfWritten: number
  problems: number
}

/** One run, killed until it ends or enough kills are made; resumed then. */
async function crashRun(reference: Reference, next: () => Moment, most: number, sum: Sum): Promise<void> {
  const out = newOut()
  const tell = (problems: readonly string[], stderr: string) => {
    for (const problem of problems) console.log(`  WRONG: ${problem}`)
    if (problems.length > 0) console.log(stderr.replace(/^/gm, '    '))
    sum.problems += problems.length
  }
  sum.runs++
  for (;;) {
    const before = begun(out)
    const ended = before !== undefined && existsSync(join(before, 'metrics.json'))
    const old = before ? halfWrittenIn(before) : []
    const moment = sum.kills < most && !ended ? next() : undefined
    const { code, stderr, milliseconds, names } = await attempt(out, before !== undefined, moment)
    const folder = begun(out)
    if (code === -1) {
      sum.kills++
      const left = folder ? halfWrittenIn(folder).filter(name => !old.includes(name)) : []
      if (left.length > 0) sum.halfWritten++
      const at =
        moment && 'names' in moment ? `at ${names[moment.names - 1]}` : `after ${(milliseconds / 1000).toFixed(2)} s`
      console.log(
        `kill ${sum.kills}, run ${sum.runs}, ${at}: ${lastLine(stderr)}${left.length > 0 ? `; left ${left[0]}` : ''}`,
      )
      if (folder) tell(await problemsOf(folder, reference, false), stderr)
      continue
    }
    // A run that was killed after its very last file has ended: there is nothing to resume then.
    const refused = ended && code === 1 && /nothing to resume/.test(stderr)
    if (code !== 0 && !refused) return tell([`it failed with code ${code}`], stderr)
    const problems = await problemsOf(folder!, reference, true)
    console.log(`run ${sum.runs} ended, ${problems.length === 0 ? 'equal' : 'NOT equal'}`)
    return tell(problems, stderr)
  }
}

async function crash(kills: number, seed: number): Promise<boolean> {
  const out = newOut()
  const whole = await attempt(out, false)
  if (whole.code !== 0) throw new Error(`the undisturbed run failed with code ${whole.code}\n${whole.stderr}`)
  const reference = readReference(begun(out)!)
  const seconds = (whole.milliseconds / 1000).toFixed(1)
  console.log(`seed ${seed}; undisturbed: ${seconds} s, ${whole.names.length} names appear or go`)
  const draw = random(seed)
  const next = (): Moment =>
    draw() < 0.5 ? { after: draw() * whole.milliseconds } : { names: 1 + Math.floor(draw() * whole.names.length) }
  const sum: Sum = { kills: 0, runs: 0, halfWritten: 0, problems: 0 }
  while (sum.kills < kills) await crashRun(reference, next, kills, sum)
  const verdict = sum.problems === 0 ? 'all equal' : `${sum.problems} problems`
  console.log(`${sum.kills} kills (${sum.halfWritten} in the middle of a file), ${sum.runs} runs, ${verdict}`)
  return sum.problems === 0
}

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '50' }, seed: { type: 'string', default: '1' } },
})
const [kills, seed] = [Number(values.kills), Number(values.seed)]
if (!Number.isSafeInteger(kills) || kills < 1 || !Number.isSafeInteger(seed))
  throw new Error(`--kills ${values.kills} --seed ${values.seed}: expected integers, at least one kill`)
process.exit((await crash(kills, seed)) ? 0 : 1)
