// Recipes in files: TOML in, overrides from the command line on top, a completed record out; and back to TOML.
import { parse, stringify, TomlError } from 'smol-toml'
import { baseName, dirname, readText, relative, resolve } from '../runtime/files.js'
import { completeRecipe, mapPaths } from './complete.js'
import { type Change, type Table, withChanges, withTable } from './merge.js'
import { display, isTable, type Problem, recipeError, typeAt, unknownKeys } from './problems.js'
import { type Recipe, recipeSchema } from './schema.js'

/**
 * Reads, checks and completes a recipe. `overrides`: `key=value` with a dotted key and a TOML value, or a bare word for a string.
 * Relative paths start from the recipe's folder, those in an override from the working directory. An override takes the place of
 * a key in the file that excludes it: `train.steps=10` that of `epochs`. `quick`: with the keys of the file's [quick] on top, below
 * the overrides. Throws a RecipeError that names every mistake.
 */
export async function loadRecipe(
  path: string,
  overrides: readonly string[] = [],
  { quick = false }: { readonly quick?: boolean } = {},
): Promise<Recipe> {
  const { quick: changes, ...file } = parseRecipe(await readText(path), path)
  const wrong = quickProblems(changes, quick)
  if (wrong.length > 0) throw recipeError(path, wrong)
  const folder = dirname(resolve(path))
  const asked = quick ? withTable(file, changes as Table) : file
  return completeRecipe(
    applyOverrides(
      mapPaths(asked, value => resolve(folder, value)),
      overrides,
    ),
    {
      source: overrides.length > 0 ? `${path} with --set` : path,
      name: baseName(path).replace(/\.toml$/i, ''),
    },
  )
}

function quickProblems(changes: unknown, asked: boolean): Problem[] {
  if (changes === undefined)
    return asked
      ? [{ key: 'quick', message: 'missing; --quick needs the keys to change, such as [quick] train.steps' }]
      : []
  if (!isTable(changes)) return [{ key: 'quick', message: `expected a table of keys, found ${display(changes)}` }]
  return unknownKeys(recipeSchema, changes).map(({ key, message }) => ({ key: `quick.${key}`, message }))
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
export const applyOverrides = (recipe: Table, overrides: readonly string[]): Table =>
  withChanges(recipe, overrides.map(parseOverride))

function parseOverride(text: string): Change {
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
  const table = keys.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Table
  const unknown: Problem[] = unknownKeys(recipeSchema, table)
  if (unknown.length > 0) throw recipeError(source, unknown)
  return {
    keys,
    value: keys.reduce<unknown>(
      (inner, key) => (inner as Table)[key],
      mapPaths(table, path => resolve(path)),
    ),
  }
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
