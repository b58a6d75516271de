// What a run leaves for others to read: scores with what they depend on, metrics.json, and what the report shows.
import type { Backend } from '../backend/backend.js'
import type { Adapter } from '../model/peft.js'
import { recipeToToml } from '../recipe/load.js'
import type { Recipe } from '../recipe/schema.js'
import { baseName } from '../runtime/files.js'
import type { StepRecord } from '../train/loop.js'
import { version } from '../version.js'
import { type CollectionScores, fingerprint, type TokenizedCollection } from './evaluate.js'
import { type ModelSource, promptFor } from './model.js'
import type { ReportRecord } from './report.js'
import type { Trained } from './train.js'

export interface TestScores {
  readonly name: string
  readonly split: string
  readonly queries: number
  readonly documents: number
  readonly before?: Readonly<Record<string, number>>
  readonly after?: Readonly<Record<string, number>>
  readonly fingerprint: string
}

export interface TrainingSummary {
  /** Of every step. */
  readonly loss: readonly number[]
  readonly steps: number
  readonly parameters: number
  /** Of this process. */
  readonly tokens: number
  readonly tokens_per_second: number
  /** Parameters, gradients, moments and activations, in bytes. */
  readonly peak_bytes: number
  readonly stopped_early: boolean
  readonly best_step?: number
  readonly best_dev_score?: number
}

/** A collection to score on, tokenized. */
export interface Test {
  readonly name: string
  readonly tokenized: TokenizedCollection
  readonly dataHash: string
}

/** Everything that came of a run. */
export interface Outcome {
  readonly backend: Backend
  readonly reason: string
  readonly started: Date
  readonly seconds: { readonly total: number; readonly training: number }
  readonly source: ModelSource
  readonly scores: readonly TestScores[]
  readonly before: readonly CollectionScores[] | undefined
  readonly after: readonly CollectionScores[] | undefined
  readonly trained: Trained | undefined
  readonly losses: readonly StepRecord[]
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
export function adapterWarnings({ rank, alpha, dropout }: Adapter, { lora }: Recipe): string[] {
  if (!lora || (lora.rank === rank && lora.alpha === alpha && lora.dropout === dropout)) return []
  return [`the adapter keeps its rank ${rank}, alpha ${alpha} and dropout ${dropout}; [lora] is for new ones`]
}

export function testScores(
  tests: readonly Test[],
  source: ModelSource,
  recipe: Recipe,
  before?: readonly CollectionScores[],
  after?: readonly CollectionScores[],
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
  return tests.map(({ name, tokenized, dataHash }, i) => ({
    name,
    split: tokenized.collection.split,
    queries: tokenized.collection.queries.ids.length,
    documents: tokenized.documentIds.length,
    ...(before && { before: before[i]!.scores }),
    ...(after && { after: after[i]!.scores }),
    fingerprint: fingerprint({ ...common, dataHash }),
  }))
}

export function trainingSummary(trained: Trained, losses: readonly StepRecord[]): TrainingSummary {
  const { steps, parameters, tokens, seconds, peakBytes, stoppedEarly, bestStep, bestScore } = trained
  return {
    loss: losses.map(record => record.loss),
    steps,
    parameters,
    tokens,
    tokens_per_second: seconds > 0 ? tokens / seconds : 0,
    peak_bytes: peakBytes,
    stopped_early: stoppedEarly,
    ...(bestStep !== undefined && { best_step: bestStep, best_dev_score: bestScore! }),
  }
}

/** What metrics.json holds. */
export function metricsRecord(recipe: Recipe, outcome: Outcome) {
  const { backend, reason, scores, trained, seconds, source, warnings, losses, before, after } = outcome
  const perQuery = (all: readonly CollectionScores[] | undefined) =>
    all && Object.fromEntries(all.map((each, i) => [scores[i]!.name, each.perQuery]))
  return {
    version,
    name: recipe.name,
    seed: recipe.seed,
    backend: { kind: backend.kind, description: backend.description, reason },
    model: { name: source.name, hash: source.hash },
    tests: scores,
    ...(trained && { training: trainingSummary(trained, losses) }),
    seconds,
    warnings,
    per_query: { before: perQuery(before), after: perQuery(after) },
  }
}

/** What the report shows; paths in its recipe are relative to `folder`. */
export function reportRecord(recipe: Recipe, folder: string, outcome: Outcome, command: string): ReportRecord {
  const { started, backend, reason, scores, trained, seconds, source, warnings, losses } = outcome
  return {
    name: recipe.name,
    command,
    version,
    backend: backend.kind,
    adapter: reason,
    started: started.toISOString(),
    seconds,
    model: { name: baseName(source.name), parameters: trained?.parameters ?? 0 },
    recipe: recipeToToml(recipe, folder),
    tests: scores.map(({ fingerprint: _, ...test }) => test),
    losses: losses.map(({ step, loss, learning_rate, gradient_norm }) => ({
      step,
      loss,
      learningRate: learning_rate,
      gradientNorm: gradient_norm,
    })),
    tokensPerSecond: trained && trained.seconds > 0 ? trained.tokens / trained.seconds : 0,
    warnings: [...warnings],
  }
}
