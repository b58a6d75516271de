// The tokenizer's WebAssembly module (assembly/text) with one vocabulary in it: texts in, one packed array of ids out. Texts go
// through its memory in blocks, so that a collection of any size needs a few megabytes. Only a stretch without white space must
// fit as a whole.
import { textModule } from '../../build/text.js'
import { checkWordPiece, specialsAround, type WordPiece } from './wordpiece.js'

export interface PackedIds {
  /** (offsets[texts]) */
  readonly ids: Int32Array
  /** Text i has the ids from offsets[i] to offsets[i + 1]. (texts + 1) */
  readonly offsets: Int32Array
  /** How many texts were cut. */
  readonly truncated: number
}

export interface Engine {
  /** `limit`: ids of a text at most, special ones not counted. */
  encode(texts: readonly string[], limit: number, special: boolean): PackedIds
}

interface TextModule {
  setUp(clean: boolean, chinese: boolean, strip: boolean, lower: boolean, longest: number, unknown: number): number
  prepareNormalized(bytes: number): number
  normalized(bytes: number): number
  stage(bytes: number, count: number): number
  build(bytes: number, count: number): number
  addSpecial(behind: boolean, id: number): number
  prepare(bytes: number, count: number): number
  textsAt(): number
  idsAt(): number
  lastTextWasCut(): number
  cutTexts(): number
  encode(count: number, limit: number, special: boolean, used: number, opened: boolean, closed: boolean): number
}

interface Instance {
  readonly module: TextModule
  readonly memory: WebAssembly.Memory
  /** Special ids before a text. */
  readonly before: number
  /** Whether a text may be cut at any white space. */
  readonly divisible: boolean
}

const BLOCK_BYTES = 1 << 18
const BLOCK_TEXTS = 1 << 12
// More than any text has ids.
const UNLIMITED = 0xffffffff

const encoder = new TextEncoder()

/** Instantiates the module for a vocabulary. `source` begins the error messages. */
export async function startEngine(wordpiece: WordPiece, source: string): Promise<Engine> {
  checkWordPiece(wordpiece, source)
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536 })
  const bytes = Uint8Array.from(atob(textModule), char => char.charCodeAt(0))
  const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } })
  const module = instance.exports as unknown as TextModule
  const { cleanText, chineseCharacters, stripAccents, lowerCase, maximumCharacters, vocabulary, unknownToken } =
    wordpiece
  const strip = stripAccents ?? lowerCase
  const unknown = vocabulary.indexOf(unknownToken)
  if (!module.setUp(cleanText, chineseCharacters, strip, lowerCase, maximumCharacters, unknown))
    throw noMemory(source, 4 << 20)
  putVocabulary({ module, memory, before: 0, divisible: true }, wordpiece, source)
  const { before, after } = specialsAround(wordpiece.template.single)
  for (const id of before)
    if (!module.addSpecial(false, id))
      throw new Error(`${source}: ${before.length} special tokens before a text, at most 16 are supported`)
  for (const id of after)
    if (!module.addSpecial(true, id))
      throw new Error(`${source}: ${after.length} special tokens after a text, at most 16 are supported`)
  const divisible = !wordpiece.added.some(({ content }) => /\s/.test(content))
  const engine: Instance = { module, memory, before: before.length, divisible }
  return { encode: (texts, limit, special) => encodeTexts(engine, texts, limit, special) }
}

const noMemory = (what: string, bytes: number) =>
  new Error(`${what} needs ${Math.ceil(bytes / 2 ** 20)} MB of WebAssembly memory at once, which is not to be had`)

interface Entry {
  readonly root: number
  readonly value: number
  readonly text: string
}

// The roots of assembly/text/trie.ts.
const [WORDS, CONTINUATIONS, ADDED, ADDED_NORMALIZED] = [0, 1, 2, 3]

function putVocabulary(engine: Instance, wordpiece: WordPiece, source: string): void {
  const { module, memory } = engine
  const entries = entriesOf(engine, wordpiece)
  const text = entries.map(entry => entry.text).join('')
  const bytes = encoder.encode(text)
  const address = module.stage(bytes.length, entries.length) >>> 0
  if (address === 1) throw new Error(`${source}: a vocabulary of ${bytes.length} bytes is too large`)
  if (address === 0) throw noMemory(`${source}: the vocabulary`, 16 * bytes.length)
  const [ends, values, roots] = [0, 1, 2].map(
    i => new Int32Array(memory.buffer, address + 4 * i * entries.length, entries.length),
  )
  let end = 0
  for (const [i, entry] of entries.entries()) {
    end += utf8Length(entry.text, 0, entry.text.length)
    ends![i] = end
    values![i] = entry.value
    roots![i] = entry.root
  }
  new Uint8Array(memory.buffer, address + 12 * entries.length, bytes.length).set(bytes)
  const duplicate = module.build(bytes.length, entries.length)
  if (duplicate === -3) throw noMemory(`${source}: the vocabulary`, 16 * bytes.length)
  if (duplicate >= 0) throw new Error(`${source}: ${describeDuplicate(entries[duplicate]!, wordpiece)}`)
}

function entriesOf(engine: Instance, wordpiece: WordPiece): Entry[] {
  const { vocabulary, continuingPrefix, added } = wordpiece
  const entries: Entry[] = []
  for (const [id, token] of vocabulary.entries()) {
    if (token === undefined) continue
    entries.push({ root: WORDS!, value: id, text: token })
    if (token.startsWith(continuingPrefix))
      entries.push({ root: CONTINUATIONS!, value: id, text: token.slice(continuingPrefix.length) })
  }
  const seen = new Set<string>()
  for (const token of added) {
    const text = token.normalized ? normalized(engine, token.content) : token.content
    const value = token.id * 2 + (token.singleWord ? 1 : 0)
    // Of two that look the same once normalised, the first counts.
    if (token.normalized && seen.has(text)) continue
    if (token.normalized) seen.add(text)
    entries.push({ root: token.normalized ? ADDED_NORMALIZED! : ADDED!, value, text })
  }
  return entries
}

function normalized({ module, memory }: Instance, text: string): string {
  const bytes = encoder.encode(text)
  const address = module.prepareNormalized(bytes.length) >>> 0
  if (!address) throw noMemory('an added token', 4 * bytes.length)
  new Uint8Array(memory.buffer, address, bytes.length).set(bytes)
  const length = module.normalized(bytes.length)
  return new TextDecoder().decode(new Uint8Array(memory.buffer, address + bytes.length, length))
}

function describeDuplicate({ root, value, text }: Entry, { vocabulary, continuingPrefix, added }: WordPiece): string {
  if (root === ADDED)
    return `the added token ${JSON.stringify(text)} is listed twice (ids ${added
      .filter(token => token.content === text)
      .map(token => token.id)
      .join(' and ')})`
  const token = root === CONTINUATIONS ? continuingPrefix + text : text
  return `the vocabulary has ${JSON.stringify(token)} twice, with ids ${vocabulary.indexOf(token)} and ${value}; remove one`
}

/** Bytes of a stretch of text in UTF-8. */
function utf8Length(text: string, start: number, end: number): number {
  let bytes = end - start
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i)
    if (code >= 0x80) bytes += code < 0x800 ? 1 : 2
    // A pair has 4 bytes; a surrogate alone becomes U+FFFD, which has 3.
    if (code >= 0xd800 && code < 0xdc00 && i + 1 < end && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) i++
  }
  return bytes
}

/** Ids that grow as blocks come in. */
interface Collected {
  ids: Int32Array
  length: number
}

function collect(to: Collected, { module, memory }: Instance, count: number): void {
  const needed = to.length + count
  if (needed > 0x7fffffff) throw new Error(`more than ${0x7fffffff} tokens in one call: encode fewer texts at a time`)
  if (needed > to.ids.length) {
    const larger = new Int32Array(Math.min(Math.max(needed, Math.ceil(to.ids.length * 1.5)), 0x7fffffff))
    larger.set(to.ids.subarray(0, to.length))
    to.ids = larger
  }
  to.ids.set(new Int32Array(memory.buffer, module.idsAt() >>> 0, count), to.length)
  to.length = needed
}

function encodeTexts(engine: Instance, texts: readonly string[], limit: number, special: boolean): PackedIds {
  const offsets = new Int32Array(texts.length + 1)
  const to: Collected = { ids: new Int32Array(Math.min(8 * texts.length + 1024, 1 << 24)), length: 0 }
  let truncated = 0
  for (let i = 0; i < texts.length; ) {
    const first = to.length
    if (3 * texts[i]!.length > BLOCK_BYTES) {
      truncated += encodeLong(engine, texts[i]!, limit, special, to)
      offsets[++i] = to.length
      continue
    }
    const { ends, taken } = fillBlock(engine, texts, i)
    const count = engine.module.encode(taken, Math.min(limit, UNLIMITED), special, 0, false, true)
    for (let j = 0; j < taken; j++) offsets[i + j + 1] = first + ends[j]!
    collect(to, engine, count)
    truncated += engine.module.cutTexts()
    i += taken
  }
  return { ids: to.ids.slice(0, to.length), offsets, truncated }
}

/** Writes texts, from number `first` on, as many as fit. */
function fillBlock(
  { module, memory }: Instance,
  texts: readonly string[],
  first: number,
): { ends: Int32Array; taken: number } {
  const address = module.prepare(BLOCK_BYTES, BLOCK_TEXTS) >>> 0
  if (!address) throw noMemory('a block of texts', 5 * BLOCK_BYTES)
  const ends = new Int32Array(memory.buffer, address, BLOCK_TEXTS)
  const block = new Uint8Array(memory.buffer, module.textsAt() >>> 0, BLOCK_BYTES)
  let [taken, filled] = [0, 0]
  for (; taken < BLOCK_TEXTS && first + taken < texts.length; taken++) {
    const text = texts[first + taken]!
    if (filled + 3 * text.length > BLOCK_BYTES) break
    filled += encoder.encodeInto(text, block.subarray(filled)).written
    ends[taken] = filled
  }
  return { ends, taken }
}

const isBlank = (code: number) => code === 0x20 || code === 0x0a || code === 0x09 || code === 0x0d

/** Where to cut a text that is too long for a block: at the last white space within reach, or the first behind it. */
function placeToCut(text: string, start: number, divisible: boolean): number {
  const reach = start + BLOCK_BYTES
  if (reach >= text.length || !divisible) return text.length
  for (let i = reach; i > start; i--) if (isBlank(text.charCodeAt(i))) return i
  for (let i = reach + 1; i < text.length; i++) if (isBlank(text.charCodeAt(i))) return i
  return text.length
}

/** One text, in pieces; returns 1 if it was cut at the limit. */
function encodeLong(engine: Instance, text: string, limit: number, special: boolean, to: Collected): number {
  const { module, memory, before, divisible } = engine
  let used = 0
  for (let start = 0; ; ) {
    const end = placeToCut(text, start, divisible)
    const bytes = utf8Length(text, start, end)
    const address = module.prepare(bytes, 1) >>> 0
    if (!address) throw noMemory(`a stretch of ${end - start} characters without white space`, 5 * bytes)
    encoder.encodeInto(text.slice(start, end), new Uint8Array(memory.buffer, module.textsAt() >>> 0, bytes))
    new Int32Array(memory.buffer, address, 1)[0] = bytes
    const [opened, closed] = [start > 0, end === text.length]
    const count = module.encode(1, Math.min(limit, UNLIMITED), special, used, opened, closed)
    collect(to, engine, count)
    used += count - (special && !opened ? before : 0)
    if (module.lastTextWasCut()) return 1
    if (closed) return 0
    start = end
  }
}
