// The tokenizer's WebAssembly module (assembly/text) with one tokenizer in it.
import { textModule } from '../../build/text.js'
import { moduleBytes } from '../backend/module-bytes.js'
import {
  encodeSome,
  encodeTexts,
  type Instance,
  noMemory,
  type PackedIds,
  type TextModule,
  utf8Length,
  type Wanted,
} from './blocks.js'
import { cutsAtSpaces as bpeCutsAtSpaces, bytesBeforeSpaces, lookedUp, putBpe } from './bpe.js'
import type { Crew } from './crew.js'
import { allTokens, checkAdded, type Definition } from './definition.js'
import { putExpressions } from './expressions.js'
import { type BytesOf, bytesOfTokens, type Host, META, writeToken } from './host.js'
import { growthOf, putNormalizers } from './normalizers.js'
import { cutsAtSpaces, type PreTokenizerStage, putPreTokenizers } from './pre-tokenizers.js'
import { specialsAround } from './template.js'
import type { EncodeHere } from './together.js'
import { putUnigram } from './unigram.js'

export interface Engine {
  /** Tokens by id as the model's texts have them: added ones that are looked for in normalised text are normalised. */
  readonly tokens: readonly (string | undefined)[]
  /** `limit`: ids of a text at most, special ones not counted. */
  encode(texts: readonly string[], limit: number, special: boolean): PackedIds
  /** What the added tokens look like in the texts that they are looked for in. (definition.added) */
  readonly addedTexts: readonly string[]
  readonly host: Host
  /** Has many texts encoded on so many threads, the calling one included, from now on; 1 ends the others. */
  setThreads(size: number): Promise<void>
}

/** Fewer characters are done before another thread has begun. */
const WORTH_SHARING = 1 << 19

// The numbers of assembly/text/cache.ts.
const models = { wordpiece: 0, bpe: 1, unigram: 2, wordlevel: 3 } as const

/** Instantiates the module for a tokenizer. `source` begins the error messages. */
export async function startEngine(definition: Definition, source: string): Promise<Engine> {
  checkAdded(definition, source)
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536 })
  const { instance, module: compiled } = await WebAssembly.instantiate(await moduleBytes(textModule), {
    env: { memory },
  })
  const module = instance.exports as unknown as TextModule
  const host: Host = { module, memory, expressions: new Map() }
  const stages = withWordStarts(definition)
  await putExpressions(host, definition, source)
  putPipeline(host, definition, stages, source)
  const model = putModel(host, definition, source)
  const added = addedTexts(host, definition)
  putEntries(host, definition, [...model, ...addedEntries(definition, added)], source)
  const { before, after } = specialsAround(definition.template.single)
  for (const [ids, behind] of [
    [before, false],
    [after, true],
  ] as const) {
    for (const id of ids) {
      if (!module.addSpecial(behind, id))
        throw new Error(`${source}: ${ids.length} special tokens on one side of a text, at most 16 are supported`)
    }
  }
  const cuts = cutsOf(definition, stages)
  const engine: Instance = { module, memory, before: before.length, cuts, density: {} }
  const here: EncodeHere = (...part) => encodeSome(engine, ...part)
  let crew: Crew | undefined
  const encode = (texts: readonly string[], wanted: Wanted) =>
    crew && isMany(texts) ? crew.encode(texts, wanted) : encodeTexts(engine, texts, wanted)
  return {
    tokens: tokensOf(definition, added),
    addedTexts: added,
    host,
    encode: (texts, limit, special) => encode(texts, { limit, special }),
    async setThreads(size) {
      crew?.close()
      crew = undefined
      // Loaded when asked for: a page that embeds a query has no use for it.
      const { startCrew } = await import('./crew.js')
      crew = await startCrew(engine, compiled, size, here)
    },
  }
}

function isMany(texts: readonly string[]): boolean {
  let characters = 0
  for (let i = 0; i < texts.length && characters < WORTH_SHARING; i++) characters += texts[i]!.length
  return characters >= WORTH_SHARING
}

/** BERT's normaliser, pre-tokeniser and WordPiece, which the module does in one. */
function isBert({ normalizers, preTokenizers, model }: Definition): boolean {
  const [blanks, punctuation] = preTokenizers
  return (
    model.kind === 'wordpiece' &&
    normalizers.every(({ kind }) => kind === 'bert') &&
    preTokenizers.length === 2 &&
    blanks?.kind === 'delimited' &&
    blanks.delimiter === 'blank' &&
    blanks.behavior === 'Removed' &&
    punctuation?.kind === 'delimited' &&
    punctuation.delimiter === 'punctuation' &&
    punctuation.behavior === 'Isolated'
  )
}

/** Without a stage that cuts, byte-pair encoding sees whole texts: they are cut where nothing is merged anyway. */
function withWordStarts({ preTokenizers, model, form }: Definition): readonly PreTokenizerStage[] {
  const whole = preTokenizers.every(stage => stage.kind === 'metaspace' && !stage.split)
  return whole && model.kind === 'bpe' && bpeCutsAtSpaces(model, form)
    ? [...preTokenizers, { kind: 'word starts' }]
    : preTokenizers
}

export function cutsOf(definition: Definition, stages: readonly PreTokenizerStage[]): Instance['cuts'] {
  const { added, normalizers, model, form } = definition
  if (isBert(definition)) return added.some(({ content }) => /\s/.test(content)) ? 'never' : 'blanks'
  const tokensReachOver = added.some(
    ({ content, leftStrip, rightStrip }) =>
      /[A-Za-z] [A-Za-z]/.test(content) ||
      (leftStrip && /^[A-Za-z]/.test(content)) ||
      (rightStrip && /[A-Za-z]$/.test(content)),
  )
  const normalizersReachOver = normalizers.some(
    stage =>
      stage.kind === 'strip' ||
      stage.kind === 'replace expression' ||
      (stage.kind === 'replace' && /\s/.test(stage.what) && stage.what.length > 1),
  )
  const mergesReachOver =
    model.kind === 'bpe' &&
    stages.some(({ kind }) => kind === 'word starts') &&
    bytesBeforeSpaces(model, form).some((joins, byte) => joins && /[A-Za-z]/.test(String.fromCharCode(byte)))
  return tokensReachOver || normalizersReachOver || mergesReachOver || !cutsAtSpaces(stages) ? 'never' : 'letters'
}

/** What becomes of a text before the model. */
export function putPipeline(
  host: Host,
  definition: Definition,
  stages: readonly PreTokenizerStage[],
  source: string,
): void {
  const { module } = host
  const { normalizers } = definition
  const bert = normalizers.find(stage => stage.kind === 'bert')
  const lower = bert ? bert.lowerCase : normalizers.some(({ kind }) => kind === 'lowercase')
  const strip = bert ? (bert.stripAccents ?? bert.lowerCase) : false
  if (!module.setUp(bert?.cleanText ?? false, bert?.chineseCharacters ?? false, strip, lower))
    throw noMemory(source, 4 << 20)
  const fast = isBert(definition)
  const atFirst = stages.some(stage => stage.kind === 'metaspace' && stage.prepend === 'first')
  module.setUpPipeline(
    fast,
    normalizers.some(({ kind }) => kind === 'meta'),
    atFirst,
  )
  putNormalizers(host, normalizers, source)
  if (!fast) putPreTokenizers(host, stages, source)
  const { text, ids, more } = growthOf(normalizers)
  const prefixes = stages.some(({ kind }) => kind === 'prefix space' || kind === 'metaspace')
  module.setGrowth(text, ids * (prefixes ? 2 : 1), more)
}

interface Entry {
  readonly root: number
  readonly value: number
  readonly text: string | Uint8Array
}

// The roots of assembly/text/trie.ts.
const [WORDS, CONTINUATIONS, ADDED, ADDED_NORMALIZED] = [0, 1, 2, 3]

/** Hands the model over; returns those of its tokens that are looked up by their text. */
function putModel(host: Host, { model, form }: Definition, source: string): Entry[] {
  const { module } = host
  const bytesOf = bytesOfTokens(form)
  module.setModel(models[model.kind])
  switch (model.kind) {
    case 'bpe':
      putBpe(host, model, form, source)
      return lookedUp(model, form, bytesOf).map(({ id, bytes, last }) => ({
        ...{ root: last ? CONTINUATIONS! : WORDS!, value: id, text: bytes },
      }))
    case 'unigram':
      putUnigram(host, model, form, source)
      return []
    case 'wordlevel':
      module.setUpWordPiece(1, model.unknown)
      return words(model.vocabulary, undefined, form === 'utf8' ? undefined : bytesOf)
    case 'wordpiece':
      if (!module.setUpWordPiece(model.maximumCharacters, model.unknown)) throw noMemory(source, 1 << 20)
      return words(model.vocabulary, model.continuingPrefix, form === 'utf8' ? undefined : bytesOf)
  }
}

/** `bytesOf`: undefined where texts have the tokens as they are. */
function words(
  vocabulary: readonly (string | undefined)[],
  continuingPrefix: string | undefined,
  bytesOf: BytesOf | undefined,
): Entry[] {
  const entries: Entry[] = []
  for (const [id, token] of vocabulary.entries()) {
    const text = token !== undefined && bytesOf ? bytesOf(token) : token
    if (token === undefined || text === undefined) continue
    entries.push({ root: WORDS!, value: id, text })
    if (continuingPrefix === undefined || !token.startsWith(continuingPrefix)) continue
    const rest = token.slice(continuingPrefix.length)
    entries.push({ root: CONTINUATIONS!, value: id, text: (bytesOf ? bytesOf(rest) : rest) ?? '' })
  }
  return entries
}

const encoder = new TextEncoder()

function putEntries(host: Host, definition: Definition, entries: readonly Entry[], source: string): void {
  const { module, memory } = host
  const sizes = Int32Array.from(entries, ({ text }) =>
    typeof text === 'string' ? utf8Length(text, 0, text.length) : text.length,
  )
  const bytes = sizes.reduce((sum, size) => sum + size, 0)
  const address = module.stage(bytes, entries.length) >>> 0
  if (address === 1) throw new Error(`${source}: a vocabulary of ${bytes} bytes is too large`)
  if (address === 0) throw noMemory(`${source}: the vocabulary`, 16 * bytes)
  const [ends, values, roots] = [0, 1, 2].map(
    i => new Int32Array(memory.buffer, address + 4 * i * entries.length, entries.length),
  )
  const texts = new Uint8Array(memory.buffer, address + 12 * entries.length, bytes)
  let end = 0
  for (const [i, { root, value, text }] of entries.entries()) {
    if (typeof text === 'string') writeToken(text, 'utf8', texts, end)
    else texts.set(text, end)
    end += sizes[i]!
    ends![i] = end
    values![i] = value
    roots![i] = root
  }
  // −1: built. The other numbers are those of `build` in assembly/text/index.ts.
  const duplicate = module.build(bytes, entries.length)
  if (duplicate === -3) throw noMemory(`${source}: the vocabulary`, 16 * bytes)
  if (duplicate >= 0) throw new Error(`${source}: ${describeDuplicate(entries[duplicate]!, definition)}`)
}

/** What the added tokens look like in the texts that they are looked for in. */
function addedTexts(host: Host, { added, normalizers }: Definition): string[] {
  return added.map(({ normalized: isNormalized, content }) =>
    isNormalized && normalizers.length > 0 ? normalized(host, content) : content,
  )
}

function addedEntries({ added, normalizers }: Definition, texts: readonly string[]): Entry[] {
  const entries: Entry[] = []
  const seen = new Set<string>()
  // Where nothing is normalised and no token is looked for before, both ways are one.
  const once = normalizers.length === 0 && added.every(token => token.normalized)
  const listed = added.map((token, i) => ({ token, text: texts[i]! }))
  for (const { token, text } of [...listed].sort((a, b) => Number(b.token.special) - Number(a.token.special))) {
    const flags = (token.singleWord ? 1 : 0) + (token.leftStrip ? 2 : 0) + (token.rightStrip ? 4 : 0)
    // Of two that look the same once normalised, the first counts, special ones before others.
    if (token.normalized && seen.has(text)) continue
    if (token.normalized) seen.add(text)
    entries.push({ root: token.normalized && !once ? ADDED_NORMALIZED! : ADDED!, value: token.id * 8 + flags, text })
  }
  return entries
}

function tokensOf(definition: Definition, texts: readonly string[]): (string | undefined)[] {
  const tokens = allTokens(definition)
  const meta = definition.normalizers.some(({ kind }) => kind === 'meta')
  for (const [i, { id, normalized: isNormalized }] of definition.added.entries())
    if (isNormalized) tokens[id] = meta ? texts[i]!.replaceAll(' ', META) : texts[i]!
  return tokens
}

function normalized({ module, memory }: Host, text: string): string {
  const bytes = encoder.encode(text)
  const address = module.prepareNormalized(bytes.length) >>> 0
  if (!address) throw noMemory('an added token', 4 * bytes.length)
  new Uint8Array(memory.buffer, address, bytes.length).set(bytes)
  const length = module.normalized(bytes.length)
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(
    new Uint8Array(memory.buffer, module.normalizedAt() >>> 0, length),
  )
}

function describeDuplicate({ root, value, text }: Entry, { model }: Definition): string {
  const shown = typeof text === 'string' ? text : new TextDecoder().decode(text)
  const token = root === CONTINUATIONS && model.kind === 'wordpiece' ? model.continuingPrefix + shown : shown
  return `the vocabulary has ${JSON.stringify(token)} twice, with ids ${model.vocabulary.indexOf(token)} and ${value}; remove one`
}
