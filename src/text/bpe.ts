// The model "BPE" of tokenizer.json. assembly/text/bpe.ts merges.

import { type BytesOf, byteAlphabet, type Host, META, type TextForm } from './host.js'
import type { Lists } from './large-json.js'
import { parseComponent } from './parse.js'
import * as v from './schema.js'
import { readVocabulary, Vocabulary } from './vocabulary-json.js'

export interface Bpe {
  readonly kind: 'bpe'
  readonly vocabulary: readonly (string | undefined)[]
  /** Ids of the left parts, then of the right ones, then of what they become, by rank. (3 × merges) */
  readonly merges: Int32Array
  /** undefined: what is unknown is left out. */
  readonly unknown: number | undefined
  /** Unknown characters in a row are one. */
  readonly fuseUnknown: boolean
  /** Whether a character without a token becomes the tokens <0x00> to <0xFF>. */
  readonly byteFallback: boolean
  /** Whether a word that is a token is not taken apart. */
  readonly wholeWords: boolean
  /** Of tokens that end a word. */
  readonly suffix: string | undefined
}

const Schema = v.looseObject({
  dropout: v.nullish(v.number()),
  unk_token: v.nullish(v.string()),
  continuing_subword_prefix: v.nullish(v.string()),
  end_of_word_suffix: v.nullish(v.string()),
  fuse_unk: v.optional(v.boolean(), false),
  byte_fallback: v.optional(v.boolean(), false),
  ignore_merges: v.optional(v.boolean(), false),
  vocab: Vocabulary,
  merges: v.custom<unknown[]>(value => Array.isArray(value), 'expected a list of merges'),
})

export function readBpe(json: unknown, source: string, lists?: Lists): Bpe {
  const model = parseComponent(Schema, json, source, 'model')
  const { continuing_subword_prefix: prefix, end_of_word_suffix: suffix } = model
  if (prefix)
    throw new Error(`${source}: model.continuing_subword_prefix is ${JSON.stringify(prefix)}, which is not supported`)
  if (suffix && model.byte_fallback)
    throw new Error(`${source}: model.end_of_word_suffix beside byte_fallback is not supported`)
  if (model.dropout)
    throw new Error(`${source}: model.dropout is ${model.dropout}, which is not supported: set it to null`)
  const vocabulary = lists?.vocabulary ?? readVocabulary(model.vocab, source)
  const unknown = typeof model.unk_token === 'string' ? vocabulary.indexOf(model.unk_token) : undefined
  if (unknown !== undefined && unknown < 0)
    throw new Error(
      `${source}: the unknown token ${JSON.stringify(model.unk_token)} is not in the vocabulary of ${vocabulary.length} entries`,
    )
  return {
    kind: 'bpe',
    vocabulary,
    merges: lists?.merges ?? readMerges(model.merges, model.vocab, source),
    unknown,
    fuseUnknown: model.fuse_unk,
    byteFallback: model.byte_fallback,
    wholeWords: model.ignore_merges,
    suffix: suffix || undefined,
  }
}

/** −1 where there is none. Not Object.hasOwn, which doubles the time that a large vocabulary takes. */
function idIn(vocab: Record<string, unknown>, token: string): number {
  const id = vocab[token]
  return typeof id === 'number' ? id : -1
}

function readMerges(list: readonly unknown[], vocab: Record<string, unknown>, source: string): Int32Array {
  const count = list.length
  const merges = new Int32Array(3 * count)
  for (let rank = 0; rank < count; rank++) {
    const merge = list[rank]
    const parts: unknown = typeof merge === 'string' ? merge.split(' ') : merge
    if (!isPair(parts))
      throw new Error(`${source}: model.merges.${rank} is ${JSON.stringify(merge)}, expected two tokens`)
    const [left, right] = parts
    merges[rank] = idIn(vocab, left)
    merges[count + rank] = idIn(vocab, right)
    merges[2 * count + rank] = idIn(vocab, left + right)
    if (merges[rank]! >= 0 && merges[count + rank]! >= 0 && merges[2 * count + rank]! >= 0) continue
    const missing = [left, right, left + right].find(token => idIn(vocab, token) < 0)
    throw new Error(
      `${source}: model.merges.${rank} needs the token ${JSON.stringify(missing)}, which the vocabulary lacks`,
    )
  }
  return merges
}

const isPair = (value: unknown): value is readonly [string, string] =>
  Array.isArray(value) && value.length === 2 && typeof value[0] === 'string' && typeof value[1] === 'string'

/** Ids of the tokens that stand for bytes, −1 where there is none. (256) */
function byteIds({ vocabulary, byteFallback }: Bpe, form: TextForm, suffix = ''): Int32Array {
  const names =
    form === 'bytes'
      ? byteAlphabet
      : Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)
  if (form !== 'bytes' && !byteFallback) return new Int32Array(256).fill(-1)
  const wanted = new Map(names.map((name, byte) => [name + suffix, byte]))
  const ids = new Int32Array(256).fill(-1)
  for (let id = 0; id < vocabulary.length; id++) {
    const byte = wanted.get(vocabulary[id] ?? '')
    if (byte !== undefined) ids[byte] = id
  }
  return ids
}

/** Bytes that a space follows within some token. (256) */
export function bytesBeforeSpaces({ vocabulary }: Bpe, form: TextForm): Uint8Array {
  const before = new Uint8Array(256)
  const space = form === 'meta' ? META : ' '
  for (const token of vocabulary) {
    for (let at = token?.indexOf(space, 1) ?? -1; at > 0; at = token!.indexOf(space, at + 1)) {
      const bytes = new TextEncoder().encode(token!.slice(0, at).replaceAll(META, form === 'meta' ? ' ' : META))
      before[bytes.at(-1)!] = 1
    }
  }
  return before
}

/**
 * Whether a text may be cut before a space that no token has inside: the space is a token, no character is left out,
 * and nothing is merged with the tokens that stand for bytes. Not where whole words are looked up: the parts would be
 * words.
 */
export function cutsAtSpaces(bpe: Bpe, form: TextForm): boolean {
  if (
    bpe.wholeWords ||
    bpe.suffix !== undefined ||
    form === 'bytes' ||
    !bpe.vocabulary.includes(form === 'meta' ? META : ' ')
  )
    return false
  const bytes = new Set(byteIds(bpe, form))
  bytes.delete(-1)
  const count = bpe.merges.length / 3
  if (bpe.unknown === undefined && bytes.size < 256) return false
  return bytes.size === 0 || !bpe.merges.subarray(0, 2 * count).some(id => bytes.has(id))
}

export function putBpe(host: Host, bpe: Bpe, form: TextForm, source: string): void {
  const { module, memory } = host
  const what = `${source}: the merges`
  if (form === 'meta' && bpe.byteFallback && !bpe.vocabulary.includes(META))
    throw new Error(`${source}: model.byte_fallback with a vocabulary that lacks "${META}" is not supported`)
  const count = bpe.merges.length / 3
  const staged = module.stageBpe(count) >>> 0
  if (!staged) throw new Error(`${what} are too many for the memory: ${count}`)
  new Int32Array(memory.buffer, staged, bpe.merges.length).set(bpe.merges)
  const { wholeWords, byteFallback, fuseUnknown, unknown, suffix } = bpe
  module.setUpBpe(count, form === 'bytes', wholeWords, byteFallback && form !== 'bytes', fuseUnknown, unknown ?? -1)
  new Int32Array(memory.buffer, module.byteIdsAt() >>> 0, 256).set(byteIds(bpe, form))
  if (suffix !== undefined)
    new Int32Array(memory.buffer, module.setUpSuffix() >>> 0, 256).set(byteIds(bpe, form, suffix))
  new Uint8Array(memory.buffer, module.spaceBehindAt() >>> 0, 256).set(bytesBeforeSpaces(bpe, form))
}

/** A token that is looked up in texts; `last`: at the end of a word, without its suffix. */
interface LookedUp {
  readonly id: number
  readonly bytes: Uint8Array
  readonly last: boolean
}

/** Characters, and all tokens where whole words are looked up. */
export function lookedUp(bpe: Bpe, form: TextForm, bytesOf: BytesOf): LookedUp[] {
  const isCharacter = (text: string) => form !== 'bytes' && text.length <= 2 && [...text].length === 1
  const entry = (id: number, text: string, last: boolean): LookedUp[] => {
    const bytes = bytesOf(text)
    return bytes && bytes.length > 0 ? [{ id, bytes, last }] : []
  }
  return bpe.vocabulary.flatMap((token, id) => {
    if (token === undefined) return []
    const found = isCharacter(token) || bpe.wholeWords ? entry(id, token, false) : []
    const body = bpe.suffix !== undefined && token.endsWith(bpe.suffix) ? token.slice(0, -bpe.suffix.length) : ''
    return isCharacter(body) ? [...found, ...entry(id, body, true)] : found
  })
}
