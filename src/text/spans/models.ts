// The models, word by word: ids, and which of the word's characters each stands for.
import type { Definition } from '../definition.js'
import { byteAlphabet, type Host, META, type TextForm } from '../host.js'
import type { Unigram } from '../unigram.js'
import type { WordPiece } from '../wordpiece.js'
import { stringOf } from './aligned.js'
import { bpeWord } from './bpe.js'

/** Tokens of a word. */
export interface Pieces {
  readonly ids: number[]
  /** First and last byte of the word that a token stands for, in UTF-8; the last is behind it. (ids) */
  readonly begins: number[]
  readonly ends: number[]
}

export interface WordModel {
  pieces(codes: readonly number[]): Pieces
  /** Bytes that a character counts for. */
  width(code: number): number
}

const whole = (id: number, bytes: number): Pieces => ({ ids: [id], begins: [0], ends: [bytes] })

const widthOf = (code: number) => (code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4)
const bytesIn = (codes: readonly number[]) => codes.reduce((sum, code) => sum + widthOf(code), 0)

/** Ids of the tokens as the module's texts have them. */
export function idsByText(vocabulary: readonly (string | undefined)[], form: TextForm): Map<string, number> {
  const ids = new Map<string, number>()
  for (const [id, token] of vocabulary.entries()) {
    if (token === undefined) continue
    if (form === 'meta' && token.includes(' ')) continue
    ids.set(form === 'meta' ? token.replaceAll(META, ' ') : token, id)
  }
  return ids
}

export function modelOf(definition: Definition, host: Host): WordModel {
  // Byte-pair encoding counts the bytes of ▁, where a space stands for it: what follows a character that it leaves out is taken to begin sooner.
  const isMeta = definition.form === 'meta' && definition.model.kind === 'bpe'
  const width = (code: number) => (isMeta && code === 0x20 ? META_BYTES : widthOf(code))
  return { pieces: piecesOf(definition, width, host), width }
}

const META_BYTES = 3

function piecesOf({ model, form }: Definition, width: WordModel['width'], host: Host): WordModel['pieces'] {
  switch (model.kind) {
    case 'wordlevel': {
      const ids = idsByText(model.vocabulary, form)
      return codes => whole(ids.get(stringOf(codes)) ?? model.unknown, bytesIn(codes))
    }
    case 'wordpiece': {
      const ids = idsByText(model.vocabulary, form)
      const longest = [...ids.keys()].reduce((most, token) => Math.max(most, token.length), 0)
      return codes => wordPiece(codes, model, ids, longest)
    }
    case 'unigram': {
      const lowest = model.scores.reduce((least, score) => Math.min(least, score), Number.POSITIVE_INFINITY)
      const pieces = { ...model, lowest, bytes: byteTokens(model.vocabulary, byteName) }
      return codes => unigram(codes, pieces, host)
    }
    case 'bpe': {
      const ids = form === 'bytes' && !model.wholeWords ? new Map<string, number>() : idsByText(model.vocabulary, form)
      const bytes = byteTokens(model.vocabulary, form === 'bytes' ? letterOf : byteName)
      const lastBytes = byteTokens(model.vocabulary, byte => letterOf(byte) + (model.suffix ?? ''))
      return codes => bpeWord(codes, { ...model, ids, bytes, lastBytes, width }, form, host)
    }
  }
}

/** Greedy, the longest first. `longest`: UTF-16 units of a token at most. */
function wordPiece(
  codes: readonly number[],
  { unknown, maximumCharacters, continuingPrefix }: WordPiece,
  idsOf: ReadonlyMap<string, number>,
  longest: number,
): Pieces {
  const total = bytesIn(codes)
  if (codes.length > maximumCharacters) return whole(unknown, total)
  const pieces: Pieces = { ids: [], begins: [], ends: [] }
  let byte = 0
  for (let at = 0; at < codes.length; ) {
    let [end, id] = [Math.min(codes.length, at + longest), undefined as number | undefined]
    for (; end > at; end--) {
      id = idsOf.get((at > 0 ? continuingPrefix : '') + stringOf(codes.slice(at, end)))
      if (id !== undefined) break
    }
    if (id === undefined) return whole(unknown, total)
    const bytes = bytesIn(codes.slice(at, end))
    pieces.ids.push(id)
    pieces.begins.push(byte)
    pieces.ends.push(byte + bytes)
    byte += bytes
    at = end
  }
  return pieces
}

interface Pieced extends Unigram {
  /** Of all scores. */
  readonly lowest: number
  /** (256) */
  readonly bytes: Int32Array
}

/** Of all ways to cut a word the one with the greatest sum of scores: see assembly/text/unigram.ts. */
function unigram(codes: readonly number[], model: Pieced, host: Host): Pieces {
  const text = new TextEncoder().encode(stringOf(codes))
  const from = bestCuts(text, model, host)
  const cuts: { begin: number; end: number; id: number }[] = []
  for (let end = text.length; end > 0; end = from.places[end]!) {
    const [begin, id] = [from.places[end]!, from.ids[end]!]
    const last = cuts.at(-1)
    // Unknown pieces next to each other are one.
    if (last && id === model.unknown && last.id === model.unknown) cuts[cuts.length - 1] = { ...last, begin }
    else cuts.push({ begin, end, id })
  }
  const pieces: Pieces = { ids: [], begins: [], ends: [] }
  for (const { begin, end, id } of cuts.reverse())
    for (const each of id === model.unknown ? unknownIds(text.subarray(begin, end), model, host) : [id]) {
      pieces.ids.push(each)
      pieces.begins.push(begin)
      pieces.ends.push(end)
    }
  return pieces
}

function bestCuts(text: Uint8Array, { scores, unknown, lowest }: Pieced, { module }: Host) {
  const best = new Float64Array(text.length + 1).fill(Number.NEGATIVE_INFINITY)
  const places = new Int32Array(text.length + 1)
  const ids = new Int32Array(text.length + 1)
  best[0] = 0
  const reach = (place: number, sum: number, begin: number, id: number) => {
    if (!(sum > best[place]!)) return
    best[place] = sum
    places[place] = begin
    ids[place] = id
  }
  for (let at = 0; at < text.length; ) {
    const byte = text[at]!
    const width = byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4
    let single = false
    let node = module.firstPlace()
    for (let end = at; end < text.length; ) {
      node = module.stepPiece(node, text[end++]!)
      if (node === -1) break
      const id = module.steppedTo()
      if (id < 0) continue
      reach(end, best[at]! + scores[id]!, at, id)
      if (end - at === width) single = true
    }
    if (!single) reach(at + width, best[at]! + (lowest - 10), at, unknown)
    at += width
  }
  return { places, ids }
}

/** Of unknown text: a piece after all, or its bytes, or unknown. */
function unknownIds(text: Uint8Array, { bytes, unknown, byteFallback }: Pieced, { module }: Host): number[] {
  let [node, id] = [module.firstPlace(), -1]
  for (const byte of text) {
    node = node === -1 ? -1 : module.stepPiece(node, byte)
    id = node === -1 ? -1 : module.steppedTo()
  }
  if (id >= 0) return [id]
  if (!byteFallback) return [unknown]
  const ids = Array.from(text, byte => bytes[byte]!)
  return ids.every(each => each >= 0) ? ids : [unknown]
}

export const byteName = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
export const letterOf = (byte: number) => byteAlphabet[byte]!

/** Ids of the tokens that stand for bytes, −1 where there is none. (256) */
export function byteTokens(vocabulary: readonly (string | undefined)[], nameOf: (byte: number) => string): Int32Array {
  const names = new Map(Array.from({ length: 256 }, (_, byte) => [nameOf(byte), byte]))
  const ids = new Int32Array(256).fill(-1)
  for (const [id, token] of vocabulary.entries()) {
    const byte = names.get(token ?? '')
    if (byte !== undefined) ids[byte] = id
  }
  return ids
}
