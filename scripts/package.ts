// The command line as users get it: from the packed tarball, by npx, deno run npm: and bunx. Its dependencies are those of this checkout, so that nothing
// is fetched.
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'

interface Finished {
  readonly error?: Error
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

const SECONDS = 240

/** `node`: what is found by that name. */
function run(command: string, words: readonly string[], cwd: string, node = process.execPath): Promise<Finished> {
  const path = [dirname(node), process.env.PATH].join(delimiter)
  const env = { ...process.env, PATH: path, NO_COLOR: '1', npm_config_update_notifier: 'false' }
  const child = spawn(command, words, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: SECONDS * 1000 })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', chunk => {
    stdout += chunk
  })
  child.stderr.setEncoding('utf8').on('data', chunk => {
    stderr += chunk
  })
  return new Promise(done => {
    child.on('error', error => done({ error, status: null, stdout, stderr }))
    child.on('close', status => done({ status, stdout, stderr }))
  })
}

/** A folder in which the tarball is installed. */
async function install(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'wgpu-retrieve-package-'))
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, '.bin'), { recursive: true })
  const built = await run(process.execPath, ['scripts/build.mjs'], '.')
  if (built.status !== 0) throw new Error(`npm run build: ${built.stderr}`)
  const packed = await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], '.')
  if (packed.status !== 0) throw new Error(`npm pack: ${packed.stderr}`)
  const tarball = readdirSync(folder).find(name => name.endsWith('.tgz'))!
  const unpacked = await run('tar', ['-xzf', tarball], folder)
  if (unpacked.status !== 0) throw new Error(`tar: ${unpacked.stderr}`)
  for (const name of readdirSync('node_modules'))
    if (!name.startsWith('.')) symlinkSync(resolve('node_modules', name), join(modules, name))
  await run('mv', ['package', join('node_modules', 'wgpu-retrieve')], folder)
  symlinkSync('../wgpu-retrieve/dist/cli.js', join(modules, '.bin', 'wgpu-retrieve'))
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  const own = { name: 'installed', private: true, dependencies: { 'wgpu-retrieve': version } }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(own))
  return folder
}

/** `report` is told the runtime, and what went wrong. `bin`: where deno and bun are; `node`: the Node under test. */
export async function checkPackage(
  bin: string,
  node: string,
  report: (name: string, error?: string) => void,
): Promise<void> {
  const deno = ['run', '-A', '--quiet', '--cached-only', '--node-modules-dir=manual', 'npm:wgpu-retrieve']
  const commands: Record<string, string[]> = {
    Node: ['npx', '--no-install', 'wgpu-retrieve'],
    Deno: [join(bin, 'deno'), ...deno],
    Bun: [join(bin, 'bunx'), '--bun', '--no-install', 'wgpu-retrieve'],
  }
  let folder: string
  try {
    folder = await install()
  } catch (error) {
    for (const name of Object.keys(commands)) report(name, (error as Error).message)
    return
  }
  try {
    await Promise.all(Object.entries(commands).map(([name, command]) => checkCommand(name, command)))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }

  async function checkCommand(name: string, [program, ...words]: string[]): Promise<void> {
    report(name, infoError(name, await run(program!, [...words, 'info', '--json'], folder, node)))
    // Reads the collection in the package and counts words: all of a command from its options to its scores.
    const evaluation = ['eval', '--model', 'bm25', '--data', 'builtin:primer/law', '--json']
    const scored = await run(program!, [...words, ...evaluation], folder, node)
    report(name, scored.status === 0 && scored.stdout.includes('ndcg_at_10') ? undefined : said(scored))
  }
}

const said = ({ error, status, stderr, stdout }: Finished): string =>
  `${error?.message ?? `exit ${status}`}: ${`${stderr}${stdout}`.trim().slice(-1500)}`

function infoError(name: string, finished: Finished): string | undefined {
  try {
    const { runtime, backends } = JSON.parse(finished.stdout) as {
      runtime: string
      backends: { wasm: { available: boolean } }
    }
    if (!runtime.startsWith(name)) return `it says that it runs in ${runtime}`
    return backends.wasm.available ? undefined : 'it has no wasm backend'
  } catch {
    return said(finished)
  }
}
