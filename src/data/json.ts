// JSON written by others: refused where it says one thing twice, and its fields read with a check each.
// JSON.parse keeps the last of two equal keys and says nothing, so that two readers can see two different files.

export type JsonObject = Record<string, unknown>

const maxDepth = 128

const [QUOTE, BACKSLASH, COLON] = [0x22, 0x5c, 0x3a]
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d]

/** The index of the quote that closes the string opened at `start`, or the text's length. */
function stringEnd(text: string, start: number): number {
  let at = start + 1
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) return at
    if (code === BACKSLASH) at++
  }
  return text.length
}

/** How many keys all objects have together, repeated ones counted again; undefined where brackets stand too deep. */
function countKeys(text: string): number | undefined {
  let [keys, depth] = [0, 0]
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = stringEnd(text, at)
    else if (code === COLON) keys++
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      if (++depth > maxDepth) return undefined
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--
  }
  return keys
}

/** The same of what was parsed, where of repeated keys the last is left. */
function keysOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  let keys = 0
  if (Array.isArray(value)) for (const item of value) keys += keysOf(item)
  else {
    const object = value as JsonObject
    const names = Object.keys(object)
    keys = names.length
    for (const name of names) keys += keysOf(object[name])
  }
  return keys
}

/** The first key that occurs twice in one object, as a text that is JSON says it. */
function repeatedKey(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = [] // the keys of each open object, undefined for an open array
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === OPEN_BRACE || code === OPEN_BRACKET) open.push(code === OPEN_BRACE ? new Set() : undefined)
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) open.pop()
    else if (code === QUOTE) {
      const end = stringEnd(text, at)
      const keys = open.at(-1)
      if (keys && isKey(text, end)) {
        // Compared by what the key says: "a" and "\u0061" are one key.
        const key = unescaped(text.slice(at, end + 1))
        if (keys.has(key)) return key
        keys.add(key)
      }
      at = end
    }
  }
  return undefined
}

/** Whether a colon follows the string that is closed at `end`. */
function isKey(text: string, end: number): boolean {
  for (let at = end + 1; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code !== 0x20 && code !== 0x09 && code !== 0x0a && code !== 0x0d) return code === COLON
  }
  return false
}

function unescaped(literal: string): string {
  try {
    return JSON.parse(literal) as string
  } catch {
    return literal
  }
}

/**
 * Parses JSON and refuses keys that occur twice in one object, which are seen by the number of all keys; `where` opens the error. Nothing
 * that remembers what it looked at, as a regular expression does: texts are large.
 */
export function parseStrictJson(text: string, where: string): unknown {
  const refuse = (mistake: string) => new Error(`${where} is not acceptable JSON: ${mistake}`)
  const keys = countKeys(text)
  if (keys === undefined) throw refuse(`it is nested deeper than ${maxDepth} levels`)
  const value = parsed(text, where)
  if (keysOf(value) === keys) return value
  const repeated = repeatedKey(text)
  throw refuse(`the key ${JSON.stringify(repeated)} occurs twice in one object`)
}

function parsed(text: string, where: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`${where} is not valid JSON: ${(error as Error).message}`)
  }
}

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export function asObject(value: unknown, where: string): JsonObject {
  if (!isObject(value)) throw new Error(`${where} holds ${describe(value)}, expected a JSON object`)
  return value
}

/** A value as an error shows it: short, on one line. */
export function describe(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

/** A value as a file of JSON. */
export const jsonText = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

/** Under this key an object keeps the names of its numbers that were written as 2.0 and not as 2; copies by spreading keep it too. */
const FLOATS = Symbol('floats')

/** Marks what `text` says of an object, so that `jsonTextWithFloats` writes it again: Python tells 2.0 from 2, and some readers insist on it. */
export function markFloats(object: JsonObject, text: string): JsonObject {
  const names = Array.from(
    text.matchAll(/"([^"\\]+)"\s*:\s*-?\d+(?:\.0+|\.?\d*[eE][+-]?\d+)\s*[,}\]]/g),
    ([, name]) => name!,
  )
  return Object.assign(object, { [FLOATS]: new Set(names) })
}

/** As `jsonText`, whole numbers of marked names with `.0`. */
export function jsonTextWithFloats(object: JsonObject): string {
  const names = (object as { [FLOATS]?: ReadonlySet<string> })[FLOATS] ?? new Set()
  return jsonText(object).replace(/^( *"([^"\\]+)": -?\d+)(?=,?$)/gm, (line, number, name) =>
    names.has(name) ? `${number}.0` : line,
  )
}

/** Checked reading of one object. Problems are collected; `finish` throws one error that names them all. */
export interface Fields {
  /** An integer ≥ 1. */
  count(key: string, fallback?: number): number
  /** A finite number in [from, below). */
  number(key: string, from: number, below: number, fallback?: number): number
  /** An integer in [from, below). */
  integer(key: string, from: number, below: number, fallback?: number): number
  flag(key: string, fallback: boolean): boolean
  text(key: string, fallback?: string): string
  problem(message: string): void
  finish(): void
}

/** null counts as absent, an absent field without a fallback as missing. */
export function readFields(raw: JsonObject, where: string): Fields {
  const problems: string[] = []
  const read = <T>(
    key: string,
    fallback: T | undefined,
    zero: T,
    expected: string,
    good: (value: unknown) => boolean,
  ): T => {
    const value = Object.hasOwn(raw, key) ? (raw[key] ?? undefined) : undefined
    if (value === undefined) {
      if (fallback === undefined) problems.push(`${key} is missing, expected ${expected}`)
      return fallback ?? zero
    }
    if (good(value)) return value as T
    problems.push(`${key} is ${describe(value)}, expected ${expected}`)
    return zero
  }
  const range = (from: number, below: number) =>
    below === Number.POSITIVE_INFINITY ? `>= ${from}` : `in [${from}, ${below})`
  const within = (value: unknown, from: number, below: number) =>
    typeof value === 'number' && Number.isFinite(value) && value >= from && value < below
  const integer: Fields['integer'] = (key, from, below, fallback) =>
    read(
      key,
      fallback,
      from,
      `an integer ${range(from, below)}`,
      value => Number.isSafeInteger(value) && within(value, from, below),
    )
  return {
    count: (key, fallback) => integer(key, 1, Number.POSITIVE_INFINITY, fallback),
    integer,
    number: (key, from, below, fallback) =>
      read(key, fallback, from, `a number ${range(from, below)}`, value => within(value, from, below)),
    flag: (key, fallback) => read(key, fallback, fallback, 'true or false', value => typeof value === 'boolean'),
    text: (key, fallback) => read(key, fallback, '', 'a string', value => typeof value === 'string'),
    problem: message => void problems.push(message),
    finish() {
      if (problems.length > 0) throw new Error(`${where}: ${[...new Set(problems)].join('; ')}`)
    },
  }
}
