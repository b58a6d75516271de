// What a recipe of a study holds beside a plain recipe's keys: [[grid]], [[settings]] and [study].
import * as v from 'valibot'
import { architectures } from '../recipe/architecture.js'
import { above, between, choice, fileName, flag, integer, list, text } from '../recipe/fields.js'
import type { Table } from '../recipe/merge.js'
import { negativeSources } from '../recipe/negatives.js'
import { type Problem, recipeError, unknownKeys, valueProblems } from '../recipe/problems.js'

const set = v.union(
  [text('a BEIR folder or a train.jsonl'), v.strictObject({ path: text('a path'), name: v.optional(fileName()) })],
  'a training set: a path, or { name, path }',
)
/** Of Lee et al. 2023, section 4. */
const PAPER_RATES = [1e-5, 2e-5, 5e-5, 1e-4, 2e-4]
const anyTable = v.record(v.string(), v.unknown())
const axisValue = v.union([v.string(), v.number()], 'a value of an axis')
const when = v.union([axisValue, v.array(axisValue)], 'a value of an axis, or a list of them')

/** All combinations of these; an axis that is not named has the base's value. */
const block = v.strictObject({
  /** Tables as [model] has them, with a name. */
  models: v.optional(list(v.looseObject({ name: v.optional(fileName()) }), 'a list of models')),
  sets: v.optional(list(set, 'a list of training sets')),
  architectures: v.optional(list(choice(architectures), 'a list of architectures')),
  methods: v.optional(list(choice(['full', 'lora']), 'a list of methods')),
  negatives: v.optional(list(choice(negativeSources), 'a list of kinds of negatives')),
  /** Multiples of the base's batch_size: B, 2B, 4B. */
  batches: v.optional(list(integer(1), 'a list of multiples such as [1, 2, 4]')),
  seeds: v.optional(list(integer(0), 'a list of seeds')),
})

export const studySchema = v.strictObject({
  grid: list(block, '[[grid]] blocks'),
  /** Keys of a recipe for the cells that `when` names; later ones stand above earlier ones. */
  settings: v.optional(
    v.array(
      v.strictObject({
        when: v.record(choice(['model', 'set', 'architecture', 'method', 'negatives', 'batch', 'seed']), when),
        ...{ model: v.optional(anyTable), train: v.optional(anyTable), lora: v.optional(anyTable) },
        ...{ data: v.optional(anyTable), eval: v.optional(anyTable) },
      }),
      'a list of { when, train, … }',
    ),
    [],
  ),
  study: v.optional(
    v.strictObject({
      /** What REL. DIFF (%) divides by. */
      basis: v.optional(choice(['old', 'new']), 'old'),
      /** Whether the models of cells are kept; else their figures and TREC runs alone. */
      keep_models: v.optional(flag(), false),
      /** A results.json of an earlier study, whose cells are not run again. */
      reuse: v.optional(text('a path')),
      /** Learning rates that are tried on a dev split before each cell; the best is trained with. "paper": Lee et al.'s five. */
      learning_rates: v.optional(
        v.union(
          [
            list(above(0), 'a list of rates'),
            v.pipe(
              v.literal('paper'),
              v.transform(() => PAPER_RATES),
            ),
          ],
          'a list of rates such as [2e-5, 2e-4], or "paper"',
        ),
      ),
      /** Of the training queries, held out for that search where there is no data.dev. */
      dev_share: v.optional(between(0.001, 0.9), 0.1),
    }),
    {},
  ),
})

export type StudyFile = v.InferOutput<typeof studySchema>
export type GridBlock = StudyFile['grid'][number]

/** The parts of a study's file. Throws a RecipeError that names every mistake of these keys. */
export function readStudy(file: Table, source: string): { readonly base: Table; readonly study: StudyFile } {
  const { grid, settings, study, ...base } = file
  const own = { grid, ...(settings !== undefined && { settings }), ...(study !== undefined && { study }) }
  const result = v.safeParse(studySchema, own)
  const wrong: Problem[] = [...unknownKeys(studySchema, own), ...valueProblems(studySchema, result.issues ?? [])]
  if (!result.success) throw recipeError(source, wrong)
  return { base, study: result.output }
}
