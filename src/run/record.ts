// What a run leaves for programs to read: scores with what they depend on, and metrics.json.
import type { Backend } from '../backend/backend.js'
import { sampleText } from '../data/collection-sample.js'
import type { Adapter } from '../model/peft.js'
import type { Recipe } from '../recipe/schema.js'
import type { StepRecord } from '../train/loop.js'
import { version } from '../version.js'
import { fingerprint } from './evaluate.js'
import { type ModelSource, promptFor } from './model.js'
import type { Score } from './report/record.js'
import type { TdroOutcome } from './tdro/stage.js'
import type { Test, TestResult } from './tests.js'
import type { Trained } from './train.js'
import type { TrainingOutcome } from './trainings.js'

type Scores = Readonly<Record<string, number>>

export interface TestScores {
  readonly name: string
  readonly split: string
  readonly domain: 'in' | 'out'
  readonly queries: number
  readonly documents: number
  /** By system: bm25, before, after, variants. */
  readonly systems: Readonly<Record<string, Scores>>
  /** Those of the model as it was, and after the recipe's own training. */
  readonly before?: Scores
  readonly after?: Scores
  /** Documents searched beside the judged ones, where the corpus was sampled. */
  readonly corpus_sample?: number
  /** Queries that were cut, where there are any. */
  readonly truncated_queries?: number
  readonly fingerprint: string
}

/** Whatever ranks documents in a run, with what it found of each test. */
export interface System {
  /** In files and records. */
  readonly key: string
  /** In tables. */
  readonly label: string
  readonly kind: 'baseline' | 'untrained' | 'trained'
  readonly results: readonly TestResult[]
}

export interface TrainingSummary {
  /** Of every step. */
  readonly loss: readonly number[]
  readonly steps: number
  readonly parameters: number
  readonly tokens: number
  readonly tokens_per_second: number
  readonly seconds: number
  /** Parameters, gradients, moments and activations, in bytes. */
  readonly peak_bytes: number
  readonly stopped_early: boolean
  /** In mixed precision: steps without an update, for their gradients were not finite. */
  readonly skipped_steps?: number
  readonly best_step?: number
  readonly best_dev_score?: number
}

/** Everything that came of a run. */
export interface Outcome {
  readonly backend: Backend
  readonly reason: string
  /** What was measured of it. */
  readonly machine: Readonly<Record<string, string>>
  readonly started: Date
  /** Of all its parts. */
  readonly seconds: number
  readonly source: ModelSource
  readonly tests: readonly Test[]
  readonly scores: readonly TestScores[]
  readonly systems: readonly System[]
  readonly outcomes: readonly TrainingOutcome[]
  readonly tdro?: TdroOutcome
  readonly warnings: readonly string[]
}

export function trainingWarnings({ repeatedNegatives, stoppedEarly, steps, bestStep }: Trained): string[] {
  return [
    ...(repeatedNegatives > 0
      ? [`${repeatedNegatives} times an example had fewer hard negatives than asked, so some were drawn twice`]
      : []),
    ...(stoppedEarly ? [`stopped early after step ${steps}; the weights of step ${bestStep} are kept`] : []),
    ...(!stoppedEarly && bestStep !== undefined && bestStep !== steps
      ? [`the weights of step ${bestStep}, the best on the dev split, are kept, not those of the last step ${steps}`]
      : []),
  ]
}

/** An adapter that is trained on keeps its own settings, whatever [lora] says. */
export function adapterWarnings({ rank, alpha, dropout }: Adapter, { lora }: Pick<Recipe, 'lora'>): string[] {
  if (!lora || (lora.rank === rank && lora.alpha === alpha && lora.dropout === dropout)) return []
  return [`the adapter keeps its rank ${rank}, alpha ${alpha} and dropout ${dropout}; [lora] is for new ones`]
}

export function testScores(
  tests: readonly Test[],
  source: ModelSource,
  recipe: Recipe,
  systems: readonly System[],
): TestScores[] {
  const { k, protocol, max_length: maxLength } = recipe.eval
  const { settings } = source
  const common = {
    protocol,
    k,
    maxLength,
    queryPrompt: promptFor(settings, 'query'),
    documentPrompt: promptFor(settings, 'document'),
    pooling: settings.pooling.join('+'),
    similarity: settings.similarity,
    modelHash: source.hash,
  }
  const sampled = sampleText({ documents: recipe.data.corpus_sample, queries: recipe.data.query_sample })
  return tests.map(({ name, domain, tokenized, dataHash, prompt }, i) => {
    const all = Object.fromEntries(systems.map(({ key, results }) => [key, results[i]!.scores]))
    return {
      name,
      split: tokenized.collection.split,
      domain,
      queries: tokenized.collection.queries.ids.length,
      documents: tokenized.documentIds.length,
      systems: all,
      ...(all.before && { before: all.before }),
      ...(all.after && { after: all.after }),
      ...(recipe.data.corpus_sample !== undefined && { corpus_sample: recipe.data.corpus_sample }),
      ...(tokenized.truncatedQueries > 0 && { truncated_queries: tokenized.truncatedQueries }),
      fingerprint: [
        fingerprint({ ...common, ...(prompt !== undefined && { queryPrompt: prompt }), dataHash }),
        ...(sampled === '' ? [] : [sampled]),
      ].join(' '),
    }
  })
}

export const skippedSteps = (steps: readonly StepRecord[]): number => steps.filter(({ skipped }) => skipped).length

export function trainingSummary(trained: Trained, losses: readonly StepRecord[]): TrainingSummary {
  const { steps, parameters, tokens, seconds, peakBytes, stoppedEarly, bestStep, bestScore } = trained
  return {
    loss: losses.map(record => record.loss),
    steps,
    parameters,
    tokens,
    tokens_per_second: seconds > 0 ? tokens / seconds : 0,
    seconds,
    peak_bytes: peakBytes,
    stopped_early: stoppedEarly,
    ...(losses.some(({ loss_scale }) => loss_scale) && { skipped_steps: skippedSteps(losses) }),
    ...(bestStep !== undefined && { best_step: bestStep, best_dev_score: bestScore! }),
  }
}

/** What metrics.json holds. `groups`: means over tests with their intervals. */
export function metricsRecord(recipe: Recipe, outcome: Outcome, groups: readonly Score[]) {
  const { backend, reason, scores, outcomes, tdro, systems, seconds, source, warnings } = outcome
  const [own, ...others] = outcomes
  const byName = <T>(values: readonly T[]) => Object.fromEntries(values.map((value, i) => [scores[i]!.name, value]))
  return {
    version,
    name: recipe.name,
    seed: recipe.seed,
    backend: { kind: backend.kind, description: backend.description, reason },
    model: { name: source.name, hash: source.hash },
    tests: scores,
    groups,
    ...(tdro && { tdro: tdroMetrics(tdro) }),
    ...(own && { training: own.summary }),
    ...(others.length > 0 && {
      variants: Object.fromEntries(others.map(({ training, summary }) => [training.key, summary])),
    }),
    seconds: { total: seconds, training: outcomes.reduce((sum, { summary }) => sum + summary.seconds, 0) },
    warnings,
    per_query: Object.fromEntries(systems.map(({ key, results }) => [key, byName(results.map(each => each.perQuery))])),
  }
}

/** Weights of training sets, and what it took to learn them. */
export const tdroMetrics = ({ weights, proxy, reference, padding }: TdroOutcome) => ({
  weights: Object.fromEntries(weights.domains.map((name, g) => [name, weights.alpha[g]!])),
  mean: weights.mean,
  ema: weights.ema,
  mode: weights.mode,
  settings: weights.settings,
  hashes: weights.hashes,
  proxy: proxy.summary,
  ...(reference && { reference: reference.summary }),
  padded_token_rate: padding.rate,
})
