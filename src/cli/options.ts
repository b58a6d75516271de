// Options that several commands share; each has one meaning.
import { type Command, InvalidArgumentError, Option } from 'commander'
import { createProfile, type Profile } from '../backend/profile.js'
import { profileLines, traceJson } from '../bench/profile.js'
import type { FetchOptions } from '../hub/model.js'
import type { Precision } from '../model/quantize.js'
import { type BackendRequest, type OpenedBackend, openBackend } from '../run/backend.js'
import type { Phase } from '../run/hooks.js'
import { type Api, apis } from '../runtime/adapter-info.js'
import { checkWritable, writeFile } from '../runtime/write.js'
import { interruption, usageError } from './errors.js'
import { createProgress, eraseBar, type Progress, stderrOutput } from './progress.js'

export interface BackendOptions {
  readonly backend: 'auto' | 'webgpu' | 'wasm'
  readonly adapter?: string
  readonly api?: Api
  readonly threads?: number
  readonly profile?: Profile
}

const integerFrom =
  (least: number, most = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= least && value <= most) return value
    const range = most === Number.MAX_SAFE_INTEGER ? `of ${least} or more` : `from ${least} to ${most}`
    throw new InvalidArgumentError(`Expected an integer ${range}.`)
  }

export const positiveInteger = integerFrom(1)

export const seed = integerFrom(0)

/** Documents a query: what exact search keeps. */
export const depth = integerFrom(1, 1000)

export const withBackend = (command: Command): Command =>
  withProfile(
    command
      .addOption(
        new Option('--backend <backend>', 'where to compute').choices(['auto', 'webgpu', 'wasm']).default('auto'),
      )
      .option('--adapter <name>', "a part of the WebGPU adapter's name")
      .addOption(new Option('--api <name>', 'what drives the adapter (default: the fastest there is)').choices(apis))
      .option('--threads <n>', 'threads of the wasm backend (default: the cores there are)', positiveInteger)
      .hook('preAction', (_, action) => checkAdapter(action.opts())),
  )

/** For commands that compute: where their time goes. */
export const withProfile = (command: Command): Command =>
  command
    .option('--profile', 'time every kernel: a table on stderr and a trace for Perfetto; slower than without')
    .option('--trace <file>', 'where the trace is written (profile.json)')
    .hook('preAction', async (_, action) => {
      const { profile, trace } = action.opts<{ profile?: true; trace?: string }>()
      if (trace && !profile) throw usageError('--trace names the file that --profile writes; give both, or neither')
      if (profile) await checkWritable(trace ?? TRACE)
      action.setOptionValue('profile', profile && createProfile())
    })
    .hook('postAction', (_, action) => {
      const { profile, trace } = action.opts<{ profile?: Profile; trace?: string }>()
      return profile && writeProfile(profile, trace ?? TRACE)
    })

const TRACE = 'profile.json'

async function writeProfile(profile: Profile, path: string): Promise<void> {
  await Promise.all(profile.pending)
  await writeFile(path, traceJson(profile))
  process.stderr.write(`${profileLines(profile).join('\n')}\ntrace: ${path} (open it at ui.perfetto.dev)\n`)
}

export function checkAdapter(options: Partial<Record<'backend' | 'adapter' | 'api', string>>): void {
  for (const name of ['adapter', 'api'] as const)
    if (options.backend === 'wasm' && options[name])
      throw usageError(`--${name} chooses a WebGPU adapter, but --backend is wasm; leave one of them out`)
}

export const precisionOption = (): Option =>
  new Option(
    '--precision <name>',
    'of the linear layers; int8 is faster on wasm, mixed (f16 factors) on GPUs, and both move scores a little',
  )
    .choices(['f32', 'int8', 'mixed'])
    .default('f32')

/** Matryoshka: so many first columns of a vector are kept. */
export const dimensionsOption = (): Option =>
  new Option(
    '--dimensions <n>',
    "columns kept of each vector (all); for models trained for it ('Matryoshka')",
  ).argParser(positiveInteger)

export interface PrecisionOption {
  readonly precision: Precision
}

/** `instead`: what the option stands beside. */
export function refusePrecision({ precision }: PrecisionOption, instead: string): void {
  if (precision !== 'f32') throw usageError(`--precision ${precision} is for an encoder, but ${instead}; leave it out`)
}

export const withOutput = (command: Command, json = 'results as JSON on stdout'): Command =>
  command.option('--json', json).option('--quiet', 'no progress, no warnings')

/** Opens the backend and says which one and why. */
export async function openChosenBackend(
  options: BackendOptions & Partial<PrecisionOption> & Pick<BackendRequest, 'tuneMilliseconds'>,
  say: (line: string) => void,
): Promise<OpenedBackend> {
  const { backend, adapter, api, precision, threads, profile, tuneMilliseconds } = options
  const mixed = precision === 'mixed'
  const opened = await openBackend({ backend, adapter, api, mixed, threads, profile, tuneMilliseconds })
  say(`backend: ${opened.reason}`)
  return opened
}

/** How a model that is on the Hub is fetched. */
export function fetching(progress: Progress, signal?: AbortSignal): FetchOptions {
  const shown = phases(progress)
  return {
    say: line => progress.say(line),
    onProgress: ({ file, bytes, total }) => shown.show({ name: `fetching ${file}`, done: bytes, total, unit: 'bytes' }),
    ...(signal && { signal }),
  }
}

/** Without a word, a command that reads from the keyboard seems to hang. */
export function sayWaiting(input: string, progress: Progress): void {
  if (input === '-' && process.stdin.isTTY) progress.say('reading from the keyboard; Ctrl-D on a new line ends it')
}

export const openProgress = (quiet: boolean | undefined): Progress =>
  createProgress({ output: stderrOutput(), quiet: quiet ?? false })

/** Progress of phases as they come: a new name begins a new task, and one that is done is summed up. */
export function phases(progress: Progress): { show(phase: Phase): void; end(): void } {
  let current: Phase | undefined
  const end = () => {
    if (current) progress.end(current.note)
    current = undefined
  }
  return {
    show(phase) {
      const { name, first = 0, done, total, unit, note } = phase
      if (name !== current?.name) {
        end()
        progress.begin(name, { unit, total, done: first, unseen: done - first })
      }
      current = phase
      progress.advance(done, note, total)
      if (done === total) end()
    },
    end,
  }
}

const signalHandlers = new Set<() => void>()
const signals = ['SIGINT', 'SIGTERM'] as const

// A terminal and a wrapper such as npx may both pass one Ctrl-C on.
const SAME_KEYSTROKE = 500 // milliseconds

/** Aborted by the first Ctrl-C (or SIGTERM), with `message`; another one ends the process at once. */
export function interruptSignal(message: string, progress: Progress): AbortSignal {
  const controller = new AbortController()
  let since = 0
  const stop = () => {
    const now = performance.now()
    if (controller.signal.aborted && now - since > SAME_KEYSTROKE) {
      eraseBar()
      process.exit(130)
    }
    if (controller.signal.aborted) return
    since = now
    progress.say('stopping as soon as what has begun is done; Ctrl-C again stops at once')
    controller.abort(interruption(message))
  }
  signalHandlers.add(stop)
  for (const name of signals) process.on(name, stop)
  return controller.signal
}

/** For a process that goes on after a command; one that ends keeps its handlers, so that a late Ctrl-C does not kill it. */
export function releaseSignals(): void {
  for (const stop of signalHandlers) for (const name of signals) process.off(name, stop)
  signalHandlers.clear()
}

/** As the program was started: npx finds what the shell may not. */
export const programName = (): string => (process.env.npm_command === 'exec' ? 'npx wgpu-retrieve' : 'wgpu-retrieve')

/** Columns of the terminal that results go to; wide where they go elsewhere. */
export const outputColumns = (): number => process.stdout.columns || 100

export const printJson = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`)
