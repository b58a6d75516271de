// Parts of the tokenizer files checked against what they must look like.
import * as v from 'valibot'

/** Checks a part against its schema; an error names the file, the key and what was found there. */
export function parsePart<S extends v.GenericSchema>(
  schema: S,
  value: unknown,
  source: string,
  place = '',
): v.InferOutput<S> {
  const result = v.safeParse(schema, value)
  if (result.success) return result.output
  const [issue] = result.issues
  const key = [place, v.getDotPath(issue)].filter(Boolean).join('.')
  throw new Error(`${source}: ${key ? `${key}: ` : ''}${issue.message}`)
}

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
  const parts = parsePart(v.looseObject({ [list]: v.array(v.unknown()) }), json, source, place)
  return (parts[list] as unknown[]).flatMap((part, i) => componentsOf(part, list, source, `${place}.${list}.${i}`))
}
