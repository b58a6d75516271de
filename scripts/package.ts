// The command line as users get it: from the packed tarball, by npx, deno run npm: and bunx. Its dependencies are those of this checkout, so that nothing
// is fetched.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const env = { ...process.env, NO_COLOR: '1', npm_config_update_notifier: 'false' }

const run = (command: string, words: readonly string[], cwd: string, timeout = 120_000) =>
  spawnSync(command, words, { cwd, env, encoding: 'utf8', timeout })

/** A folder in which the tarball is installed. */
function install(): string {
  const folder = mkdtempSync(join(tmpdir(), 'wgpu-retrieve-package-'))
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, '.bin'), { recursive: true })
  const built = run(process.execPath, ['scripts/build.mjs'], '.')
  if (built.status !== 0) throw new Error(`npm run build: ${built.stderr}`)
  const packed = run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], '.')
  if (packed.status !== 0) throw new Error(`npm pack: ${packed.stderr}`)
  const tarball = readdirSync(folder).find(name => name.endsWith('.tgz'))!
  const unpacked = run('tar', ['-xzf', tarball], folder)
  if (unpacked.status !== 0) throw new Error(`tar: ${unpacked.stderr}`)
  for (const name of readdirSync('node_modules'))
    if (!name.startsWith('.')) symlinkSync(resolve('node_modules', name), join(modules, name))
  run('mv', ['package', join('node_modules', 'wgpu-retrieve')], folder)
  symlinkSync('../wgpu-retrieve/dist/cli.js', join(modules, '.bin', 'wgpu-retrieve'))
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  const own = { name: 'installed', private: true, dependencies: { 'wgpu-retrieve': version } }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(own))
  return folder
}

/** `report` is told the runtime, and what went wrong. `bin`: where deno and bun are. */
export async function checkPackage(bin: string, report: (name: string, error?: string) => void): Promise<void> {
  const commands: Record<string, string[]> = {
    Node: ['npx', '--no-install', 'wgpu-retrieve'],
    Deno: [
      join(bin, 'deno'),
      'run',
      '-A',
      '--quiet',
      '--cached-only',
      '--node-modules-dir=manual',
      'npm:wgpu-retrieve',
    ],
    Bun: [join(bin, 'bunx'), '--bun', '--no-install', 'wgpu-retrieve'],
  }
  let folder: string
  try {
    folder = install()
  } catch (error) {
    for (const name of Object.keys(commands)) report(name, (error as Error).message)
    return
  }
  try {
    for (const [name, [program, ...words]] of Object.entries(commands)) {
      const info = run(program!, [...words, 'info', '--json'], folder)
      report(name, infoError(name, info))
      // Reads the collection in the package and counts words: all of a command from its options to its scores.
      const scored = run(
        program!,
        [...words, 'eval', '--model', 'bm25', '--data', 'builtin:primer/law', '--json'],
        folder,
      )
      report(name, scored.status === 0 && scored.stdout.includes('ndcg_at_10') ? undefined : said(scored))
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

type Finished = ReturnType<typeof run>

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
