// Where in its text each token comes from: begin and end, as the Hugging Face tokenizers give them ("offsets"). The fast way through the tokenizer keeps
// no track of that, so that the text goes another, slower way here, which has to arrive at the same ids.
import type { PackedIds } from '../blocks.js'
import type { AddedToken, Definition } from '../definition.js'
import type { Engine } from '../engine.js'
import { META } from '../host.js'
import { joinPairs, type PackedPairs } from '../pairs.js'
import type { TemplatePiece, Trim } from '../template.js'
import { type AddedIndex, type AddedText, cutAtAdded, indexOf } from './added.js'
import { type Aligned, alignedOf, stringOf } from './aligned.js'
import { type Characters, loadCharacters, SPACE } from './characters.js'
import { modelOf, type WordModel } from './models.js'
import { metaToSpaces, normalize } from './normalize.js'
import { preTokenize } from './pre-tokenize.js'

/** Tokens of texts without special ones, and in UTF-16 units where each begins and ends; text i has those from offsets[i] to offsets[i + 1]. */
export interface Spanned {
  readonly ids: Int32Array
  readonly begins: Int32Array
  readonly ends: Int32Array
  readonly offsets: Int32Array
}

export interface PackedSpans extends PackedPairs {
  /**
   * Token i comes from text.slice(spans[2 * i], spans[2 * i + 1]), in UTF-16 units of its own text; special tokens that the template adds have 0 and 0. A
   * token that is a part of a character has all of it. (2 × ids)
   */
  readonly spans: Int32Array
}

export type SpansOf = (texts: readonly string[]) => Spanned

interface Tracker {
  readonly definition: Definition
  readonly engine: Engine
  readonly characters: Characters
  readonly raw: AddedIndex
  readonly normalized: AddedIndex
  readonly model: WordModel
  readonly metaSpaces: boolean
}

const added = ({ id, singleWord, leftStrip, rightStrip }: AddedToken, text: string): AddedText => ({
  ...{ id, text, singleWord, leftStrip, rightStrip },
})

/** Special ones before others, which counts where two look alike. */
function addedIndex({ definition, engine }: Pick<Tracker, 'definition' | 'engine'>, isNormalized: boolean): AddedIndex {
  const listed = definition.added.map((token, i) => ({ token, text: engine.addedTexts[i]! }))
  return indexOf(
    listed
      .filter(({ token }) => token.normalized === isNormalized)
      .sort((a, b) => Number(b.token.special) - Number(a.token.special))
      .map(({ token, text }) => added(token, text)),
  )
}

export async function startSpans(definition: Definition, engine: Engine): Promise<SpansOf> {
  const characters = await loadCharacters()
  const parts = { definition, engine, characters }
  const tracker: Tracker = {
    ...parts,
    raw: addedIndex(parts, false),
    normalized: addedIndex(parts, true),
    model: modelOf(definition, engine.host),
    metaSpaces: definition.normalizers.some(({ kind }) => kind === 'meta'),
  }
  return texts => {
    const to = { ids: [] as number[], begins: [] as number[], ends: [] as number[] }
    const offsets = new Int32Array(texts.length + 1)
    for (const [i, text] of texts.entries()) {
      encodeText(text, tracker, to)
      offsets[i + 1] = to.ids.length
    }
    const [ids, begins, ends] = [to.ids, to.begins, to.ends].map(list => Int32Array.from(list))
    return { ids: ids!, begins: begins!, ends: ends!, offsets }
  }
}

interface Token {
  readonly id: number
  begin: number
  end: number
  /** White space at its beginning and end, in characters. */
  readonly blanks: readonly [number, number]
}

function encodeText(text: string, tracker: Tracker, to: { ids: number[]; begins: number[]; ends: number[] }): void {
  const aligned = alignedOf(text)
  const tokens = tokensOf(aligned, tracker)
  for (const trim of tracker.definition.template.trims ?? []) trimTokens(tokens, trim)
  const units = unitsOf(text, aligned.codes.length)
  for (const { id, begin, end } of tokens) {
    to.ids.push(id)
    to.begins.push(units ? units[begin]! : begin)
    to.ends.push(units ? units[end]! : end)
  }
}

function tokensOf(text: Aligned, tracker: Tracker): Token[] {
  const { definition, engine, characters, raw, normalized, metaSpaces } = tracker
  const tokens: Token[] = []
  const putAdded = (id: number, part: Aligned, meta: boolean) =>
    tokens.push({
      ...{ id, begin: part.begins[0]!, end: part.ends.at(-1)! },
      blanks: blanksOf(meta ? stringOf(part.codes).replaceAll(' ', META) : stringOf(part.codes), characters),
    })
  for (const { text: part, id } of cutAtAdded(text, raw, characters, false)) {
    if (id !== undefined) {
      putAdded(id, part, false)
      continue
    }
    const made = normalize(part, definition.normalizers, characters, engine.host)
    for (const { text: piece, id: token } of cutAtAdded(
      metaSpaces ? metaToSpaces(made) : made,
      normalized,
      characters,
      metaSpaces,
    ))
      if (token !== undefined) putAdded(token, piece, metaSpaces)
      else
        for (const word of preTokenize(piece, definition.preTokenizers, characters, engine.host))
          putWord(word, tracker, tokens)
  }
  return tokens
}

function putWord(word: Aligned, { model, definition, characters }: Tracker, to: Token[]): void {
  const { ids, begins, ends } = model.pieces(word.codes)
  const { trims } = definition.template
  let [character, byte] = [0, 0]
  /** The character that has a byte; bytes come in order. */
  const characterAt = (wanted: number) => {
    while (character + 1 < word.codes.length && byte + model.width(word.codes[character]!) <= wanted)
      byte += model.width(word.codes[character++]!)
    return character
  }
  for (const [i, id] of ids.entries()) {
    // Several tokens may share bytes: of unknown text, one for each of its bytes.
    if (i > 0 && begins[i]! < begins[i - 1]!) [character, byte] = [0, 0]
    const first = i > 0 && begins[i] === begins[i - 1] ? undefined : characterAt(begins[i]!)
    const before = to.at(-1)
    const begin = first === undefined ? before!.begin : word.begins[first]!
    const end = first === undefined ? before!.end : word.ends[characterAt(ends[i]! - 1)]!
    const token = trims?.length ? (definition.model.vocabulary[id] ?? '') : ''
    to.push({ id, begin, end, blanks: blanksOf(token, characters) })
  }
}

const isBlank = (code: number, characters: Characters) => code === 0x120 || (characters.flags(code) & SPACE) !== 0

/** Spaces and what stands for one in the byte alphabet. */
function blanksOf(token: string, characters: Characters): readonly [number, number] {
  const codes = Array.from(token, character => character.codePointAt(0)!)
  let [first, last] = [0, 0]
  while (first < codes.length && isBlank(codes[first]!, characters)) first++
  while (last < codes.length && isBlank(codes[codes.length - 1 - last]!, characters)) last++
  return [first, last]
}

function trimTokens(tokens: Token[], { prefixed }: Trim): void {
  for (const [i, token] of tokens.entries()) {
    const [leading, trailing] = token.blanks
    const isFirst = i === 0 || token.begin === 0
    const taken = isFirst && prefixed && leading === 1 ? 0 : leading
    if (leading > 0) token.begin = Math.min(token.begin + taken, token.end)
    if (trailing > 0 && token.end >= trailing) token.end = Math.max(token.end - trailing, token.begin)
  }
}

/** UTF-16 units before each character and before the end, where there are more of them than characters. */
function unitsOf(text: string, characters: number): Int32Array | undefined {
  if (text.length === characters) return undefined
  const units = new Int32Array(characters + 1)
  for (let i = 0, unit = 0; i < characters; i++) {
    unit += text.codePointAt(unit)! > 0xffff ? 2 : 1
    units[i + 1] = unit
  }
  return units
}

const join = (
  first: Spanned,
  second: Spanned,
  key: 'ids' | 'begins' | 'ends',
  pieces: readonly TemplatePiece[],
  limit: number,
) => {
  const packed = ({ offsets, ...lists }: Spanned): PackedIds => ({ ids: lists[key], offsets, truncated: 0 })
  // A special token is nowhere in the text.
  const placed = pieces.map(piece => (piece.kind === 'special' ? { ...piece, ids: piece.ids.map(() => 0) } : piece))
  return joinPairs(packed(first), packed(second), key === 'ids' ? pieces : placed, limit)
}

/** Texts, or pairs of them, put together by a template; `limit`: ids of the texts at most, special ones not counted. */
export function joinSpans(
  first: Spanned,
  second: Spanned,
  pieces: readonly TemplatePiece[],
  limit: number,
): PackedSpans {
  const joined = join(first, second, 'ids', pieces, limit)
  const begins = join(first, second, 'begins', pieces, limit).ids
  const ends = join(first, second, 'ends', pieces, limit).ids
  const spans = new Int32Array(2 * begins.length)
  for (let i = 0; i < begins.length; i++) {
    spans[2 * i] = begins[i]!
    spans[2 * i + 1] = ends[i]!
  }
  return { ...joined, spans }
}

/** As many empty texts. */
export const nothing = (texts: number): Spanned => {
  const none = new Int32Array(0)
  return { ids: none, begins: none, ends: none, offsets: new Int32Array(texts + 1) }
}

/** Fails where the slower way has come to other ids than the fast one. */
export function checkSame(slow: Spanned, fast: PackedIds, texts: readonly string[]): void {
  const same =
    slow.ids.length === fast.ids.length &&
    slow.ids.every((id, i) => id === fast.ids[i]) &&
    slow.offsets.every((offset, i) => offset === fast.offsets[i])
  if (same) return
  const isSame = (_: string, i: number) => {
    const [one, other] = [slow, fast].map(({ ids, offsets }) => ids.subarray(offsets[i], offsets[i + 1]))
    return one!.length === other!.length && one!.every((id, j) => id === other![j])
  }
  const text = texts.find((each, i) => !isSame(each, i)) ?? ''
  throw new Error(
    `no places of tokens for the text ${JSON.stringify(text.slice(0, 100))}: what keeps track of them cuts it in another way than the tokenizer does; please report it`,
  )
}
