// A WebGPU adapter for the tests: the machine's, or else lavapipe, the software Vulkan driver of Mesa, installed where
// that may be done (Debian and Ubuntu as root). Dawn refuses Mesa before 25; Debian 12 has such a one only in its
// backports suite.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath, pathToFileURL } from 'node:url'

export interface AdapterPresence {
  readonly available: boolean
  /** Why there is none. */
  readonly reason?: string
}

const PACKAGE = 'mesa-vulkan-drivers'
const LOADER = 'libvulkan1'
const LEAST_MESA = 25
const ADDED_SOURCES = '/etc/apt/sources.list.d/wgpu-retrieve-backports.list'
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** Looks for an adapter, installs the software one where there is none, looks again. Sets XDG_RUNTIME_DIR if unset. */
export async function ensureAdapter(): Promise<AdapterPresence> {
  process.env.XDG_RUNTIME_DIR ??= tmpdir()
  const before = probe()
  if (before === undefined) return { available: true }
  const refusal = cannotInstall()
  if (refusal) return { available: false, reason: `${before}; ${refusal}` }
  console.log(`no WebGPU adapter: installing the software one (${PACKAGE})`)
  const failure = install()
  if (failure) return { available: false, reason: `${before}; ${failure}` }
  const after = probe()
  if (after === undefined) return { available: true }
  return { available: false, reason: `${after}, even after installing ${PACKAGE}` }
}

/** Undefined where an adapter gives a device, else why not. In a process of its own: an unfit driver may take it down. */
function probe(): string | undefined {
  const gpu = pathToFileURL(fileURLToPath(new URL('../src/runtime/gpu.ts', import.meta.url))).href
  const code = `
    const { requestAdapter } = await import(${JSON.stringify(gpu)})
    try {
      const opened = await requestAdapter()
      ;(await opened.adapter.requestDevice()).destroy()
      console.log('present')
    } catch (error) {
      console.log(error.message)
    }
    process.exit()`
  const args = ['--import', import.meta.resolve('tsx'), '--input-type=module', '--eval', code]
  const { stdout, signal } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 })
  const said = stdout?.trim().split('\n').at(-1) ?? ''
  if (said === 'present') return undefined
  return said || `looking for a WebGPU adapter failed (${signal ?? 'no output'})`
}

function cannotInstall(): string | undefined {
  if (process.platform !== 'linux') return `a software adapter is installed on Linux only, this is ${process.platform}`
  const system = osRelease()
  if (!isDebian(system)) return `a software adapter is installed on Debian and Ubuntu only, this is ${system.ID ?? '?'}`
  if (process.getuid?.() !== 0) return `install ${PACKAGE} (Mesa ${LEAST_MESA} or newer), or run the tests as root`
  return undefined
}

const isDebian = ({ ID, ID_LIKE }: Record<string, string>): boolean =>
  [ID, ...(ID_LIKE?.split(' ') ?? [])].some(name => name === 'debian' || name === 'ubuntu')

const osRelease = (): Record<string, string> =>
  existsSync('/etc/os-release') ? parseOsRelease(readFileSync('/etc/os-release', 'utf8')) : {}

/** The keys of /etc/os-release. */
export const parseOsRelease = (text: string): Record<string, string> =>
  Object.fromEntries([...text.matchAll(/^(\w+)="?([^"\n]*)"?$/gm)].map(([, key, value]) => [key, value]))

/** Undefined where the package is in place, else what failed. */
function install(): string | undefined {
  const packages = [LOADER, PACKAGE]
  if (!apt('update')) return 'apt-get update failed'
  if (mesaMajor(output('apt-cache', ['policy', PACKAGE])) >= LEAST_MESA)
    return apt('install', ...packages) ? undefined : `apt-get install ${PACKAGE} failed`
  const { VERSION_CODENAME: codename = '' } = osRelease()
  const suite = `${codename}-backports`
  const targets = output('apt-get', [
    'indextargets',
    '--no-release-info',
    '--format',
    '$(REPO_URI) $(RELEASE) $(COMPONENT)',
    'Created-By: Packages',
  ])
  const line = backportsLine(targets, codename, existsSync(KEYRING) ? KEYRING : undefined)
  try {
    if (line) writeFileSync(ADDED_SOURCES, line)
    if (line && !apt('update')) return `apt-get update failed with ${suite}`
    return apt('install', '-t', suite, ...packages) ? undefined : `apt-get install ${PACKAGE} from ${suite} failed`
  } finally {
    // The machine's package sources stay as they were.
    if (line) rmSync(ADDED_SOURCES, { force: true })
  }
}

/** The major version of the candidate in what `apt-cache policy` printed; 0 where there is none. */
export const mesaMajor = (policy: string): number => Number(/Candidate: (?:\d+:)?(\d+)\./.exec(policy)?.[1] ?? 0)

/**
 * The sources line of a release's backports, at the address that the release's own line names; undefined where it is
 * there already or the release has no line. `targets`: lines of address, release and component.
 */
export function backportsLine(targets: string, codename: string, keyring?: string): string | undefined {
  const rows = targets.split('\n').map(line => line.split(' '))
  const suite = `${codename}-backports`
  if (rows.some(([, release, component]) => release === suite && component === 'main')) return undefined
  const address = rows.find(([, release, component]) => release === codename && component === 'main')?.[0]
  if (!address) return undefined
  return `deb ${keyring ? `[signed-by=${keyring}] ` : ''}${address} ${suite} main\n`
}

function apt(...args: string[]): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const options = ['-q', '-y', '--no-install-recommends']
  return spawnSync('apt-get', [...options, ...args], { env, stdio: 'ignore', timeout: 600_000 }).status === 0
}

const output = (command: string, args: string[]): string => spawnSync(command, args, { encoding: 'utf8' }).stdout ?? ''
