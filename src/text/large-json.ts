// The long lists of tokenizer.json, read without making an object of them: "vocab" of ids by token or of pieces with their scores, and "merges". A vocabulary of 150,000 tokens is
// an object that JSON.parse takes long to make and that is slower still to look things up in. What is not plainly of the usual form is left to
// JSON.parse and to the checks behind it, so that all errors are theirs.
import { parseStrictJson } from '../data/json.js'
import { MAXIMUM_ID } from './definition.js'
import {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  NINE,
  OPEN_BRACE,
  OPEN_BRACKET,
  reached,
  readString,
  SPACE,
  skipBlanks,
  skipValue,
  visitFields,
  written,
  ZERO,
} from './json-text.js'
import { buildTokenTable, findToken, type TokenTable } from './token-table.js'

export interface Lists {
  /** Tokens by id; a hole where no token has that id. */
  readonly vocabulary: readonly (string | undefined)[]
  /** Ids of the left parts, then of the right ones, then of what they become, by rank. (3 × merges) Undefined: not in the usual form. */
  readonly merges: Int32Array | undefined
  /** Of Unigram, by id. */
  readonly scores: Float64Array | undefined
}

export interface LargeJson {
  /** What the text says; of `lists` its model has empty ones. */
  readonly json: unknown
  readonly lists: Lists | undefined
}

/** As parseStrictJson, the lists apart where they are in the usual form. */
export function parseLargeJson(text: string, where: string): LargeJson {
  const found = findLists(text)
  const lists = found && readLists(text, found)
  if (!found || !lists) return { json: parseStrictJson(text, where), lists: undefined }
  const { vocab, merges } = found
  const empty = ({ start }: Range) => (text.charCodeAt(start) === OPEN_BRACE ? '{}' : '[]')
  const behind = merges
    ? `${text.slice(vocab.end, merges.start)}${empty(merges)}${text.slice(merges.end)}`
    : text.slice(vocab.end)
  return { json: parseStrictJson(`${text.slice(0, vocab.start)}${empty(vocab)}${behind}`, where), lists }
}

/** From the opening bracket to behind the closing one and white space. */
interface Range {
  readonly start: number
  readonly end: number
}

interface Found {
  readonly vocab: Range
  readonly merges: Range | undefined
}

/** Where model.vocab and behind it model.merges are; each the only one of its name. */
function findLists(text: string): Found | undefined {
  const found: { key: string; start: number; end: number }[] = []
  visitFields(text, skipBlanks(text, 0), (outer, at) => {
    if (outer !== 'model' || text.charCodeAt(at) !== OPEN_BRACE) return skipValue(text, at)
    return visitFields(text, at, (key, start) => {
      const end = skipValue(text, start)
      if (key === 'vocab' || key === 'merges') found.push({ key, start, end })
      return end
    })
  })
  const [vocab, merges, ...others] = found
  return vocab?.key === 'vocab' && merges?.key !== 'vocab' && others.length === 0 ? { vocab, merges } : undefined
}

function readLists(text: string, { vocab, merges: list }: Found): Lists | undefined {
  if (text.charCodeAt(vocab.start) === OPEN_BRACKET) {
    const pieces = list ? undefined : readPieces(text, vocab)
    return pieces && { ...pieces, merges: undefined }
  }
  const table = text.charCodeAt(vocab.start) === OPEN_BRACE ? readTokens(text, vocab) : undefined
  const merges = table && list ? readMerges(text, list, table) : undefined
  if (!table || (list && !merges)) return undefined
  return { vocabulary: table.vocabulary, merges, scores: undefined }
}

/** Undefined where the vocabulary is not of the usual form, or has a token or an id twice. */
function readTokens(text: string, { start, end }: Range): TokenTable | undefined {
  // The shortest entry has 5 characters: "":0,
  const most = Math.ceil((end - start) / 5)
  const [starts, ends, ids] = [new Int32Array(most), new Int32Array(most), new Int32Array(most)]
  const pool = new Uint16Array(end - start)
  let [count, to] = [0, 0]
  let at = skipBlanks(text, start + 1)
  if (text.charCodeAt(at) === CLOSE_BRACE) return undefined
  for (;;) {
    if (!readString(text, at, pool, to)) return undefined
    // Not where it holds escapes: its units are not those of the text.
    starts[count] = reached - at === written - to + 2 ? at + 1 : -1
    to = written
    at = skipBlanks(text, reached)
    if (text.charCodeAt(at) !== COLON) return undefined
    at = skipBlanks(text, at + 1)
    const from = at
    let id = 0
    for (let code = text.charCodeAt(at); code >= ZERO && code <= NINE; code = text.charCodeAt(++at))
      id = 10 * id + code - ZERO
    const leadingZero = at - from > 1 && text.charCodeAt(from) === ZERO
    if (at === from || at - from > 9 || leadingZero || id > MAXIMUM_ID) return undefined
    ends[count] = to
    ids[count++] = id
    at = skipBlanks(text, at)
    const code = text.charCodeAt(at)
    if (code === CLOSE_BRACE) break
    if (code !== COMMA) return undefined
    at = skipBlanks(text, at + 1)
  }
  if (skipBlanks(text, at + 1) !== end) return undefined
  const shown = (token: number) => textOf(text, starts[token]!, pool, token > 0 ? ends[token - 1]! : 0, ends[token]!)
  return buildTokenTable(pool.slice(0, to), ends.slice(0, count), ids.slice(0, count), shown)
}

/** Of ["a", −1.5] each; undefined where one is something else. */
function readPieces(
  text: string,
  { start, end }: Range,
): (Pick<Lists, 'vocabulary'> & { scores: Float64Array }) | undefined {
  const vocabulary: string[] = []
  // The shortest has 6 characters: ["",0]
  const scores = new Float64Array(Math.ceil((end - start) / 6))
  const units = new Uint16Array(LONGEST)
  let at = skipBlanks(text, start + 1)
  for (;;) {
    if (text.charCodeAt(at) !== OPEN_BRACKET) return undefined
    const from = skipBlanks(text, at + 1)
    if (!readString(text, from, units, 0)) return undefined
    const piece = reached - from === written + 2 ? from + 1 : -1
    at = skipBlanks(text, reached)
    if (text.charCodeAt(at) !== COMMA) return undefined
    at = skipBlanks(text, at + 1)
    const after = skipValue(text, at)
    const score = numberIn(text.slice(at, after))
    if (score === undefined || text.charCodeAt(after) !== CLOSE_BRACKET) return undefined
    scores[vocabulary.length] = score
    vocabulary.push(textOf(text, piece, units, 0, written))
    at = skipBlanks(text, after + 1)
    const code = text.charCodeAt(at)
    if (code === CLOSE_BRACKET) break
    if (code !== COMMA) return undefined
    at = skipBlanks(text, at + 1)
  }
  return skipBlanks(text, at + 1) === end ? { vocabulary, scores: scores.slice(0, vocabulary.length) } : undefined
}

/** A finite number as JSON writes it. */
function numberIn(text: string): number | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'number' && Number.isFinite(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** V8 represents slices from this length on as a view, which would keep the whole text. */
const SHORTEST_VIEW = 13

/** What the units from `from` to `to` say. `start`: where they stand in the text as they are, or −1. */
const textOf = (text: string, start: number, units: Uint16Array, from: number, to: number): string =>
  start >= 0 && to - from < SHORTEST_VIEW
    ? text.slice(start, start + to - from)
    : String.fromCharCode(...units.subarray(from, to))

/** Longer merges and pieces are left to JSON.parse. */
const LONGEST = 4096

/** Of pairs ["a", "b"] or of strings "a b"; undefined where some are neither, or a token is missing. */
function readMerges(text: string, { start, end }: Range, table: TokenTable): Int32Array | undefined {
  if (text.charCodeAt(start) !== OPEN_BRACKET) return undefined
  let at = skipBlanks(text, start + 1)
  if (text.charCodeAt(at) === CLOSE_BRACKET) return new Int32Array(0)
  // The shortest has 6 characters: "a b",
  const parts: Int32Array = new Int32Array(3 * Math.ceil((end - start) / 6))
  const joined = new Uint16Array(LONGEST)
  let count = 0
  for (;;) {
    at = readMerge(text, at, joined)
    if (at < 0) return undefined
    const left = findToken(table, joined, 0, border)
    const right = findToken(table, joined, border, mergeEnd)
    const both = findToken(table, joined, 0, mergeEnd)
    if (left < 0 || right < 0 || both < 0) return undefined
    parts[count++] = left
    parts[count++] = right
    parts[count++] = both
    at = skipBlanks(text, at)
    const code = text.charCodeAt(at)
    if (code === CLOSE_BRACKET) break
    if (code !== COMMA) return undefined
    at = skipBlanks(text, at + 1)
  }
  return skipBlanks(text, at + 1) === end ? byPart(parts, count / 3) : undefined
}

/** Where the parts of the merge that was read last end. */
let [border, mergeEnd] = [0, 0]

/** Both parts without what stands between them; returns what is behind the merge, or −1. */
function readMerge(text: string, at: number, joined: Uint16Array): number {
  if (text.charCodeAt(at) === OPEN_BRACKET) {
    if (!readString(text, skipBlanks(text, at + 1), joined, 0)) return -1
    border = written
    const comma = skipBlanks(text, reached)
    if (text.charCodeAt(comma) !== COMMA) return -1
    if (!readString(text, skipBlanks(text, comma + 1), joined, border)) return -1
    mergeEnd = written
    const close = skipBlanks(text, reached)
    return text.charCodeAt(close) === CLOSE_BRACKET ? close + 1 : -1
  }
  if (!readString(text, at, joined, 0)) return -1
  // Not by indexOf, which would look through all of the room for a second space.
  border = 0
  while (border < written && joined[border] !== SPACE) border++
  if (border === written) return -1
  mergeEnd = written - 1
  for (let i = border; i < mergeEnd; i++) {
    const unit = joined[i + 1]!
    if (unit === SPACE) return -1
    joined[i] = unit
  }
  return reached
}

function byPart(parts: Int32Array, count: number): Int32Array {
  const merges = new Int32Array(3 * count)
  for (let rank = 0; rank < count; rank++)
    for (let part = 0; part < 3; part++) merges[part * count + rank] = parts[3 * rank + part]!
  return merges
}
