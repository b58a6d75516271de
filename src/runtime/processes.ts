// This process and whether another one lives.

export const processId = (): number => process.pid

/** Whether a process of this number runs on this machine. */
export function processIsAlive(id: number): boolean {
  if (!Number.isSafeInteger(id) || id < 1) return false
  try {
    process.kill(id, 0)
    return true
  } catch (error) {
    // One that may not be signalled is there all the same.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
