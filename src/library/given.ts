// What callers of the library give, checked before anything is done with it: where there is no compiler, a mistyped option would be left out in
// silence, and a wrong value be named by whatever trips over it.
import { wrong } from '../data/given.js'

/** What is expected, and whether a value is that. */
export type Check = readonly [expected: string, holds: (value: unknown) => boolean]

/** A check for each key that there is. */
export type Checks<T> = { readonly [K in keyof Required<T>]: Check }

export const aText: Check = ['a string', value => typeof value === 'string']
export const aFunction: Check = ['a function', value => typeof value === 'function']
export const aSignal: Check = [
  'an AbortSignal',
  value => typeof (value as AbortSignal | null)?.throwIfAborted === 'function',
]
/** What a value is, also one of another realm, such as a frame's or a test runner's. */
export const tagOf = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1)

export const floats: Check = ['a Float32Array', value => tagOf(value) === 'Float32Array']

export const whole = (least: number, most = Number.POSITIVE_INFINITY): Check => [
  `a whole number ${most < Number.POSITIVE_INFINITY ? `from ${least} to ${most}` : `of ${least} or more`}`,
  value => Number.isInteger(value) && (value as number) >= least && (value as number) <= most,
]

export const oneOf = (...names: readonly string[]): Check => [
  `one of ${names.map(name => `"${name}"`).join(', ')}`,
  value => names.includes(value as string),
]

/** The same, or an object that has the function `member`. */
export const orWith = ([expected, holds]: Check, what: string, member: string): Check => [
  `${expected} or ${what}`,
  value => holds(value) || typeof (value as Record<string, unknown> | null)?.[member] === 'function',
]

/** Fails where `value` is not what `check` expects. */
export function checkValue(what: string, value: unknown, [expected, holds]: Check, fix?: string): void {
  if (!holds(value)) throw wrong(what, expected, value, fix)
}

/** Fails where `given` is no object, has a key that there is not, or a value that is not expected; undefined is as if it were left out. */
export function checkOptions<T>(what: string, given: T, checks: Checks<T>): void {
  const names = Object.keys(checks)
  if (typeof given !== 'object' || !given) throw wrong(what, `an object with ${names.join(', ')}`, given)
  for (const [name, value] of Object.entries(given)) {
    const check = (checks as Record<string, Check | undefined>)[name]
    if (!check) throw new Error(`${what}: unknown key "${name}"; expected some of ${names.join(', ')}`)
    if (value !== undefined) checkValue(`${what}, ${name}`, value, check)
  }
}

/** Fails where `given` is nothing that `loadEncoder` gives. */
export function checkEncoder(what: string, given: unknown): void {
  const encodes = typeof (given as { encode?: unknown } | null)?.encode === 'function' && 'parts' in (given as object)
  if (!encodes) throw wrong(what, 'an encoder as its first argument', given, 'loadEncoder() gives one, behind await')
}
