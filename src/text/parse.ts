// Parts of the tokenizer files checked against what they must look like.
import * as v from './schema.js'

/** Checks a part against its schema; an error names the file, the key and what was found there. */
export const parsePart = <T>(schema: v.Schema<T>, value: unknown, source: string, place = ''): T =>
  schema.read(value, source, place)

/**
 * As parsePart, of a component with its options: one that is not known is refused, since it may change what comes of texts. `harmless`: known options that
 * change nothing here.
 */
export function parseComponent<T>(
  schema: v.ObjectSchema<T>,
  value: unknown,
  source: string,
  place = '',
  harmless: readonly string[] = [],
): T {
  const parsed = parsePart(schema, value, source, place)
  const known = Object.keys(schema.entries)
  const odd = Object.keys(value as object).find(
    key => key !== 'type' && !known.includes(key) && !harmless.includes(key),
  )
  if (odd === undefined) return parsed
  throw new Error(
    `${source}: ${[place, odd].filter(Boolean).join('.')} is an option that is not known (known: ${known.filter(key => key !== 'type').join(', ') || 'none'}); what it changes would be ignored`,
  )
}

/** A component without options. */
export const checkNoOptions = (value: unknown, source: string, place: string): void =>
  void parseComponent(v.looseObject({}), value, source, place)

/** A component of tokenizer.json. */
export const Typed = v.looseObject({ type: v.string() })

/** Refuses a component by its name; `place` is its key. */
export const unsupported = (source: string, place: string, name: string, supported: string) =>
  new Error(`${source}: ${place} is ${name}, which is not supported (supported: ${supported})`)

/** The components of a sequence, one level deep or more, with their places; none for null. */
export function componentsOf(
  json: unknown,
  list: string,
  source: string,
  place: string,
): { readonly json: { readonly type: string }; readonly place: string }[] {
  if (json === null || json === undefined) return []
  const typed = parsePart(Typed, json, source, place)
  if (typed.type !== 'Sequence') return [{ json: typed, place }]
  const parts = parseComponent(v.looseObject({ [list]: v.array(v.unknown()) }), json, source, place)
  return (parts[list] as unknown[]).flatMap((part, i) => componentsOf(part, list, source, `${place}.${list}.${i}`))
}
