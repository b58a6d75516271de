// A run as the report shows it: systems compared over groups of tests, with intervals, paired tests and examples.
import { bootstrapInterval, pairedRandomisation, stratifiedInterval } from '../evaluate/significance.js'
import { recipeToToml } from '../recipe/load.js'
import type { Recipe, TrainSettings } from '../recipe/schema.js'
import { baseName } from '../runtime/files.js'
import { version } from '../version.js'
import { EXAMPLE_CHOICE, examplesOf } from './examples.js'
import type { Outcome, System } from './record.js'
import type { WeightsRecord } from './report/chart-weights.js'
import type { ComparisonRecord, Curve, Group, System as ReportSystem, Score } from './report/record.js'
import type { TdroOutcome } from './tdro/stage.js'
import type { Test } from './tests.js'

/** Every system's means over every group of tests, for the measures that are shown. */
export function groupScores(recipe: Recipe, tests: readonly Test[], systems: readonly System[]): Score[] {
  const measures = shownMeasures(recipe.eval.measures)
  return groupsOf(tests).flatMap(group => systems.flatMap((_, i) => scoresOf(group, systems, i, tests, measures)))
}

/** `groups`: of groupScores. Paths in the recipe are relative to `folder`. */
export function comparisonRecord(
  recipe: Recipe,
  folder: string,
  outcome: Outcome,
  groups: readonly Score[],
  command: string,
): ComparisonRecord {
  const { backend, reason, machine, started, seconds, source, tests, systems, outcomes, tdro, warnings } = outcome
  const { config } = source.weights
  const measures = shownMeasures(recipe.eval.measures)
  const label = (key: string) => systems.find(system => system.key === key)?.label ?? key
  return {
    name: recipe.name,
    ...(recipe.question && { question: recipe.question }),
    notes: notesOf(recipe),
    command,
    version,
    started: started.toISOString(),
    seconds: { total: seconds },
    machine: { backend: backend.kind, device: reason, ...machine },
    model: {
      name: recipe.model.random ? 'BERT from a random start' : baseName(source.name),
      layers: config.layers,
      hidden: config.hidden,
      heads: config.heads,
      vocabulary: config.vocabulary,
      'tokens of a text at most': recipe.model.max_length,
    },
    recipe: recipeToToml(recipe, folder),
    systems: systems.map(system => describe(system, outcome)),
    tests: outcome.scores.map(({ name, split, domain, queries, documents }) => ({
      ...{ name, split, domain, queries, documents },
    })),
    measures,
    groups: groupsOf(tests),
    scores: groups.map(({ system, against, ...score }) => ({
      ...{ ...score, system: label(system) },
      ...(against && { against: against.map(each => ({ ...each, system: label(each.system) })) }),
    })),
    tables: systems.flatMap(system =>
      system.results.flatMap(({ scores }, t) =>
        recipe.eval.measures.map(measure => ({
          ...{ system: system.label, test: tests[t]!.name, measure, mean: scores[measure]! },
        })),
      ),
    ),
    ...(tdro && { weights: weightsRecord(recipe, tdro) }),
    curves: [...(tdro?.reference ? [tdro.reference] : []), ...(tdro ? [tdro.proxy] : []), ...outcomes].map(
      ({ training, steps }): Curve => {
        const metric = training.recipe.train!.early_stopping?.metric ?? 'ndcg_at_10'
        return {
          system: training.label,
          steps: steps.map(({ step, loss, learning_rate, gradient_norm, dev_score }) => ({
            ...{ step, loss, learningRate: learning_rate, gradientNorm: gradient_norm },
            ...(dev_score !== undefined && { devScore: dev_score }),
          })),
          ...(steps.some(({ dev_score }) => dev_score !== undefined) && { devMeasure: metric }),
        }
      },
    ),
    examples: examplesOf(tests, systems, measures[0]!),
    exampleChoice: EXAMPLE_CHOICE,
    warnings,
  }
}

function weightsRecord(
  { tdro: settings }: Recipe,
  { weights, records, padding, proxy, cards }: TdroOutcome,
): WeightsRecord {
  const { batch_size, micro_batch, temperature, mode, update, weights: kept } = settings!
  return {
    ...{ mode, kept, sets: weights.domains, alpha: weights.alpha, steps: records },
    pairs: cards.map(card => card.pairs),
    tokens: cards.map(card => card.tokens),
    facts: [
      `mode ${mode}, update ${update}`,
      `${proxy.steps.length} steps of ${batch_size} pairs, ${micro_batch} compared at once, temperature ${temperature}`,
      `${(100 * padding.rate).toFixed(1)} % of padded batches would be padding`,
    ],
  }
}

const SHOWN = ['ndcg_at_10', 'mrr_at_10', 'recall_at_100']

/** The usual three as far as they were computed; else the first three. */
function shownMeasures(computed: readonly string[]): readonly string[] {
  const usual = SHOWN.filter(name => computed.includes(name))
  return usual[0] === SHOWN[0] ? usual : computed.slice(0, 3)
}

function notesOf({ model, data }: Recipe): string[] {
  if (!model.random) return []
  const words = model.tokenizer ? '' : 'its vocabulary was made from the texts, '
  const sets = (data.train ?? []).length > 1 ? 'these training sets' : 'this training set'
  return [`The encoder starts from random numbers: ${words}all else that it knows it learns from ${sets}.`]
}

/** By the groups that the recipe names; else in domain and out of domain where there are both, else all together. */
function groupsOf(tests: readonly Test[]): Group[] {
  const group = (name: string, title: string, members: readonly Test[]): Group => ({
    name,
    title,
    tests: members.map(test => test.name),
    queries: members.reduce((sum, { tokenized }) => sum + tokenized.collection.queries.ids.length, 0),
  })
  if (tests.length === 0) return []
  const named = [...new Set(tests.map(test => test.group ?? 'others'))]
  if (tests.some(test => test.group !== undefined))
    return named.map(name =>
      group(
        name,
        name,
        tests.filter(test => (test.group ?? 'others') === name),
      ),
    )
  const [inside, outside] = [
    tests.filter(({ domain }) => domain === 'in'),
    tests.filter(({ domain }) => domain === 'out'),
  ]
  if (inside.length > 0 && outside.length > 0)
    return [group('in', 'in domain', inside), group('out', 'out of domain', outside)]
  return [group('all', tests.length === 1 ? tests[0]!.name : 'all tests', tests)]
}

/** A system's measures over a group: the mean over its tests, resampled within each, and against every system before it. */
function scoresOf(
  group: Group,
  systems: readonly System[],
  index: number,
  tests: readonly Test[],
  measures: readonly string[],
): Score[] {
  const members = tests.flatMap((test, i) => (group.tests.includes(test.name) ? [i] : []))
  return measures.map(measure => {
    const values = (system: System) => members.map(i => queryValues(tests[i]!, system, i, measure))
    const strata = values(systems[index]!)
    // Weighted so that the mean over all queries is the mean over the tests.
    const total = strata.reduce((sum, each) => sum + each.length, 0)
    const weighted = (all: readonly (readonly number[])[]) =>
      all.flatMap(each => each.map(value => (value * total) / (each.length * all.length)))
    const interval = strata.length === 1 ? bootstrapInterval(strata[0]!) : stratifiedInterval(strata)
    const earlier = total < 2 ? [] : systems.slice(0, index)
    return {
      ...{ system: systems[index]!.key, group: group.name, measure, ...interval },
      ...(earlier.length > 0 && {
        against: earlier.map(other => ({
          system: other.key,
          ...pairedRandomisation(weighted(strata), weighted(values(other))),
        })),
      }),
    }
  })
}

const queryValues = ({ tokenized }: Test, { results }: System, test: number, measure: string): number[] => {
  const { perQuery } = results[test]!
  return tokenized.collection.queries.ids.flatMap(id => (perQuery[id] ? [perQuery[id][measure]!] : []))
}

const batchPhrase = ({ batches, tokens_per_batch, batch_size }: TrainSettings): string =>
  batches === 'by_length' ? `at most ${tokens_per_batch} tokens` : `${batch_size} pairs`

function describe({ key, label, kind }: System, { outcomes }: Outcome): ReportSystem {
  const outcome = outcomes.find(({ training }) => training.key === key)
  if (!outcome) {
    const description = kind === 'baseline' ? 'words counted, nothing learned' : 'the model as it was'
    return { name: label, kind, description }
  }
  const { summary, training } = outcome
  const { train, lora } = training.recipe
  const method = lora ? `LoRA of rank ${lora.rank} on ${lora.targets.join(', ')}` : 'all weights trained'
  return {
    name: label,
    kind,
    description: `${method}, ${summary.steps} steps of ${batchPhrase(train!)}`,
    parameters: summary.parameters,
    seconds: summary.seconds,
    tokensPerSecond: summary.tokens_per_second,
    peakBytes: summary.peak_bytes,
  }
}
