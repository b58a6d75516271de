// What is kept of a cell: its scores, what they depend on, and what they cost. Small enough to be committed, enough for every table.
import type { RelativeBasis } from '../evaluate/relative.js'
import type { Architecture } from '../recipe/architecture.js'
import { loadRecipe } from '../recipe/load.js'
import type { Recipe } from '../recipe/schema.js'
import type { TestScores, TrainingSummary } from '../run/record.js'
import { exists, join, readJson } from '../runtime/files.js'
import { version } from '../version.js'
import type { Axes } from './grid.js'

export interface CellTest {
  readonly name: string
  readonly domain: 'in' | 'out'
  readonly queries: number
  readonly documents: number
  readonly corpus_sample?: number
  /** Queries that were cut, where there are any. */
  readonly truncated_queries?: number
  readonly fingerprint: string
  readonly scores: Readonly<Record<string, number>>
  /** The main measure of every query, in the order of their ids. */
  readonly per_query: readonly number[]
}

export interface CellResult {
  readonly key: string
  readonly axes: Axes
  /** Of the settings that it depends on. */
  readonly hash: string
  readonly measure: string
  readonly tests: readonly CellTest[]
  readonly learning_rate: number
  readonly steps: number
  readonly parameters: number
  readonly peak_bytes: number
  readonly tokens: number
  /** `search`: of the trainings that its learning rate was chosen by, which its seeds share. */
  readonly seconds: { readonly training: number; readonly total: number; readonly search?: number }
  /** Of so many steps evenly spaced, the first and the last among them. */
  readonly losses: readonly (readonly [step: number, loss: number])[]
  readonly best_dev_score?: number
  readonly version: string
}

/** A study's figures as a program reads them, and a report again. */
export const resultsJson = (study: {
  readonly name: string
  readonly basis: RelativeBasis
  readonly cells: readonly CellResult[]
  readonly missing: readonly string[]
  readonly alike?: Readonly<Record<string, readonly string[]>> | undefined
}): string => {
  const { name, basis, cells, missing, alike } = study
  return `${JSON.stringify({ name, basis, missing, ...(alike && { alike }), cells })}\n`
}

const CURVE = 60

export function curveOf(losses: readonly number[]): [number, number][] {
  const count = Math.min(CURVE, losses.length)
  const at = (i: number) => (count === 1 ? 0 : Math.round((i * (losses.length - 1)) / (count - 1)))
  return Array.from({ length: count }, (_, i) => [at(i), round(losses[at(i)]!)])
}

const round = (value: number): number => Number(value.toPrecision(6))

interface Metrics {
  readonly tests: readonly TestScores[]
  readonly training?: TrainingSummary
  readonly seconds: { readonly total: number }
  readonly per_query: Readonly<
    Record<string, Readonly<Record<string, Readonly<Record<string, Record<string, number>>>>>>
  >
}

/** A run's folder as a cell. Fails where it did not end, or trained nothing. `axes`: as its recipe has them, unless they are given. */
export async function readCell(folder: string, hash = '', axes?: Axes, key?: string): Promise<CellResult> {
  const path = join(folder, 'metrics.json')
  if (!(await exists(path)))
    throw new Error(`${folder} is no run that ended: it has no metrics.json; go on with it by run --resume`)
  const { tests, training, seconds, per_query: perQuery } = (await readJson(path)) as Metrics
  if (!training) throw new Error(`${folder} trained nothing; a report compares trainings`)
  const recipe = await loadRecipe(join(folder, 'recipe.toml'))
  const measure = recipe.eval.measures[0]!
  const { loss, steps, parameters, peak_bytes, tokens, best_dev_score } = training
  return {
    ...{ key: key ?? recipe.name, axes: axes ?? axesOf(recipe), hash, measure },
    tests: tests.map(({ name, domain, queries, documents, corpus_sample, truncated_queries, fingerprint, after }) => {
      const own = perQuery.after![name]!
      return {
        ...{ name, domain, queries, documents, fingerprint, scores: after! },
        ...(corpus_sample !== undefined && { corpus_sample }),
        ...(truncated_queries !== undefined && { truncated_queries }),
        per_query: Object.keys(own)
          .sort()
          .map(id => round(own[id]![measure]!)),
      }
    }),
    ...{ learning_rate: recipe.train!.learning_rate, steps, parameters, peak_bytes, tokens },
    seconds: { training: training.seconds, total: seconds.total },
    losses: curveOf(loss),
    ...(best_dev_score !== undefined && { best_dev_score }),
    version,
  }
}

const lastName = (path: string): string => path.split(/[\\/]/).filter(Boolean).at(-1) ?? path

function axesOf({ model, data, train, seed }: Recipe): Axes {
  const sets = (data.train ?? []).map(set => (typeof set === 'string' ? set : set.path))
  return {
    model: model.path ? lastName(model.path) : 'random',
    set: sets.map(path => lastName(path.replace(/^builtin:/, ''))).join('+'),
    architecture: (model.architecture ?? 'folder') as Architecture | 'folder',
    method: train!.method,
    negatives: train!.negatives.source ?? (train!.negatives.hard > 0 ? 'own' : 'none'),
    batch: train!.batch_size,
    seed,
  }
}
