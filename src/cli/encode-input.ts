// What encode reads: lines {"text", "title"?, "_id"?}, or {"ids", "token_type_ids"?, "_id"?} taken as they are. Every error names file and line.
import { documentText } from '../data/collection.js'
import { describeValue, hasKeys, readJsonLines } from '../data/jsonl.js'
import type { ModelConfig } from '../model/config.js'
import { fileSize } from '../runtime/files.js'

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

/** A piece of the input, in its order. */
export interface LinesWindow extends Lines {
  /** How much of the file has been read, 0 to 1; undefined where its size is not known. */
  readonly share: number | undefined
}

/** Of a window: enough that its batches are full, few enough that a corpus of any size needs no more memory than a small one. */
const WINDOW_TEXTS = 4096
const WINDOW_CHARACTERS = 1 << 22

const emptyLines = (): Lines => ({ texts: [], ids: [], typeIds: [], names: [], places: [] })

/** The lines in windows, read when they are asked for. Fails at the first line that is wrong, and where there is none at all. */
export async function* readWindows(path: string): AsyncGenerator<LinesWindow> {
  const size = await fileSize(path)
  let [bytes, before, characters] = [0, 0, 0]
  let [lines, kind] = [emptyLines(), undefined as 'text' | 'ids' | undefined]
  const onRead = (read: number) => {
    bytes = read
  }
  for await (const { line, value } of readJsonLines(path, onRead)) {
    const place = `${path}:${line}`
    const found = value.ids === undefined ? 'text' : 'ids'
    characters += found === 'text' ? takeText(lines, value, place) : takeIds(lines, value, place)
    kind ??= found
    if (found !== kind)
      throw new Error(`${place}: lines with "text" and lines with "ids" in one file; put them into two`)
    lines.names.push(readName(value._id, before + lines.names.length, place))
    lines.places.push(place)
    if (lines.names.length < WINDOW_TEXTS && characters < WINDOW_CHARACTERS) continue
    yield { ...lines, share: size && bytes / size }
    before += lines.names.length
    lines = emptyLines()
    characters = 0
  }
  if (before + lines.names.length === 0)
    throw new Error(`${path} is empty: expected a JSON object a line with "text" or "ids"; there is nothing to encode`)
  if (lines.names.length > 0) yield { ...lines, share: 1 }
}

function takeText(lines: Lines, value: Line, place: string): number {
  const text = readText(value, place)
  lines.texts.push(text)
  return text.length
}

function takeIds(lines: Lines, value: Line, place: string): number {
  const ids = readIntegers(value, 'ids', place)
  const typeIds = value.token_type_ids === undefined ? ids.map(() => 0) : readIntegers(value, 'token_type_ids', place)
  if (ids.length !== typeIds.length)
    throw new Error(`${place}: ${ids.length} ids but ${typeIds.length} token_type_ids; expected one for each id`)
  lines.ids.push(ids)
  lines.typeIds.push(typeIds)
  // About as many characters as a token has.
  return 4 * ids.length
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
