// Recipes in files: TOML in, overrides from the command line on top, a completed record out; and back to TOML.
import { parse, stringify, TomlError } from 'smol-toml'
import { baseName, dirname, readText, relative, resolve } from '../runtime/files.js'
import { completeRecipe, mapPaths } from './complete.js'
import { type Problem, recipeError, typeAt, unknownKeys } from './problems.js'
import { type Recipe, recipeSchema } from './schema.js'

type Table = Record<string, unknown>

/**
 * Reads, checks and completes a recipe. `overrides`: `key=value` with a dotted key and a TOML value, or a bare word for a string.
 * Relative paths start from the recipe's folder, those in an override from the working directory. An override takes the place of
 * a key in the file that excludes it: `train.steps=10` that of `epochs`. Throws a RecipeError that names every mistake.
 */
export async function loadRecipe(path: string, overrides: readonly string[] = []): Promise<Recipe> {
  const file = parseRecipe(await readText(path), path)
  const folder = dirname(resolve(path))
  return completeRecipe(
    applyOverrides(
      mapPaths(file, value => resolve(folder, value)),
      overrides,
    ),
    {
      source: overrides.length > 0 ? `${path} with --set` : path,
      name: baseName(path).replace(/\.toml$/i, ''),
    },
  )
}

/**
 * A completed recipe as TOML that `loadRecipe` reads back to the same record. With `folder`, the folder it is written to, paths
 * are relative to that, so that a checkout and its runs can be moved.
 */
export function recipeToToml(recipe: Recipe, folder?: string): string {
  const written = folder === undefined ? recipe : mapPaths(recipe, path => portable(relative(resolve(folder), path)))
  return stringify(written)
}

// The folder itself is the empty path; Windows' separators read everywhere when they are slashes.
const portable = (path: string) => (path === '' ? '.' : path.replaceAll('\\', '/'))

function parseRecipe(text: string, source: string): Table {
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const [reason, ...excerpt] = error.message.replace(/^Invalid TOML document: /, '').split('\n')
    const place = `line ${error.line}, column ${error.column}`
    throw recipeError(source, [
      { key: '', message: `not valid TOML at ${place}: ${reason}${excerpt.join('\n').trimEnd()}` },
    ])
  }
}

/** A copy of a recipe given as data with `key=value` overrides on top; paths in them become absolute. */
export function applyOverrides(recipe: Table, overrides: readonly string[]): Table {
  const changes = overrides.map(parseOverride)
  let result = recipe
  for (const { keys } of changes) for (const key of excludedBy(keys)) result = without(result, key.split('.'))
  for (const { keys, value } of changes) {
    const change = mapPaths(keys.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Table, path =>
      resolve(path),
    )
    result = merge(result, change, keys)
  }
  return result
}

/** What an override replaces although it has another name. */
const EXCLUDES: Readonly<Record<string, readonly string[]>> = {
  'train.epochs': ['train.steps'],
  'train.steps': ['train.epochs'],
  'train.warmup_steps': ['train.warmup_ratio'],
  'train.warmup_ratio': ['train.warmup_steps'],
  'model.path': ['model.random', 'model.tokenizer'],
  'model.random': ['model.path'],
  'data.train': ['data.builtin'],
  'data.builtin': ['data.train'],
}

const excludedBy = (keys: readonly string[]) => keys.flatMap((_, i) => EXCLUDES[keys.slice(0, i + 1).join('.')] ?? [])

interface Override {
  readonly keys: readonly string[]
  readonly value: unknown
}

function parseOverride(text: string): Override {
  const source = `--set ${text}`
  const fail = (message: string) => recipeError(source, [{ key: '', message }])
  const [, name = '', written = ''] = /^\s*([\w-]+(?:\.[\w-]+)*)\s*=([\s\S]*)$/.exec(text) ?? []
  if (name === '') throw fail('expected key=value, such as train.batch_size=32')
  const keys = name.split('.')
  const value = parseValue(written.trim(), typeAt(recipeSchema, keys) === 'string')
  if (value === undefined)
    throw fail('not a TOML value; a list is [1, 2], a table { a = 1 }, a text with signs in it "…"')
  const listed = keys.findIndex((_, i) => typeAt(recipeSchema, keys.slice(0, i)) === 'array')
  if (listed > 0) {
    const list = keys.slice(0, listed).join('.')
    throw fail(`${list} is a list, which is set as a whole: ${list}=[{ path = "…" }]`)
  }
  const unknown: Problem[] = unknownKeys(
    recipeSchema,
    keys.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value),
  )
  if (unknown.length > 0) throw recipeError(source, unknown)
  return { keys, value }
}

/** A TOML value; what is none is a bare word, unless it begins like one. Where a string belongs, a number or a date is its text. */
function parseValue(written: string, isText: boolean): unknown {
  const bare = !/^["'[{]/.test(written)
  if (bare && isText) return written
  try {
    const table = parse(`value = ${written}`)
    if (Object.keys(table).length === 1) return table.value
  } catch {
    // A bare word, or refused by the caller.
  }
  return bare ? written : undefined
}

function without(table: Table, [key = '', ...rest]: readonly string[]): Table {
  if (!Object.hasOwn(table, key)) return table
  const { [key]: value, ...others } = table
  return rest.length === 0 || typeof value !== 'object' ? others : { ...table, [key]: without(value as Table, rest) }
}

function merge(table: Table, change: Table, [key = '', ...rest]: readonly string[]): Table {
  const below = table[key]
  const isTable = typeof below === 'object' && below !== null && !Array.isArray(below)
  if (rest.length === 0) return { ...table, [key]: change[key] }
  return { ...table, [key]: merge(isTable ? (below as Table) : {}, change[key] as Table, rest) }
}
