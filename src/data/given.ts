// What a caller gives in place of texts, where no compiler has looked.
import { describeValue } from './jsonl.js'

const described = (value: unknown): string =>
  typeof value === 'function'
    ? 'a function'
    : typeof value === 'object' && value
      ? objectName(value)
      : describeValue(value)

const objectName = (value: object): string =>
  Array.isArray(value) || !value.constructor || value.constructor === Object
    ? describeValue(value)
    : `an object of ${value.constructor.name}`

/** The error that a value is not what is expected of it. */
export const wrong = (what: string, expected: string, value: unknown, fix = ''): Error =>
  new Error(`${what}: expected ${expected}, found ${described(value)}${fix && `; ${fix}`}`)

/** Fails where `given` is no list, or one of it no string. */
export function checkTexts(what: string, given: unknown): asserts given is readonly string[] {
  if (!Array.isArray(given))
    throw wrong(what, 'a list of strings', given, typeof given === 'string' ? 'put it into brackets' : '')
  const at = given.findIndex(each => typeof each !== 'string')
  if (at >= 0) throw wrong(`${what}[${at}]`, 'a string', given[at])
}
