// JSON written by others: refused where it says one thing twice, and its fields read with a check each.
// JSON.parse keeps the last of two equal keys and says nothing, so that two readers can see two different files.

export type JsonObject = Record<string, unknown>

const maxDepth = 128

/** The index of the quote that closes the string opened at `start`, or the text's length. */
function stringEnd(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at
}

const keySeparator = /[ \t\n\r]*:/y

/** What JSON.parse would hide or choke on: a key that occurs twice in one object, or absurd nesting. Other mistakes are left to it. */
function hiddenMistake(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = [] // the keys of each open object, undefined for an open array
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '{' || character === '[') {
      open.push(character === '{' ? new Set() : undefined)
      if (open.length > maxDepth) return `it is nested deeper than ${maxDepth} levels`
    } else if (character === '}' || character === ']') open.pop()
    else if (character === '"') {
      const end = stringEnd(text, at)
      const keys = open.at(-1)
      keySeparator.lastIndex = end + 1
      if (keys && keySeparator.test(text)) {
        // Compared by what the key says: "a" and "\u0061" are one key.
        const key = text.slice(at + 1, end).includes('\\')
          ? unescaped(text.slice(at, end + 1))
          : text.slice(at + 1, end)
        if (keys.has(key)) return `the key ${JSON.stringify(key)} occurs twice in one object`
        keys.add(key)
      }
      at = end
    }
  }
  return undefined
}

function unescaped(literal: string): string {
  try {
    return JSON.parse(literal) as string
  } catch {
    return literal
  }
}

/** Parses JSON and refuses duplicate keys; `where` opens the error. */
export function parseStrictJson(text: string, where: string): unknown {
  const mistake = hiddenMistake(text)
  if (mistake) throw new Error(`${where} is not acceptable JSON: ${mistake}`)
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
