// What the parts of tokenizer files must look like. The forms and names are those of valibot, which recipes are checked by; here are the few that
// tokenizers take, in a third of its bytes: every page fetches them.
import { describeValue } from '../data/jsonl.js'

export interface Schema<T> {
  /** The value with its defaults filled in. Throws where it is not as expected, naming `source`, `key` and what was found. */
  read(value: unknown, source: string, key: string): T
  /** A key of an object that may be left out. */
  readonly optional?: true
}

export type Output<S> = S extends Schema<infer T> ? T : never
type Entries = Readonly<Record<string, Schema<unknown>>>
type LeftOut<E extends Entries> = { [K in keyof E]: undefined extends Output<E[K]> ? K : never }[keyof E]
type OutputOf<E extends Entries> = { readonly [K in Exclude<keyof E, LeftOut<E>>]: Output<E[K]> } & {
  readonly [K in LeftOut<E>]?: Output<E[K]>
}
type LooseOutput<E extends Entries> = OutputOf<E> & { readonly [key: string]: unknown }

/** An object's schema, whose keys are known. */
export interface ObjectSchema<T> extends Schema<T> {
  readonly entries: Entries
}

/** `expected` begins with that word where it is a whole phrase. */
export const unfit = (source: string, key: string, expected: string, value: unknown): Error =>
  new Error(
    `${source}: ${key && `${key}: `}expected ${expected.replace(/^expected /, '')}, found ${describeValue(value)}`,
  )

export const custom = <T>(holds: (value: unknown) => boolean, expected: string): Schema<T> => ({
  read(value, source, key) {
    if (!holds(value)) throw unfit(source, key, expected, value)
    return value as T
  },
})

export const unknown = (): Schema<unknown> => ({ read: value => value })
export const string = () => custom<string>(value => typeof value === 'string', 'a string')
export const boolean = () => custom<boolean>(value => typeof value === 'boolean', 'true or false')
export const number = () => custom<number>(value => typeof value === 'number' && !Number.isNaN(value), 'a number')
export const picklist = <const T extends string>(names: readonly T[]) =>
  custom<T>(value => names.includes(value as T), `one of ${names.join(', ')}`)

export const integer = () => custom<number>(Number.isInteger, 'a whole number')
export const minValue = (least: number) => custom<number>(value => (value as number) >= least, `${least} or more`)
export const maxValue = (most: number) => custom<number>(value => (value as number) <= most, `${most} or less`)
export const nonEmpty = () => custom<string>(value => value !== '', 'some text')

/** A value that all of them hold of. */
export const pipe = <T>(first: Schema<T>, ...others: readonly Schema<T>[]): Schema<T> => ({
  read: (value, source, key) =>
    others.reduce((read, each) => each.read(read, source, key), first.read(value, source, key)),
})

/** May be left out, and is `fallback` then. */
export const optional = <T, F extends T | undefined = undefined>(
  schema: Schema<T>,
  fallback?: F,
): Schema<F extends undefined ? T | undefined : T> & { optional: true } => ({
  optional: true,
  read: (value, source, key) =>
    (value === undefined ? fallback : schema.read(value, source, key)) as F extends undefined ? T | undefined : T,
})

/** The same, or null. */
export const nullish = <T, F extends T | null | undefined = undefined>(
  schema: Schema<T>,
  fallback?: F,
): Schema<F extends undefined ? T | null | undefined : T | F> & { optional: true } => ({
  optional: true,
  read: (value, source, key) =>
    (value === undefined || value === null
      ? fallback === undefined
        ? value
        : fallback
      : schema.read(value, source, key)) as F extends undefined ? T | null | undefined : T | F,
})

/** The first that holds. */
export const union = <S extends readonly Schema<unknown>[]>(
  schemas: S,
  expected: string,
): Schema<Output<S[number]>> => ({
  read(value, source, key) {
    for (const schema of schemas)
      try {
        return schema.read(value, source, key) as Output<S[number]>
      } catch {}
    throw unfit(source, key, expected, value)
  },
})

function expectObject(value: unknown, source: string, key: string): asserts value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw unfit(source, key, 'an object', value)
}

const below = (key: string, name: string | number): string => `${key && `${key}.`}${name}`

function readEntries(entries: Entries, value: Record<string, unknown>, source: string, key: string) {
  return Object.entries(entries).flatMap(([name, schema]) => {
    const found = value[name]
    if (found === undefined && !schema.optional) throw unfit(source, below(key, name), 'a value', found)
    const read = schema.read(found, source, below(key, name))
    return read === undefined ? [] : [[name, read] as const]
  })
}

/** Other keys are kept. */
export const looseObject = <E extends Entries>(entries: E): ObjectSchema<LooseOutput<E>> => ({
  entries,
  read(value, source, key) {
    expectObject(value, source, key)
    return { ...value, ...Object.fromEntries(readEntries(entries, value, source, key)) } as LooseOutput<E>
  },
})

/** Other keys are refused. */
export const strictObject = <E extends Entries>(entries: E): ObjectSchema<OutputOf<E>> => ({
  entries,
  read(value, source, key) {
    expectObject(value, source, key)
    const odd = Object.keys(value).find(name => !Object.hasOwn(entries, name))
    if (odd !== undefined) throw unfit(source, below(key, odd), 'no such key', value[odd])
    return Object.fromEntries(readEntries(entries, value, source, key)) as OutputOf<E>
  },
})

export const array = <T>(schema: Schema<T>): Schema<T[]> => ({
  read(value, source, key) {
    if (!Array.isArray(value)) throw unfit(source, key, 'a list', value)
    return value.map((each, i) => schema.read(each, source, below(key, i)))
  },
})

export const tuple = <S extends readonly Schema<unknown>[]>(
  schemas: readonly [...S],
): Schema<{ [K in keyof S]: Output<S[K]> }> => ({
  read(value, source, key) {
    if (!Array.isArray(value)) throw unfit(source, key, `a list of ${schemas.length}`, value)
    return schemas.map((schema, i) => schema.read(value[i], source, below(key, i))) as { [K in keyof S]: Output<S[K]> }
  },
})

/** An object whose values are all alike. */
export const record = <T>(schema: Schema<T>): Schema<Record<string, T>> => ({
  read(value, source, key) {
    expectObject(value, source, key)
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => [name, schema.read(each, source, below(key, name))]),
    )
  },
})
