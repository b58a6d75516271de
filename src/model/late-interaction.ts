// Texts as a late-interaction model sees them (ColBERT, Khattab and Zaharia 2020): a marker behind the first special token, queries filled up with
// mask tokens that attend and are not attended to, and what takes no part in the score. Every token gives a vector.
import type { Tokenizer } from '../text/tokenizer.js'
import type { PackedBatch } from './batch.js'
import type { LateInteractionSettings } from './late-interaction-settings.js'
import type { SentenceSettings } from './sentence-transformers.js'

export interface LateBatch extends PackedBatch {
  /** (T): 0 where a token takes no part in the score. */
  readonly keep: Uint8Array
  /** Texts that were cut. */
  readonly truncated: number
}

export interface LateTokenizer {
  /** `maxLength`: fewer tokens than the model's own limit. */
  encode(kind: 'query' | 'document', texts: readonly string[], maxLength?: number): LateBatch
}

type Settings = Pick<SentenceSettings, 'doLowerCase' | 'lateInteraction'>

/** Fails where the model is none of late interaction, or the tokenizer lacks the token that queries are filled up with. */
export function createLateTokenizer(tokenizer: Tokenizer, { doLowerCase, lateInteraction }: Settings): LateTokenizer {
  if (!lateInteraction) throw new Error('the model makes one vector a text: it has no settings of late interaction')
  const late = lateInteraction
  const idOf = idsByToken(tokenizer)
  const markers = {
    query: markerIds(tokenizer, idOf, late.queryMarker),
    document: markerIds(tokenizer, idOf, late.documentMarker),
  }
  const skipped = skippedIds(tokenizer, idOf, late.skipWords)
  const filler = late.expansion && fillerId(tokenizer, idOf, late.expansion.token)
  return {
    encode(kind, texts, maxLength) {
      const own = kind === 'query' ? late.queryLength : late.documentLength
      const length = Math.min(own, maxLength ?? own)
      const marker = markers[kind]
      const cased = doLowerCase ? texts.map(text => text.toLowerCase()) : texts
      const packed = tokenizer.encode(cased, { maxLength: length - marker.length })
      const marked = insertBehindFirst(packed, marker)
      const skips = late.skipIn.includes(kind) ? skipped : new Set<number>()
      const whole = kind === 'query' && filler !== undefined ? fillUp(marked, late.expansion!, length, filler) : marked
      // What was added is no punctuation even where the same token would be
      const keep = Uint8Array.from(whole.ids, id => (skips.has(id) && id !== filler ? 0 : 1))
      return { ...whole, keep, truncated: packed.truncated }
    },
  }
}

/** Ids of tokens, found among all of the vocabulary when first asked for. */
function idsByToken(tokenizer: Tokenizer): (token: string) => number | undefined {
  let ids: Map<string, number> | undefined
  return token => {
    if (!ids) {
      ids = new Map()
      for (let id = tokenizer.vocabularySize - 1; id >= 0; id--) ids.set(tokenizer.tokenOf(id), id)
    }
    return ids.get(token)
  }
}

/** One token where the vocabulary has it as it is written (or without the space after it), else the tokens of its text. */
function markerIds(
  tokenizer: Tokenizer,
  idOf: (token: string) => number | undefined,
  marker: string,
): readonly number[] {
  if (marker === '') return []
  const id = idOf(marker) ?? idOf(marker.trim())
  return id === undefined ? Array.from(tokenizer.encode([marker], { addSpecialTokens: false }).ids) : [id]
}

/** Words that are a token; what the vocabulary does not have cannot occur. */
function skippedIds(
  tokenizer: Tokenizer,
  idOf: (token: string) => number | undefined,
  words: readonly string[],
): ReadonlySet<number> {
  const ids = words.flatMap(word => {
    const pieces = tokenizer.encode([word], { addSpecialTokens: false }).ids
    const alone = pieces.length === 1 && pieces[0] !== tokenizer.special.unk ? [pieces[0]!] : []
    const exact = idOf(word)
    return exact === undefined ? alone : [exact, ...alone]
  })
  return new Set(ids)
}

function fillerId(tokenizer: Tokenizer, idOf: (token: string) => number | undefined, token?: string): number {
  const id = token === undefined ? tokenizer.special.mask : idOf(token)
  if (id !== undefined) return id
  throw new Error(
    token === undefined
      ? 'queries are filled up with mask tokens, but the tokenizer has none; name its mask_token in tokenizer_config.json'
      : `queries are filled up with "${token}", which is not a token of the tokenizer; correct query_expansion.token`,
  )
}

function insertBehindFirst({ ids, offsets }: PackedBatch, marker: readonly number[]): PackedBatch {
  if (marker.length === 0) return { ids, offsets }
  const marked = new Int32Array(ids.length + (offsets.length - 1) * marker.length)
  const ends = new Int32Array(offsets.length)
  for (let b = 0; b + 1 < offsets.length; b++) {
    const [start, end, to] = [offsets[b]!, offsets[b + 1]!, ends[b]!]
    const first = Math.min(start + 1, end)
    marked.set(ids.subarray(start, first), to)
    marked.set(marker, to + first - start)
    marked.set(ids.subarray(first, end), to + first - start + marker.length)
    ends[b + 1] = to + end - start + marker.length
  }
  return { ids: marked, offsets: ends }
}

/** Sequences filled up to a length. Unless the others attend to what was added, `keyLengths` says where that begins. */
function fillUp(
  { ids, offsets }: PackedBatch,
  { length: expanded, attend }: NonNullable<LateInteractionSettings['expansion']>,
  limit: number,
  filler: number,
): PackedBatch {
  const length = Math.min(expanded, limit)
  const ends = new Int32Array(offsets.length)
  const keyLengths = new Int32Array(offsets.length - 1)
  for (let b = 0; b + 1 < offsets.length; b++) {
    keyLengths[b] = offsets[b + 1]! - offsets[b]!
    ends[b + 1] = ends[b]! + Math.max(keyLengths[b]!, length)
  }
  const filled = new Int32Array(ends.at(-1)!).fill(filler)
  for (let b = 0; b + 1 < offsets.length; b++) filled.set(ids.subarray(offsets[b]!, offsets[b + 1]!), ends[b])
  return { ids: filled, offsets: ends, ...(!attend && { keyLengths }) }
}
