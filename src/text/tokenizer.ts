// A tokenizer: texts to packed ids, single or in pairs, with the special tokens of its model; from a folder's files or
// from a vocabulary in memory.
import { checkTexts } from '../data/given.js'
import { parseStrictJson } from '../data/json.js'
import { exists, isFolder, readBytes } from '../runtime/files.js'
import type { PackedIds } from './blocks.js'
import { decodeTokens } from './decode.js'
import { allTokens, type Definition, type SpecialIds } from './definition.js'
import { type Engine, startEngine } from './engine.js'
import { type LargeJson, parseLargeJson } from './large-json.js'
import { joinPairs, type PackedPairs } from './pairs.js'
import type { PackedSpans, SpansOf } from './spans/encode.js'
import { specialsAround, type TemplatePiece } from './template.js'
import { asConfigured, type Config, readConfig, specialKeys, specialName, specialToken } from './tokenizer-config.js'
import { writeTokenizerFiles } from './tokenizer-files.js'
import { readTokenizerJson } from './tokenizer-json.js'
import { vocabularyJson } from './vocabulary-json.js'
import { vocabularyMergesJson } from './vocabulary-merges.js'
import { bertName, readLines, vocabularyTxtJson, wordPieceJson } from './vocabulary-txt.js'

export interface EncodeOptions {
  /** Ids of a sequence at most, special tokens counted: the texts are cut at their ends. Default: no limit. */
  readonly maxLength?: number
  /** Default true. */
  readonly addSpecialTokens?: boolean
}

/** A tokenizer whose ids are those of Hugging Face's. */
export interface Tokenizer {
  readonly model: Definition['model']['kind']
  /** One more than the largest id, added tokens included. */
  readonly vocabularySize: number
  readonly special: SpecialIds
  /** Lone surrogates count as U+FFFD. Throws where maxLength has no room for the special tokens. */
  encode(texts: readonly string[], options?: EncodeOptions): PackedIds
  /** Pair i is (first[i], second[i]); the longer text is cut first. */
  encodePairs(first: readonly string[], second: readonly string[], options?: EncodeOptions): PackedPairs
  /**
   * As encode, and where in its text each token comes from: as the Hugging Face tokenizers' offsets, which count code points. Slower; for few texts.
   */
  encodeWithSpans(texts: readonly string[], options?: EncodeOptions): Promise<PackedSpans>
  encodePairsWithSpans(
    first: readonly string[],
    second: readonly string[],
    options?: EncodeOptions,
  ): Promise<PackedSpans>
  /**
   * Has large amounts of text encoded on so many threads from now on, this one included; 1 ends the others. The result is the same for any number.
   * Nothing changes where memory cannot be shared with threads.
   */
  setThreads(threads: number): Promise<void>
  tokenOf(id: number): string
  /** Text with special tokens in; ids without a token are left out. */
  decode(ids: Iterable<number>): string
  /** The files of a folder that loads as this tokenizer, by name: those it came from, and what they lacked. */
  files(): Promise<Record<string, Uint8Array>>
}

const fileNames = [
  'tokenizer.json',
  'tokenizer.json.gz',
  'vocab.txt',
  'vocab.json',
  'merges.txt',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
] as const
type TokenizerFiles = Partial<Record<string, Uint8Array>>

/**
 * Loads tokenizer.json (or tokenizer.json.gz), vocab.txt, or vocab.json and merges.txt, with tokenizer_config.json,
 * from a folder. Throws, naming the file, where something is missing, damaged or not supported.
 */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  if (!(await isFolder(folder)))
    throw new Error(`cannot load a tokenizer from ${folder}: no such folder; check the path`)
  const files: TokenizerFiles = {}
  for (const name of fileNames)
    if (await exists(`${folder}/${name}`)) files[name] = await readBytes(`${folder}/${name}`)
  return tokenizerFromFiles(files, folder)
}

/** As loadTokenizer, from the files' bytes. `source` begins the error messages. */
export async function tokenizerFromFiles(files: TokenizerFiles, source: string): Promise<Tokenizer> {
  const text = (name: (typeof fileNames)[number]) => new TextDecoder().decode(files[name])
  const json = (name: (typeof fileNames)[number]) => files[name] && parseStrictJson(text(name), `${source}/${name}`)
  const config = readConfig(json('tokenizer_config.json'), json('special_tokens_map.json'), source)
  const make = (file: string, read: () => unknown, large: LargeJson = { json: read(), lists: undefined }) => {
    const configured = file.startsWith('tokenizer.json') ? asConfigured(large.json, config) : large.json
    const definition = withSpecials(readTokenizerJson(configured, `${source}/${file}`, large.lists), config)
    return makeTokenizer(definition, `${source}/${file}`, files, read)
  }
  const makeLarge = (file: string, bytes: Uint8Array) => {
    const whole = () => new TextDecoder().decode(bytes)
    const place = `${source}/${file}`
    return make(file, () => parseStrictJson(whole(), place), parseLargeJson(whole(), place))
  }
  if (files['tokenizer.json']) return makeLarge('tokenizer.json', files['tokenizer.json'])
  if (files['tokenizer.json.gz'])
    return makeLarge('tokenizer.json.gz', await unpack(files['tokenizer.json.gz'], `${source}/tokenizer.json.gz`))
  if (files['vocab.txt'])
    return make('vocab.txt', () =>
      vocabularyTxtJson(readLines(text('vocab.txt')), config, json('added_tokens.json'), source),
    )
  if (files['vocab.json'] && files['merges.txt'])
    return make('vocab.json', () =>
      vocabularyMergesJson(json('vocab.json'), text('merges.txt'), config, json('added_tokens.json'), source),
    )
  throw new Error(
    `${source} has no tokenizer.json and no vocab.txt, nor vocab.json and merges.txt: one of them must say what the tokens are`,
  )
}

async function unpack(packed: Uint8Array, file: string): Promise<Uint8Array> {
  try {
    const stream = new Blob([packed as BlobPart]).stream().pipeThrough(new DecompressionStream('gzip'))
    return new Uint8Array(await new Response(stream).arrayBuffer())
  } catch (error) {
    throw new Error(`${file} is not a whole gzip file: ${(error as Error).message}`)
  }
}

/** Names of special tokens where no file gives them: BERT's, then those of later models. */
const usualNames: Readonly<Record<keyof SpecialIds, readonly string[]>> = {
  cls: [bertName('cls')],
  sep: [bertName('sep')],
  pad: [bertName('pad'), '<pad>'],
  unk: [bertName('unk'), '<unk>'],
  mask: [bertName('mask'), '<mask>'],
}

/** The roles of special tokens: named in the config, or told by the template, or by their usual names. */
function withSpecials(read: Omit<Definition, 'special'>, config: Config): Definition {
  const tokens = allTokens(read)
  const { before, after } = specialsAround(read.template.single)
  const { model } = read
  const idOf = (key: keyof SpecialIds) => {
    const name = specialName(config, key)
    if (name === undefined && key === 'unk' && model.unknown !== undefined) return model.unknown
    for (const each of name === undefined ? usualNames[key] : [name]) {
      const id = tokens.indexOf(each)
      if (id >= 0) return id
    }
    return undefined
  }
  const special = {
    cls: idOf('cls') ?? before[0],
    sep: idOf('sep') ?? after[0],
    pad: idOf('pad'),
    unk: idOf('unk'),
    mask: idOf('mask'),
  }
  return { ...read, special }
}

export interface WordPieceOptions {
  /** Tokens; a token's place is its id. */
  readonly vocabulary: readonly string[]
  /** Default true. */
  readonly lowerCase?: boolean
  /** Default null: as lowerCase says. */
  readonly stripAccents?: boolean | null
  /** Default true. */
  readonly cleanText?: boolean
  /** Spaces around Chinese characters. Default true. */
  readonly chineseCharacters?: boolean
  /** Longer words are unknown. Default 100. */
  readonly maximumCharacters?: number
  /** Default ##. */
  readonly continuingPrefix?: string
  /** Default [CLS], [SEP], [PAD], [UNK] and [MASK], as far as the vocabulary has them; [UNK] it must have. */
  readonly special?: Partial<Record<keyof SpecialIds, string>>
}

export async function createWordPieceTokenizer(options: WordPieceOptions): Promise<Tokenizer> {
  const { vocabulary, special = {} } = options
  const source = 'the vocabulary'
  const vocab = vocabularyJson(vocabulary, source)
  const names = specialKeys.map(key => ({ key, content: special[key] ?? bertName(key) }))
  for (const { key, content } of names)
    if (special[key] !== undefined && vocab[content] === undefined)
      throw new Error(
        `${source} of ${vocabulary.length} entries has no ${JSON.stringify(content)}, named as its ${key} token`,
      )
  const known = names.filter(({ content }) => vocab[content] !== undefined)
  const name = (key: keyof SpecialIds) => special[key] ?? bertName(key)
  const json = wordPieceJson({
    vocab,
    added: known.map(({ content }) => specialToken(vocab[content]!, content)),
    names: { cls: name('cls'), sep: name('sep'), unk: name('unk') },
    cleanText: options.cleanText ?? true,
    chineseCharacters: options.chineseCharacters ?? true,
    stripAccents: options.stripAccents ?? null,
    lowerCase: options.lowerCase ?? true,
    continuingPrefix: options.continuingPrefix ?? '##',
    maximumCharacters: options.maximumCharacters ?? 100,
  })
  const config = Object.fromEntries(known.map(({ key, content }) => [`${key}_token`, content]))
  const definition = withSpecials(readTokenizerJson(json, source), readConfig(config, undefined, source))
  return makeTokenizer(definition, source, {}, () => json)
}

/** Ids that remain for the texts. */
function roomFor(maxLength: number | undefined, specials: number): number {
  if (maxLength === undefined) return Number.POSITIVE_INFINITY
  if (!Number.isInteger(maxLength) || maxLength < 1)
    throw new Error(`maxLength is ${maxLength}, expected an integer of at least 1`)
  if (maxLength < specials)
    throw new Error(`maxLength is ${maxLength}, but the special tokens alone are ${specials}: allow more`)
  return maxLength - specials
}

const countIn = (pieces: readonly TemplatePiece[]) =>
  pieces.reduce((sum, piece) => sum + (piece.kind === 'special' ? piece.ids.length : 0), 0)

/** The pieces that are wanted, and how many ids remain for the texts. */
function piecesFor(template: readonly TemplatePiece[], { maxLength, addSpecialTokens = true }: EncodeOptions) {
  const pieces = addSpecialTokens ? template : template.filter(piece => piece.kind === 'text')
  return { pieces, limit: roomFor(maxLength, countIn(pieces)) }
}

function checkPaired(first: readonly string[], second: readonly string[]): void {
  if (first.length !== second.length)
    throw new Error(`${first.length} first texts and ${second.length} second ones: a pair needs one of each`)
}

/** What keeps track of places is loaded when it is asked for. */
function spansOf(definition: Definition, engine: Engine) {
  let started: Promise<SpansOf> | undefined
  return async (
    first: readonly string[],
    second: readonly string[] | undefined,
    { pieces, limit }: ReturnType<typeof piecesFor>,
  ): Promise<PackedSpans> => {
    const { startSpans, checkSame, joinSpans, nothing } = await import('./spans/encode.js')
    started ??= startSpans(definition, engine)
    const tracked = await started
    const spanned = (texts: readonly string[]) => {
      const slow = tracked(texts)
      checkSame(slow, engine.encode(texts, Number.POSITIVE_INFINITY, false), texts)
      return slow
    }
    return joinSpans(spanned(first), second ? spanned(second) : nothing(first.length), pieces, limit)
  }
}

/** `json`: what tokenizer.json says, read anew where it is wanted. */
async function makeTokenizer(
  definition: Definition,
  source: string,
  originals: TokenizerFiles,
  json: () => unknown,
): Promise<Tokenizer> {
  const engine = await startEngine(definition, source)
  const { tokens } = engine
  const { single, pair } = definition.template
  const spans = spansOf(definition, engine)
  return {
    model: definition.model.kind,
    vocabularySize: tokens.length,
    special: definition.special,
    encode(texts, { maxLength, addSpecialTokens = true } = {}) {
      checkTexts('encode', texts)
      return engine.encode(texts, roomFor(maxLength, addSpecialTokens ? countIn(single) : 0), addSpecialTokens)
    },
    encodePairs(first, second, options = {}) {
      const { pieces, limit } = piecesFor(pair, options)
      checkPaired(first, second)
      // Both as a whole: which of two long texts is the longer decides where an odd id goes.
      const whole = (texts: readonly string[]) => engine.encode(texts, Number.POSITIVE_INFINITY, false)
      return joinPairs(whole(first), whole(second), pieces, limit)
    },
    encodeWithSpans: (texts, options = {}) => spans(texts, undefined, piecesFor(single, options)),
    async encodePairsWithSpans(first, second, options = {}) {
      checkPaired(first, second)
      return spans(first, second, piecesFor(pair, options))
    },
    async setThreads(threads) {
      if (!Number.isInteger(threads) || threads < 1)
        throw new Error(`threads is ${threads}, expected an integer of at least 1`)
      await engine.setThreads(threads)
    },
    tokenOf(id) {
      const token = tokens[id]
      if (token === undefined) throw new Error(`no token has the id ${id}; ids go from 0 to ${tokens.length - 1}`)
      return token
    },
    decode(ids) {
      const known = Array.from(ids, id => tokens[id]).filter(token => token !== undefined)
      return decodeTokens(known, definition.decoders)
    },
    files: async () => {
      const { 'tokenizer.json.gz': _, ...kept } = originals as Record<string, Uint8Array>
      const made = writeTokenizerFiles(definition, originals['tokenizer.json'] ? undefined : json())
      return { ...made, ...kept }
    },
  }
}
