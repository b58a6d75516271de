// One recipe's keys laid over another's: overrides of the command line, [quick], variants.
import { isTable } from './problems.js'

export type Table = Record<string, unknown>

/** What a key replaces although it has another name. */
const EXCLUDES: Readonly<Record<string, readonly string[]>> = {
  'train.epochs': ['train.steps'],
  'train.steps': ['train.epochs'],
  'train.warmup_steps': ['train.warmup_ratio'],
  'train.warmup_ratio': ['train.warmup_steps'],
  'model.path': ['model.random', 'model.tokenizer'],
  'model.random': ['model.path'],
}

const excludedBy = (keys: readonly string[]) => keys.flatMap((_, i) => EXCLUDES[keys.slice(0, i + 1).join('.')] ?? [])

/** A value and where it goes. */
export interface Change {
  readonly keys: readonly string[]
  readonly value: unknown
}

/** A copy of `table` with each value in its place; what a changed key excludes is taken out. */
export function withChanges(table: Table, changes: readonly Change[]): Table {
  const excluded = changes.flatMap(({ keys }) => excludedBy(keys))
  const cleared = excluded.reduce((result, key) => without(result, key.split('.')), table)
  return changes.reduce((result, { keys, value }) => put(result, keys, value), cleared)
}

/** A copy of `table` with every key of `changes`; tables are merged (an empty one changes nothing), all else, lists too, replaced. */
export const withTable = (table: Table, changes: Table): Table => withChanges(table, leavesOf(changes))

const leavesOf = (table: Table, path: readonly string[] = []): Change[] =>
  Object.entries(table).flatMap(([key, value]) => {
    const keys = [...path, key]
    return isTable(value) ? leavesOf(value, keys) : [{ keys, value }]
  })

function without(table: Table, [key = '', ...rest]: readonly string[]): Table {
  if (!Object.hasOwn(table, key)) return table
  const { [key]: value, ...others } = table
  return rest.length === 0 || typeof value !== 'object' ? others : { ...table, [key]: without(value as Table, rest) }
}

function put(table: Table, [key = '', ...rest]: readonly string[], value: unknown): Table {
  if (rest.length === 0) return { ...table, [key]: value }
  const below = table[key]
  return { ...table, [key]: put(isTable(below) ? below : {}, rest, value) }
}
