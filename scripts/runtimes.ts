// npm run test:runtimes [name …]: the suite of test/runtimes in Node, Deno, Bun and Chromium (or those named), what each computes compared with Node's, and
// the command line from the packed tarball in the first three. Ends with a line for each.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
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
  await build({
    ...common,
    ...{ platform: 'node', target: 'node20', external: ['webgpu'], outdir: join(BUILT, 'node') },
    entryPoints: { run: join(folder, 'run.ts') },
  })
  await build({
    ...{ ...common, ...forBrowsers, outdir: join(BUILT, 'browser') },
    entryPoints: { worker: join(folder, 'worker.ts') },
  })
  const files = Object.entries(await smallModel())
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

function inProcess(command: readonly string[], settings: SuiteSettings, result: RuntimeResult): Promise<void> {
  const file = join(BUILT, 'settings.json')
  writeFileSync(file, JSON.stringify(settings))
  const [program, ...words] = command
  const child = spawn(program!, [...words, join(BUILT, 'node', 'run.js'), file], { stdio: ['ignore', 'pipe', 'pipe'] })
  let [text, complaints] = ['', '']
  child.stderr.on('data', chunk => {
    complaints = `${complaints}${chunk}`.slice(-3000)
  })
  child.stdout.on('data', chunk => {
    const lines = (text + chunk).split('\n')
    text = lines.pop()!
    for (const line of lines) if (line.startsWith('{')) collect(result, JSON.parse(line) as Report)
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), 400_000)
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

async function main(): Promise<void> {
  const names = process.argv.slice(2).map(name => name.toLowerCase())
  const wanted = (name: string) => names.length === 0 || names.includes(name.toLowerCase())
  const adapter = await ensureAdapter()
  if (!adapter.available) console.log(`no WebGPU adapter: ${adapter.reason}`)
  const [model, refusal] = [await makeBundles(), installRuntimes()]
  const bin = join(folder, 'node_modules', '.bin')
  const programs = {
    Node: [process.execPath],
    Deno: [join(bin, 'deno'), 'run', '-A', '--quiet'],
    Bun: [join(bin, 'bun')],
  }
  const results = new Map<string, RuntimeResult>()
  for (const [name, command] of Object.entries(programs)) {
    if (!wanted(name) && name !== 'Node') continue
    const result = emptyResult()
    results.set(name, result)
    if (refusal && name !== 'Node') result.failures.push(refusal)
    else await inProcess(command, { model, parts: PARTS }, result)
  }
  if (wanted('chromium')) {
    const result = emptyResult()
    results.set('Chromium', result)
    await inChromium(join(BUILT, 'browser'), { model, parts: PARTS }, result, report => collect(result, report))
  }
  compareOutcomes(results)
  await checkPackage(bin, (name, error) => {
    const result = results.get(name)
    if (!result) return
    if (error === undefined) result.passed++
    else result.failures.push(`command line from the tarball: ${error}`)
  })
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
