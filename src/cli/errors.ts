// Every error ends here once: what is printed, and the exit code: 0 done, 1 failed at run time, 2 wrong command line or recipe,
// 130 interrupted.
import { isRecipeError } from '../recipe/problems.js'

/** A wrong command line. */
export interface UsageError extends Error {
  readonly name: 'UsageError'
}

export const usageError = (message: string): UsageError =>
  Object.assign(new Error(message), { name: 'UsageError' as const })

/** The reason with which an interrupted run is aborted. `done`: what was kept, such as where the checkpoint lies. */
export const interruption = (done = 'interrupted'): Error => Object.assign(new Error(done), { name: 'AbortError' })

const isInterruption = (error: unknown) => error instanceof Error && error.name === 'AbortError'

// commander throws these when it is told not to exit by itself; help and version are no failures.
const commanderExit = (error: unknown): number | undefined => {
  const { code, exitCode } = (error ?? {}) as { code?: unknown; exitCode?: unknown }
  if (typeof code !== 'string' || !code.startsWith('commander.')) return undefined
  return exitCode === 0 ? 0 : 2
}

export function exitCode(error: unknown): number {
  if (isInterruption(error)) return 130
  if (isRecipeError(error) || (error instanceof Error && error.name === 'UsageError')) return 2
  return commanderExit(error) ?? 1
}

/** What stderr gets: `error: …`, with the stack and the causes only where `debug` is on. Empty where it was said already. */
export function formatError(error: unknown, { debug = false }: { debug?: boolean } = {}): string {
  if (commanderExit(error) !== undefined) return ''
  if (isInterruption(error)) return `${(error as Error).message}\n`
  const message = error instanceof Error ? error.message || error.name : String(error)
  if (!debug || !(error instanceof Error)) return `error: ${message}\n`
  return `error: ${withCauses(error)}\n`
}

function withCauses(error: Error): string {
  const stack = error.stack ?? error.message
  return error.cause instanceof Error ? `${stack}\ncaused by ${withCauses(error.cause)}` : stack
}
