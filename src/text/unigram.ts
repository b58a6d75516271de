// The model "Unigram" of tokenizer.json: pieces with scores. assembly/text/unigram.ts finds the best way to cut a word.

import { noMemory } from './blocks.js'
import { MAXIMUM_ID } from './definition.js'
import { type Host, place, type TextForm, writeToken } from './host.js'
import type { Lists } from './large-json.js'
import { parseComponent } from './parse.js'
import * as v from './schema.js'

export interface Unigram {
  readonly kind: 'unigram'
  readonly vocabulary: readonly string[]
  /** (vocabulary) */
  readonly scores: Float64Array
  readonly unknown: number
  /** Whether what is unknown becomes the pieces <0x00> to <0xFF>. */
  readonly byteFallback: boolean
}

const Schema = v.looseObject({
  unk_id: v.nullish(v.pipe(v.number(), v.integer(), v.minValue(0))),
  byte_fallback: v.optional(v.boolean(), false),
  vocab: v.custom<unknown[]>(value => Array.isArray(value), 'expected a list of pieces with their scores'),
})

export function readUnigram(json: unknown, source: string, lists?: Lists): Unigram {
  const { unk_id: unknown, byte_fallback: byteFallback, vocab } = parseComponent(Schema, json, source, 'model')
  const count = lists?.vocabulary.length ?? vocab.length
  if (count > MAXIMUM_ID)
    throw new Error(`${source}: model.vocab has ${count} entries, at most ${MAXIMUM_ID} are supported`)
  if (unknown === null || unknown === undefined)
    throw new Error(
      `${source}: model.unk_id is missing, which is not supported: name the piece that stands for unknown text`,
    )
  if (unknown >= count) throw new Error(`${source}: model.unk_id is ${unknown}, but model.vocab has ${count} entries`)
  return { kind: 'unigram', ...(piecesIn(lists) ?? readPieces(vocab, source)), unknown, byteFallback }
}

const piecesIn = (lists: Lists | undefined): Pick<Unigram, 'vocabulary' | 'scores'> | undefined =>
  lists?.scores && { vocabulary: lists.vocabulary as readonly string[], scores: lists.scores }

function readPieces(vocab: readonly unknown[], source: string): Pick<Unigram, 'vocabulary' | 'scores'> {
  const vocabulary: string[] = []
  const scores = new Float64Array(vocab.length)
  for (const [id, entry] of vocab.entries()) {
    const [piece, score] = Array.isArray(entry) && entry.length === 2 ? entry : []
    if (typeof piece !== 'string' || typeof score !== 'number' || !Number.isFinite(score))
      throw new Error(
        `${source}: model.vocab.${id} is ${JSON.stringify(entry)?.slice(0, 100)}, expected a piece and its score`,
      )
    vocabulary.push(piece)
    scores[id] = score
  }
  return { vocabulary, scores }
}

/** Ids of the pieces that stand for bytes, −1 where there is none. (256) */
function byteIds(vocabulary: readonly string[]): Int32Array {
  const ids = new Int32Array(256).fill(-1)
  for (const [id, piece] of vocabulary.entries()) {
    const [, digits] = /^<0x([0-9A-F]{2})>$/.exec(piece) ?? []
    if (digits) ids[Number.parseInt(digits, 16)] = id
  }
  return ids
}

export function putUnigram(host: Host, unigram: Unigram, form: TextForm, source: string): void {
  const { vocabulary, scores, unknown, byteFallback } = unigram
  const what = `${source}: the vocabulary`
  // A space that stands for U+2581 has not its bytes.
  if (byteFallback && form === 'meta' && !vocabulary.includes('\u2581'))
    throw new Error(
      `${source}: model.byte_fallback with a vocabulary that lacks "\u2581" is not supported: add that piece`,
    )
  const lowest = scores.reduce((least, score) => Math.min(least, score), Number.POSITIVE_INFINITY)
  const bytesAt = byteFallback ? place(host, byteIds(vocabulary), what) : 0
  host.module.setUpUnigram(place(host, scores, what), lowest, unknown, bytesAt)
  putEntries(host, vocabulary, form === 'meta' ? form : 'utf8', what)
}

/** The pieces by their bytes; those that cannot occur in a text are empty. */
function putEntries(
  { module, memory }: Host,
  vocabulary: readonly string[],
  form: Exclude<TextForm, 'bytes'>,
  what: string,
): void {
  const count = vocabulary.length
  const most = vocabulary.reduce((sum, piece) => sum + 3 * piece.length, 0)
  const address = module.stageUnigram(most, count) >>> 0
  if (!address) throw noMemory(what, most)
  const ends = new Int32Array(memory.buffer, address, count)
  const text = new Uint8Array(memory.buffer, address + 4 * count, most)
  let end = 0
  for (const [id, piece] of vocabulary.entries()) {
    const written = writeToken(piece, form, text, end)
    if (written >= 0) end = written
    ends[id] = end
  }
  if (!module.buildUnigram(end, count)) throw noMemory(what, 64 * end)
}
