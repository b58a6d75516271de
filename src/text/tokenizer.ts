// A tokenizer: texts to packed ids, single or in pairs, with the special tokens of its model; from a folder's files or
// from a vocabulary in memory.
import { parseStrictJson } from '../data/json.js'
import { exists, isFolder, readBytes } from '../runtime/files.js'
import type { PackedIds } from './blocks.js'
import { decodeTokens } from './decode.js'
import { startEngine } from './engine.js'
import { joinPairs, type PackedPairs } from './pairs.js'
import { writeTokenizerFiles } from './tokenizer-files.js'
import { readTokenizerJson } from './tokenizer-json.js'
import {
  defaultName,
  readConfig,
  readVocabulary,
  readVocabularyFolder,
  specialKeys,
  specialName,
} from './vocabulary-txt.js'
import {
  type AddedToken,
  allTokens,
  bertTemplate,
  type SpecialIds,
  specialsAround,
  type WordPiece,
} from './wordpiece.js'

export interface EncodeOptions {
  /** Ids of a sequence at most, special tokens counted: the texts are cut at their ends. Default: no limit. */
  readonly maxLength?: number
  /** Default true. */
  readonly addSpecialTokens?: boolean
}

export interface Tokenizer {
  /** One more than the largest id, added tokens included. */
  readonly vocabularySize: number
  readonly special: SpecialIds
  /** Lone surrogates count as U+FFFD. Throws where maxLength has no room for the special tokens. */
  encode(texts: readonly string[], options?: EncodeOptions): PackedIds
  /** Pair i is (first[i], second[i]); the longer text is cut first. */
  encodePairs(first: readonly string[], second: readonly string[], options?: EncodeOptions): PackedPairs
  tokenOf(id: number): string
  /** Text with special tokens in; ids without a token are left out. */
  decode(ids: Iterable<number>): string
  /** The files of a folder that loads as this tokenizer, by name: those it came from, and what they lacked. */
  files(): Promise<Record<string, Uint8Array>>
}

const fileNames = [
  'tokenizer.json',
  'vocab.txt',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
] as const
type TokenizerFiles = Partial<Record<string, Uint8Array>>

/**
 * Loads tokenizer.json, or vocab.txt with tokenizer_config.json, from a folder. Throws, naming the file, where
 * something is missing, damaged or not supported.
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
  const json = (name: (typeof fileNames)[number]) => {
    const bytes = files[name]
    return bytes && parseStrictJson(new TextDecoder().decode(bytes), `${source}/${name}`)
  }
  const config = json('tokenizer_config.json')
  const specialTokensMap = json('special_tokens_map.json')
  if (files['tokenizer.json']) {
    const read = readTokenizerJson(json('tokenizer.json'), `${source}/tokenizer.json`)
    return makeTokenizer(
      withSpecials(read, readConfig(config, specialTokensMap, source)),
      `${source}/tokenizer.json`,
      files,
    )
  }
  if (files['vocab.txt']) {
    const lines = readVocabulary(new TextDecoder().decode(files['vocab.txt']))
    return makeTokenizer(
      readVocabularyFolder(lines, config, specialTokensMap, json('added_tokens.json'), source),
      `${source}/vocab.txt`,
      files,
    )
  }
  throw new Error(`${source} has no tokenizer.json and no vocab.txt: one of them must say what the tokens are`)
}

/** The roles of special tokens: named in the config, or told by the template, or by BERT's names. */
function withSpecials(read: Omit<WordPiece, 'special'>, config: ReturnType<typeof readConfig>): WordPiece {
  const tokens = allTokens({
    ...read,
    special: { cls: undefined, sep: undefined, pad: undefined, unk: undefined, mask: undefined },
  })
  const { before, after } = specialsAround(read.template.single)
  const idOf = (key: keyof SpecialIds) => {
    const id = tokens.indexOf(specialName(config, key) ?? (key === 'unk' ? read.unknownToken : defaultName(key)))
    return id >= 0 ? id : undefined
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
  const added = new Map<keyof SpecialIds, AddedToken>()
  for (const key of specialKeys) {
    const content = special[key] ?? defaultName(key)
    const id = vocabulary.indexOf(content)
    if (id >= 0)
      added.set(key, {
        id,
        content,
        singleWord: false,
        leftStrip: false,
        rightStrip: false,
        normalized: false,
        special: true,
      })
    else if (special[key] !== undefined)
      throw new Error(
        `${source} of ${vocabulary.length} entries has no ${JSON.stringify(content)}, named as its ${key} token`,
      )
  }
  const id = (key: keyof SpecialIds) => added.get(key)?.id
  const wordpiece: WordPiece = {
    vocabulary,
    unknownToken: special.unk ?? defaultName('unk'),
    continuingPrefix: options.continuingPrefix ?? '##',
    maximumCharacters: options.maximumCharacters ?? 100,
    cleanText: options.cleanText ?? true,
    chineseCharacters: options.chineseCharacters ?? true,
    stripAccents: options.stripAccents ?? null,
    lowerCase: options.lowerCase ?? true,
    added: [...added.values()],
    special: { cls: id('cls'), sep: id('sep'), pad: id('pad'), unk: id('unk'), mask: id('mask') },
    template: bertTemplate(added.get('cls'), added.get('sep')),
    decoder: { prefix: options.continuingPrefix ?? '##', cleanup: true },
  }
  return makeTokenizer(wordpiece, source, {})
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

async function makeTokenizer(wordpiece: WordPiece, source: string, originals: TokenizerFiles): Promise<Tokenizer> {
  const engine = await startEngine(wordpiece, source)
  const tokens = allTokens(wordpiece)
  const { single, pair } = wordpiece.template
  const countIn = (pieces: typeof single) =>
    pieces.reduce((sum, piece) => sum + (piece.kind === 'special' ? piece.ids.length : 0), 0)
  return {
    vocabularySize: tokens.length,
    special: wordpiece.special,
    encode(texts, { maxLength, addSpecialTokens = true } = {}) {
      return engine.encode(texts, roomFor(maxLength, addSpecialTokens ? countIn(single) : 0), addSpecialTokens)
    },
    encodePairs(first, second, { maxLength, addSpecialTokens = true } = {}) {
      if (first.length !== second.length)
        throw new Error(`${first.length} first texts and ${second.length} second ones: a pair needs one of each`)
      const pieces = addSpecialTokens ? pair : pair.filter(piece => piece.kind === 'text')
      const limit = roomFor(maxLength, countIn(pieces))
      // Both as a whole: which of two long texts is the longer decides where an odd id goes.
      const whole = (texts: readonly string[]) => engine.encode(texts, Number.POSITIVE_INFINITY, false)
      return joinPairs(whole(first), whole(second), pieces, limit)
    },
    tokenOf(id) {
      const token = tokens[id]
      if (token === undefined) throw new Error(`no token has the id ${id}; ids go from 0 to ${tokens.length - 1}`)
      return token
    },
    decode(ids) {
      const known = Array.from(ids, id => tokens[id]).filter(token => token !== undefined)
      return wordpiece.decoder
        ? decodeTokens(known, wordpiece.decoder.prefix, wordpiece.decoder.cleanup)
        : known.join(' ')
    },
    files: async () => ({ ...writeTokenizerFiles(wordpiece), ...(originals as Record<string, Uint8Array>) }),
  }
}
