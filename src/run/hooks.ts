// What a run tells its caller, and is told.
import type { Profile } from '../backend/profile.js'

/** Where a run is: for a bar or lines on a terminal. */
export interface Phase {
  readonly name: string
  /** What was done before this process, where a run is resumed; default 0. */
  readonly first?: number
  readonly done: number
  readonly total: number
  readonly unit: string
  readonly note?: string
}

export interface RunHooks {
  /** A line for people: what was chosen, warnings. */
  readonly say?: (line: string) => void
  readonly warn?: (line: string) => void
  readonly progress?: (phase: Phase) => void
  readonly signal?: AbortSignal
  /** Where each kernel call's time goes to. */
  readonly profile?: Profile
  /** The command that repeats the run, for the report. */
  readonly command?: string
  readonly resume?: boolean
  /** Leaves the tests out. */
  readonly trainOnly?: boolean
  /** Ends once weights of the training sets are learned. */
  readonly weightsOnly?: boolean
}
