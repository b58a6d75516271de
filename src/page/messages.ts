// What the page asks of its worker, and what the worker answers.
import type { FetchProgress, FilesByName, Hit, Pair } from '../index.js'

export interface LoadedModel {
  /** The backend and why this one. */
  readonly description: string
  readonly dimensions: number
  readonly maxLength: number
}

export interface Indexed {
  readonly texts: number
  readonly tokens: number
  readonly seconds: number
}

export interface Found {
  readonly hits: readonly Hit[]
  readonly milliseconds: number
}

/** Where a pair's answer stood among the texts, from 1; and what came first. */
export interface Place {
  readonly query: string
  readonly before: { readonly rank: number; readonly first: string }
  readonly after: { readonly rank: number; readonly first: string }
}

export interface Adapted {
  readonly losses: readonly number[]
  readonly seconds: number
  readonly places: readonly Place[]
}

export interface Saved {
  readonly files: Record<string, Uint8Array<ArrayBuffer>>
  readonly notKept?: string
}

export interface TrainingWish {
  readonly pairs: readonly Pair[]
  readonly steps: number
  readonly learningRate: number
}

export interface BenchLine {
  readonly name: string
  readonly shape: string
  readonly verified: boolean
  readonly milliseconds: number
  readonly rate: string
}

/** Each action's argument, what it tells on the way, and its result. */
export interface Actions {
  load: [{ location: string | FilesByName; backend: 'auto' | 'webgpu' | 'wasm' }, FetchProgress, LoadedModel]
  index: [{ texts: readonly string[] }, { texts: number; total: number; tokens: number }, Indexed]
  search: [{ query: string }, never, Found]
  train: [TrainingWish, { step: number; steps: number; loss: number }, Adapted]
  /** Keeps the adapter in the browser, or says why it is not kept. */
  save: [object, never, Saved]
  /** Its files, or what was kept. */
  restore: [{ files?: FilesByName }, never, LoadedModel]
  /** Takes the adapter off. */
  forget: [object, never, LoadedModel]
  bench: [object, BenchLine, { verified: number; rows: number }]
}

export type Action = keyof Actions
export type Argument<A extends Action> = Actions[A][0]
export type Step<A extends Action> = Actions[A][1]
export type Result<A extends Action> = Actions[A][2]

export type Request =
  | { readonly id: number; readonly abort: true }
  | { readonly id: number; readonly action: Action; readonly argument: unknown }

export type Answer =
  | { readonly id: number; readonly step: unknown }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string; readonly aborted: boolean }
  /** Something happened that the user should know: what runs now. */
  | { readonly id: 0; readonly notice: string }
