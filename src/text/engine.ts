// The tokenizer's WebAssembly module (assembly/text) with one vocabulary in it.
import { textModule } from '../../build/text.js'
import { encodeTexts, type Instance, noMemory, type PackedIds, type TextModule, utf8Length } from './blocks.js'
import { checkWordPiece, specialsAround, type WordPiece } from './wordpiece.js'

export interface Engine {
  /** `limit`: ids of a text at most, special ones not counted. */
  encode(texts: readonly string[], limit: number, special: boolean): PackedIds
}

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
  for (const [ids, behind] of [
    [before, false],
    [after, true],
  ] as const) {
    for (const id of ids) {
      if (!module.addSpecial(behind, id))
        throw new Error(`${source}: ${ids.length} special tokens on one side of a text, at most 16 are supported`)
    }
  }
  const divisible = !wordpiece.added.some(({ content }) => /\s/.test(content))
  const engine: Instance = { module, memory, before: before.length, divisible }
  return { encode: (texts, limit, special) => encodeTexts(engine, texts, limit, special) }
}

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
  // −1: built. The other numbers are those of `build` in assembly/text/index.ts.
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
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(
    new Uint8Array(memory.buffer, address + bytes.length, length),
  )
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
