// npm run test:runtimes [-- name … --node path]: the suite of test/runtimes in Node (this one, or another by its path), Deno, Bun and Chromium (or those
// named), what each computes compared with Node's, and the command line from the packed tarball in the first three. Ends with a line for each.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'
import type { Outcome, Part, Report, SuiteSettings } from '../test/runtimes/suite.js'
import { smallModel } from '../test/support/library.js'
// @ts-expect-error: a script without types
import { forBrowsers } from './browser.mjs'
import { inChromium } from './chromium-suite.js'
import { ensureAdapter } from './lavapipe.js'
import { checkPackage } from './package.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = join(root, 'test', 'runtimes')
const BUILT = join(folder, 'build')
process.chdir(root)

export interface RuntimeResult {
  passed: number
  readonly failures: string[]
  readonly notes: string[]
  readonly outcomes: Map<string, Outcome>
}

const PARTS: readonly Part[] = [
  { backend: 'wasm', threads: 2, kernels: true },
  { backend: 'wasm', threads: 1, kernels: false },
  { backend: 'webgpu', kernels: true },
]

/** Takes reports in. */
export function collect(result: RuntimeResult, report: Report): void {
  if ('skipped' in report) result.notes.push(`skipped: ${report.skipped}`)
  else if ('outcome' in report) result.outcomes.set(report.part, report.outcome)
  else if (report.error === undefined) result.passed++
  else result.failures.push(`${report.test}: ${report.error}`)
}

const emptyResult = (): RuntimeResult => ({ passed: 0, failures: [], notes: [], outcomes: new Map() })

async function makeBundles(): Promise<SuiteSettings['model']> {
  rmSync(BUILT, { recursive: true, force: true })
  const common = { bundle: true, format: 'esm', splitting: true, logLevel: 'warning' } as const
  const node = build({
    ...common,
    ...{ platform: 'node', target: 'node20', external: ['webgpu'], outdir: join(BUILT, 'node') },
    entryPoints: { run: join(folder, 'run.ts') },
  })
  const browser = build({
    ...{ ...common, ...forBrowsers, outdir: join(BUILT, 'browser') },
    entryPoints: { worker: join(folder, 'worker.ts') },
  })
  const [model] = await Promise.all([smallModel(), node, browser])
  const files = Object.entries(model)
  return Object.fromEntries(files.map(([name, bytes]) => [name, Buffer.from(bytes).toString('base64')]))
}

/** Deno and Bun, each a program of this folder's own packages. */
function installRuntimes(): string | undefined {
  const marks = [join(folder, 'package-lock.json'), join(folder, 'node_modules', '.package-lock.json')]
  const [wanted, present] = marks.map(path => (existsSync(path) ? readFileSync(path, 'utf8') : ''))
  const versions = (text: string) =>
    [...text.matchAll(/"node_modules\/(deno|bun|bun-webgpu)": \{\s+"version": "([^"]+)"/g)].join()
  if (versions(wanted!) !== '' && versions(wanted!) === versions(present!)) return undefined
  console.log('installing Deno and Bun (npm ci in test/runtimes)')
  const { status, stderr } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 240_000,
  })
  return status === 0 ? undefined : `npm ci in test/runtimes failed: ${stderr.trim().split('\n').at(-1)}`
}

/** For a runtime's whole suite; others run beside it. */
const SECONDS = 600
const SETTINGS = join(BUILT, 'settings.json')

function inProcess(command: readonly string[], result: RuntimeResult): Promise<void> {
  const [program, ...words] = command
  const child = spawn(program!, [...words, join(BUILT, 'node', 'run.js'), SETTINGS], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [text, complaints] = ['', '']
  child.stderr.on('data', chunk => {
    complaints = `${complaints}${chunk}`.slice(-3000)
  })
  child.stdout.on('data', chunk => {
    const lines = (text + chunk).split('\n')
    text = lines.pop()!
    for (const line of lines) if (line.startsWith('{')) collect(result, JSON.parse(line) as Report)
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), SECONDS * 1000)
  return new Promise(resolve => {
    child.on('error', error => result.failures.push(`${program} does not start: ${error.message}`))
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (code !== 0) result.failures.push(`${program} ended with ${signal ?? code}: ${complaints.trim()}`)
      resolve()
    })
  })
}

/** Between two runtimes and backends: of values near 1. */
const TOLERANCE = 1e-5

/** What differs, in words. */
function differences(found: Outcome, expected: Outcome): string[] {
  const worst = (a: readonly number[], b: readonly number[]) =>
    a.length === b.length ? Math.max(0, ...a.map((value, i) => Math.abs(value - b[i]!))) : Number.POSITIVE_INFINITY
  const parts = {
    vectors: worst(found.vectors, expected.vectors),
    losses: worst(found.losses, expected.losses),
    'vectors after training': worst(found.adapted, expected.adapted),
    scores: worst(Object.values(found.scores), Object.values(expected.scores)),
    found: found.found.join() === expected.found.join() ? 0 : Number.POSITIVE_INFINITY,
  }
  return Object.entries(parts)
    .filter(([, error]) => !(error <= TOLERANCE))
    .map(([name, error]) => `${name} differ by ${error.toExponential(1)}`)
}

function compareOutcomes(results: ReadonlyMap<string, RuntimeResult>): void {
  const [first] = results.values()
  const expected = first?.outcomes.values().next().value
  if (!expected) return
  for (const result of results.values())
    for (const [part, outcome] of result.outcomes) {
      const found = differences(outcome, expected)
      if (found.length === 0) result.passed++
      else result.failures.push(`${part}: not as in the first runtime: ${found.join(', ')}`)
    }
}

/** Side by side, in this order: a suite often waits for its device or another thread. */
async function together(works: readonly (() => Promise<void>)[]): Promise<void> {
  const waiting = [...works]
  const lane = async () => {
    for (let work = waiting.shift(); work; work = waiting.shift()) await work()
  }
  await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, lane))
}

async function runAll(wanted: (name: string) => boolean, node: string): Promise<Map<string, RuntimeResult>> {
  const bin = join(folder, 'node_modules', '.bin')
  const [model, refusal] = [await makeBundles(), installRuntimes()]
  const settings: SuiteSettings = { model, parts: PARTS }
  writeFileSync(SETTINGS, JSON.stringify(settings))
  const programs = { Node: [node], Deno: [join(bin, 'deno'), 'run', '-A', '--quiet'], Bun: [join(bin, 'bun')] }
  const results = new Map<string, RuntimeResult>()
  // Node's is what the others are compared with.
  for (const name of [...Object.keys(programs), 'Chromium'])
    if (name === 'Node' || wanted(name)) results.set(name, emptyResult())
  const works = Object.entries(programs).flatMap(([name, command]) => {
    const result = results.get(name)
    if (!result) return []
    if (!refusal || name === 'Node') return [() => inProcess(command, result)]
    result.failures.push(refusal)
    return []
  })
  const inTab = results.get('Chromium')
  // The slowest first.
  if (inTab) works.unshift(() => inChromium(join(BUILT, 'browser'), settings, inTab, line => collect(inTab, line)))
  const fromTarball = (name: string, error?: string) => {
    const result = results.get(name)
    if (!result) return
    if (error === undefined) result.passed++
    else result.failures.push(`command line from the tarball: ${error}`)
  }
  await together([...works, () => checkPackage(bin, node, fromTarball)])
  compareOutcomes(results)
  return results
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ options: { node: { type: 'string' } }, allowPositionals: true })
  const node = values.node === undefined ? process.execPath : resolve(values.node)
  if (values.node !== undefined)
    console.log(`Node: ${spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout?.trim() || 'does not start'}`)
  const adapter = await ensureAdapter()
  if (!adapter.available) console.log(`no WebGPU adapter: ${adapter.reason}`)
  const names = positionals.map(name => name.toLowerCase())
  const results = await runAll(name => names.length === 0 || names.includes(name.toLowerCase()), node)
  for (const [name, { failures, notes }] of results) {
    for (const note of new Set(notes)) console.log(`${name}: ${note}`)
    for (const failure of failures) console.log(`${name}: ${failure}`)
  }
  for (const [name, { passed, failures, notes }] of results)
    console.log(
      `${name}: ${passed} passed, ${failures.length} failed${notes.length ? `, ${notes.length} skipped` : ''}`,
    )
  process.exit([...results.values()].some(({ passed, failures }) => failures.length > 0 || passed === 0) ? 1 : 0)
}

await main()
