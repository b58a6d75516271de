// JSON Lines: one JSON object a line, `.gz` welcome. Every error names the file and the line.
import { readLineBlocks } from '../runtime/files.js'

export interface JsonLine {
  /** From 1. */
  readonly line: number
  readonly value: Record<string, unknown>
}

const longest = 80

/** A piece of input for an error message: quoted, cut to 80 characters. */
export const excerpt = (text: string): string =>
  JSON.stringify(text.length > longest ? `${text.slice(0, longest)}…` : text)

/** What a JSON value is, in a word or two, for an error message. */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`
  if (typeof value === 'object') return 'an object'
  return typeof value === 'string' ? `the string ${excerpt(value)}` : `the ${typeof value} ${value}`
}

export const hasKeys = (value: Record<string, unknown>): string =>
  Object.keys(value).length ? `the line has the keys ${Object.keys(value).join(', ')}` : 'the line is an empty object'

/**
 * The objects of a JSON Lines file in order; blank lines are skipped. Fails at the first line that is not a JSON
 * object. `onRead` as for `readLineBlocks`.
 */
export async function* readJsonLines(path: string, onRead?: (bytes: number) => void): AsyncGenerator<JsonLine> {
  let line = 0
  for await (const block of readLineBlocks(path, onRead)) {
    for (const text of block) {
      line++
      if (text.trim() === '') continue
      yield { line, value: parseObject(text, `${path}:${line}`) }
    }
  }
}

function parseObject(text: string, place: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Error(`${place}: expected a JSON object, found ${excerpt(text)} (${(error as Error).message})`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${place}: expected a JSON object, found ${describeValue(value)}`)
  return value as Record<string, unknown>
}
