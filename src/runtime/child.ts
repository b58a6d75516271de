// Processes beside this one that answer a JSON line with a JSON line, a folder for what is handed over, and the processor's name. Node only.
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { createInterface } from 'node:readline'
import { type ChildError, childError, isChildError } from './child-error.js'
import { join } from './files.js'

export { type ChildError, childError, isChildError }

export interface Child {
  /** Sends a line and waits for the next one back. Rejects where the process answers `{"error": …}` or ends. */
  ask(request: object): Promise<Readonly<Record<string, unknown>>>
  close(): void
}

/** `command` as the shell would find it; "node" is the running one. What it writes to stderr is told where it ends. */
export function startChild(command: string, words: readonly string[], env: Readonly<Record<string, string>>): Child {
  const child = spawn(command === 'node' ? process.execPath : command, words, { env: { ...process.env, ...env } })
  const name = [command, ...words].join(' ')
  let waiting: { resolve(line: string): void; reject(error: Error): void } | undefined
  let failure: ChildError | undefined
  let complaints = ''
  const fail = (reason: string) => {
    failure ??= childError(`${name} ${reason}${complaints && `: ${complaints.trim().slice(-2000)}`}`)
    waiting?.reject(failure)
    waiting = undefined
  }
  child.stderr.on('data', chunk => {
    complaints = `${complaints}${chunk}`.slice(-4000)
  })
  child.stdin.on('error', () => undefined)
  child.on('error', error => fail(`does not start (${error.message})`))
  child.on('close', (code, signal) => fail(`ended with ${signal ?? code}`))
  // Libraries print what they like: an answer is a line that opens a JSON object.
  createInterface({ input: child.stdout }).on('line', line => {
    if (!line.startsWith('{')) return
    waiting?.resolve(line)
    waiting = undefined
  })
  return {
    async ask(request) {
      if (failure) throw failure
      const line = await new Promise<string>((resolve, reject) => {
        waiting = { resolve, reject }
        child.stdin.write(`${JSON.stringify(request)}\n`)
      })
      const answer = JSON.parse(line) as Record<string, unknown>
      if (typeof answer.error === 'string') throw childError(`${name}: ${answer.error}`)
      return answer
    },
    close: () => void child.kill(),
  }
}

const temporaries = new Set<string>()

/** An empty folder that is gone when the process ends. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wgpu-retrieve-'))
  if (temporaries.size === 0)
    process.on('exit', () => {
      for (const each of temporaries) rmSync(each, { recursive: true, force: true })
    })
  temporaries.add(folder)
  return folder
}

/** Seconds of processor time that this process's threads have taken together. */
export function processorSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

export const processorName = (): string => cpus()[0]?.model.trim() || process.arch
