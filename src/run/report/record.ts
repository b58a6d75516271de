// What a report shows: systems compared on test sets, as plain data. Nothing here is computed by the report.
import type { WeightsRecord } from './chart-weights.js'

export interface ComparisonRecord {
  readonly name: string
  /** What the run is to find out, a sentence. */
  readonly question?: string
  /** Said plainly under the title: "The encoder starts from random numbers: it knows nothing but these texts." */
  readonly notes: readonly string[]
  /** Repeats the run. */
  readonly command: string
  /** Of wgpu-retrieve. */
  readonly version: string
  /** ISO 8601. */
  readonly started: string
  /** By phase: total, … */
  readonly seconds: Readonly<Record<string, number>>
  /** Backend, device, threads, "matmul, measured": "113 GFLOP/s"; shown as given. */
  readonly machine: Readonly<Record<string, string>>
  /** name, layers, hidden, vocabulary, … */
  readonly model: Readonly<Record<string, string | number>>
  /** The completed recipe as TOML. */
  readonly recipe: string
  /** In the order of the tables: baselines, untrained, trained. */
  readonly systems: readonly System[]
  readonly tests: readonly TestSet[]
  /** As ndcg_at_10; the first is the main one. */
  readonly measures: readonly string[]
  /** What tables and charts show: tests trained on and never seen, or one group of all. */
  readonly groups: readonly Group[]
  /** One for each system, group and measure. */
  readonly scores: readonly Score[]
  /** One for each system, test and measure: plain means. */
  readonly tables: readonly TestScore[]
  /** Where weights of the training sets were learned. */
  readonly weights?: WeightsRecord
  /** One for each trained system. */
  readonly curves: readonly Curve[]
  /** About ten queries. */
  readonly examples: readonly Example[]
  /** How they were chosen, a sentence. */
  readonly exampleChoice?: string
  readonly warnings: readonly string[]
}

export interface System {
  readonly name: string
  readonly kind: 'baseline' | 'untrained' | 'trained'
  readonly description: string
  /** How many were trained. */
  readonly parameters?: number
  /** Of training, and its tokens a second. */
  readonly seconds?: number
  readonly tokensPerSecond?: number
  readonly peakBytes?: number
}

export interface TestSet {
  readonly name: string
  readonly split: string
  readonly domain?: 'in' | 'out'
  readonly queries: number
  readonly documents: number
}

export interface Group {
  readonly name: string
  /** As it stands in a sentence: "in domain", or after "on": "areas trained on". Headings begin it with a capital. */
  readonly title: string
  readonly tests: readonly string[]
  readonly queries: number
}

export interface Score {
  readonly system: string
  readonly group: string
  readonly measure: string
  /** Over the group's test sets, of each one's mean over its queries. */
  readonly mean: number
  /** A 95 % bootstrap interval over queries. */
  readonly low: number
  readonly high: number
  /** Paired randomisation tests: this system's mean minus the other's. */
  readonly against?: readonly Against[]
}

export interface Against {
  readonly system: string
  readonly difference: number
  readonly p: number
}

export interface TestScore {
  readonly system: string
  readonly test: string
  readonly measure: string
  readonly mean: number
}

export interface Curve {
  readonly system: string
  readonly steps: readonly CurveStep[]
  /** Of devScore: ndcg_at_10. */
  readonly devMeasure?: string
}

export interface CurveStep {
  readonly step: number
  readonly loss: number
  readonly learningRate: number
  readonly gradientNorm: number
  readonly devScore?: number
}

export interface Example {
  readonly test: string
  readonly query: string
  /** Titles or beginnings of the relevant documents. */
  readonly relevant: readonly string[]
  readonly results: readonly ExampleResult[]
}

export interface ExampleResult {
  readonly system: string
  /** The main measure of this query. */
  readonly score: number
  /** The best three. */
  readonly found: readonly { readonly text: string; readonly relevant: boolean }[]
  /** Of the first relevant one, from 1. */
  readonly rank?: number
}
