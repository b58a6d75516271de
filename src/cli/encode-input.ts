// What encode reads: lines {"text", "title"?, "_id"?}, or {"ids", "token_type_ids"?, "_id"?} taken as they are. Every error names file and line.
import { documentText } from '../data/collection.js'
import { describeValue, hasKeys, readJsonLines } from '../data/jsonl.js'
import type { ModelConfig } from '../model/config.js'

export interface Lines {
  /** Either these or `ids`; the other one is empty. */
  readonly texts: string[]
  readonly ids: number[][]
  /** As long as `ids`, each as long as its ids. */
  readonly typeIds: number[][]
  /** The ids of the texts: their own, or their number from 0. */
  readonly names: string[]
  /** file:line */
  readonly places: string[]
}

type Line = Readonly<Record<string, unknown>>

export async function readLines(path: string): Promise<Lines> {
  const lines: Lines = { texts: [], ids: [], typeIds: [], names: [], places: [] }
  const file = path === '-' ? 'standard input' : path
  for await (const { line, value } of readJsonLines(path)) {
    const place = `${file}:${line}`
    if (value.ids === undefined) lines.texts.push(readText(value, place))
    else {
      const ids = readIntegers(value, 'ids', place)
      const typeIds =
        value.token_type_ids === undefined ? ids.map(() => 0) : readIntegers(value, 'token_type_ids', place)
      if (ids.length !== typeIds.length)
        throw new Error(`${place}: ${ids.length} ids but ${typeIds.length} token_type_ids; expected one for each id`)
      lines.ids.push(ids)
      lines.typeIds.push(typeIds)
    }
    if (lines.texts.length > 0 && lines.ids.length > 0)
      throw new Error(`${place}: lines with "text" and lines with "ids" in one file; put them into two`)
    lines.names.push(readName(value._id, lines.names.length, place))
    lines.places.push(place)
  }
  if (lines.names.length === 0)
    throw new Error(`${file} is empty: expected a JSON object a line with "text" or "ids"; there is nothing to encode`)
  return lines
}

function readText(value: Line, place: string): string {
  const { text, title = '' } = value
  if (typeof text !== 'string')
    throw new Error(`${place}: expected a string as "text" (or "ids"), found ${describeValue(text)}; ${hasKeys(value)}`)
  if (typeof title !== 'string')
    throw new Error(`${place}: expected a string as "title", found ${describeValue(title)}`)
  return documentText({ title, text })
}

function readIntegers(line: Line, key: string, place: string): number[] {
  const value = line[key]
  if (!Array.isArray(value) || value.length === 0 || value.some(each => !Number.isSafeInteger(each) || each < 0))
    throw new Error(
      `${place}: "${key}" is ${JSON.stringify(value).slice(0, 60)}, expected a list of one or more integers of 0 or more`,
    )
  return value as number[]
}

// One name a line of the .ids.txt.
function readName(id: unknown, number: number, place: string): string {
  if (id === undefined) return String(number)
  if (typeof id === 'string' && id !== '' && !/[\r\n]/.test(id)) return id
  if (Number.isSafeInteger(id)) return String(id)
  throw new Error(`${place}: expected a string on one line as "_id", found ${describeValue(id)}`)
}

/** Fails where ids do not fit the model. */
export function checkLimits(
  { ids, typeIds, places }: Lines,
  { vocabulary, maxPositions, typeVocabulary }: ModelConfig,
): void {
  for (const [i, place] of places.entries()) {
    if (ids[i]!.length > maxPositions)
      throw new Error(`${place}: ${ids[i]!.length} ids, but the model has ${maxPositions} positions`)
    const id = ids[i]!.find(each => each >= vocabulary)
    if (id !== undefined) throw new Error(`${place}: id ${id} is outside the model's vocabulary of ${vocabulary}`)
    const type = typeIds[i]!.find(each => each >= typeVocabulary)
    if (type !== undefined)
      throw new Error(`${place}: token type ${type}, but the model has ${typeVocabulary} of them (from 0)`)
  }
}
