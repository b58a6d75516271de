// What is wrong with a recipe, said so that it can be mended: the key, what was found, what was expected, and the nearest right key.
import type * as v from 'valibot'
import { nearest } from '../data/nearest.js'

/** One mistake: a dotted key (empty for the file as a whole) and a sentence about it. */
export interface Problem {
  readonly key: string
  readonly message: string
}

export const problem = (key: string, message: string): Problem => ({ key, message })

/** A recipe or an override that cannot be used: exit code 2. Its message has a line for each problem. */
export interface RecipeError extends Error {
  readonly name: 'RecipeError'
  readonly problems: readonly Problem[]
}

/** `source`: the file or the override that holds the mistakes. */
export function recipeError(source: string, problems: readonly Problem[]): RecipeError {
  const lines = problems.map(({ key, message }) => [source, key, message].filter(Boolean).join(': '))
  return Object.assign(new Error(lines.join('\n')), { name: 'RecipeError' as const, problems })
}

export const isRecipeError = (error: unknown): error is RecipeError =>
  error instanceof Error && error.name === 'RecipeError' && 'problems' in error

// The parts of a valibot schema that say which keys there are.
interface SchemaShape {
  readonly type: string
  readonly message?: unknown
  readonly wrapped?: SchemaShape
  readonly item?: SchemaShape
  readonly entries?: Readonly<Record<string, SchemaShape>>
  readonly options?: readonly unknown[]
}

const shape = (schema: unknown): SchemaShape => {
  const { wrapped } = schema as SchemaShape
  return wrapped ? shape(wrapped) : (schema as SchemaShape)
}

/** The type of the value at a path (`string`, `strict_object`, `array`, …), or undefined where there is no such key. */
export function typeAt(schema: unknown, path: readonly string[]): string | undefined {
  return shapeAt(shape(schema), path)?.type
}

function shapeAt(at: SchemaShape, path: readonly (string | number)[]): SchemaShape | undefined {
  const [key, ...rest] = path
  if (key === undefined) return at
  const below = typeof key === 'number' ? at.item : Object.entries(at.entries ?? {}).find(([name]) => name === key)?.[1]
  return below && shapeAt(shape(below), rest)
}

/** Every dotted key, those inside lists included. */
function dottedKeys(at: SchemaShape, prefix = ''): string[] {
  return Object.entries(at.entries ?? {}).flatMap(([name, below]) => {
    const inner = shape(below)
    return [prefix + name, ...dottedKeys(inner.item ? shape(inner.item) : inner, `${prefix}${name}.`)]
  })
}

export const isTable = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)

/** A value as a recipe would write it, cut to a readable length. */
export function display(value: unknown): string {
  if (value === undefined) return 'nothing'
  const text = value instanceof Date ? `the date ${value.toISOString()}` : (JSON.stringify(value) ?? String(value))
  // JSON has no words for these numbers.
  if (typeof value === 'number') return String(value).replace('Infinity', 'inf').replace('NaN', 'nan')
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}

/** The keys that the schema does not have, wherever they are. */
export function unknownKeys(schema: unknown, input: unknown): Problem[] {
  const root = shape(schema)
  const visit = (at: SchemaShape, value: unknown, path: string): Problem[] => {
    if (at.item && Array.isArray(value)) return value.flatMap((item, i) => visit(shape(at.item), item, `${path}.${i}`))
    if (!at.entries || !isTable(value)) return []
    return Object.entries(value).flatMap(([name, below]) => {
      const key = path ? `${path}.${name}` : name
      const known = shapeAt(at, [name])
      return known ? visit(known, below, key) : [unknownKey(root, at, path, name, below)]
    })
  }
  return visit(root, input, '')
}

function unknownKey(root: SchemaShape, at: SchemaShape, path: string, name: string, value: unknown): Problem {
  const inPath = (key: string) => (path ? `${path}.${key}` : key)
  const all = dottedKeys(root).filter(key => key.split('.').at(-1) === name.toLowerCase())
  // A variant repeats the keys of the recipe.
  const elsewhere = all.filter(key => !all.some(other => key !== other && key.endsWith(`.${other}`)))
  const here = nearest(name, Object.keys(at.entries ?? {}))
  const meant = elsewhere.length > 0 ? elsewhere.join(' or ') : here && inPath(here)
  const expected = `expected one of ${Object.keys(at.entries ?? {}).join(', ')}`
  return {
    key: inPath(name),
    message: `unknown key (found ${display(value)}); ${meant ? `did you mean ${meant}?` : expected}`,
  }
}

/** What valibot found, apart from unknown keys, in the words of a recipe. */
export function valueProblems(schema: unknown, issues: readonly v.BaseIssue<unknown>[]): Problem[] {
  const problems = issues
    .filter(issue => !(issue.type === 'strict_object' && issue.expected === 'never'))
    .map(issue => {
      const path = (issue.path ?? []).map(item => item.key as string | number)
      const key = path.join('.')
      if (issue.type === 'check') return { key, message: issue.message }
      return { key, message: valueProblem(issue, shapeAt(shape(schema), path)) }
    })
  // A pipe reports each of its checks that fails; one sentence a key is enough.
  return [...new Map(problems.map(problem => [problem.key, problem])).values()]
}

function valueProblem(issue: v.BaseIssue<unknown>, at: SchemaShape | undefined): string {
  const expected = at?.entries
    ? `a table with ${Object.keys(at.entries).join(', ')}`
    : typeof at?.message === 'string'
      ? at.message
      : issue.message
  const missing = issue.type === 'strict_object' && issue.received === 'undefined'
  if (missing) return `missing; expected ${expected}`
  const found = issue.input
  const words = at?.options?.filter(option => typeof option === 'string')
  const meant = typeof found === 'string' && words ? nearest(found, words) : undefined
  return `expected ${expected}, found ${display(found)}${meant ? `; did you mean ${JSON.stringify(meant)}?` : ''}`
}
