// The error of a process beside this one.

/** What went wrong with a child, not with us. */
export interface ChildError extends Error {
  readonly name: 'ChildError'
}

export const childError = (message: string): ChildError =>
  Object.assign(new Error(message), { name: 'ChildError' as const })

export const isChildError = (error: unknown): error is ChildError =>
  error instanceof Error && error.name === 'ChildError'
