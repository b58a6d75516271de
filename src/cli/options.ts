// Options that several commands share; each has one meaning.
import { type Command, InvalidArgumentError, Option } from 'commander'
import { type OpenedBackend, openBackend } from '../run/backend.js'
import { interruption } from './errors.js'
import { createProgress, type Progress, stderrOutput } from './progress.js'

export interface BackendOptions {
  readonly backend: 'auto' | 'webgpu' | 'wasm'
  readonly adapter?: string
  readonly threads?: number
}

export const positiveInteger = (text: string): number => {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError(`found ${text}, expected an integer of 1 or more`)
  return value
}

export const withBackend = (command: Command): Command =>
  command
    .addOption(
      new Option('--backend <backend>', 'where to compute').choices(['auto', 'webgpu', 'wasm']).default('auto'),
    )
    .option('--adapter <name>', "a part of the WebGPU adapter's name")
    .option('--threads <n>', 'threads of the wasm backend (default: the cores there are)', positiveInteger)

export const withOutput = (command: Command): Command =>
  command.option('--json', 'results as JSON on stdout').option('--quiet', 'no progress, no warnings')

/** Opens the backend and says which one and why. */
export async function openChosenBackend(options: BackendOptions, say: (line: string) => void): Promise<OpenedBackend> {
  const { backend, adapter, threads } = options
  const opened = await openBackend({ backend, adapter, threads })
  say(`backend: ${opened.reason}`)
  return opened
}

export const openProgress = (quiet: boolean | undefined): Progress =>
  createProgress({ output: stderrOutput(), quiet: quiet ?? false })

/** Progress of phases as they come: a new name begins a new task. */
export function phases(progress: Progress): {
  show(phase: { name: string; done: number; total: number; unit: string; note?: string }): void
  end(): void
} {
  let current: string | undefined
  return {
    show({ name, done, total, unit, note }) {
      if (name !== current) {
        if (current !== undefined) progress.end()
        progress.begin(name, { unit, total })
        current = name
      }
      progress.advance(done, note)
    },
    end() {
      if (current !== undefined) progress.end()
      current = undefined
    },
  }
}

/** Aborted by the first Ctrl-C (or SIGTERM); the second ends the process at once. */
export function interruptSignal(message: string): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130)
      controller.abort(interruption(message))
    })
  return controller.signal
}

export const printJson = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`)
