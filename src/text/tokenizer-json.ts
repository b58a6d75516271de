// tokenizer.json of the Hugging Face tokenizers library. Its truncation and padding belong to whoever saved it and are
// not applied.

import { readBpe } from './bpe.js'
import { readDecoders } from './decode.js'
import { type AddedToken, type Definition, MAXIMUM_ID, type Model } from './definition.js'
import type { Lists } from './large-json.js'
import { readNormalizers } from './normalizers.js'
import { parseComponent, unsupported } from './parse.js'
import { readPreTokenizers } from './pre-tokenizers.js'
import * as v from './schema.js'
import { readTemplate } from './template.js'
import { readUnigram } from './unigram.js'
import { readWordLevel } from './word-level.js'
import { readWordPiece } from './wordpiece.js'

const Parts = v.looseObject({
  added_tokens: v.optional(v.array(v.unknown()), []),
  normalizer: v.optional(v.unknown()),
  pre_tokenizer: v.optional(v.unknown()),
  model: v.looseObject({ type: v.optional(v.string()) }),
  post_processor: v.optional(v.unknown()),
  decoder: v.optional(v.unknown()),
})

/** What of a file changes no ids here. */
const harmless = ['version', 'truncation', 'padding']

const Added = v.looseObject({
  id: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAXIMUM_ID)),
  content: v.pipe(v.string(), v.nonEmpty()),
  single_word: v.optional(v.boolean(), false),
  lstrip: v.optional(v.boolean(), false),
  rstrip: v.optional(v.boolean(), false),
  normalized: v.optional(v.boolean(), true),
  special: v.optional(v.boolean(), false),
})

/**
 * What a tokenizer.json says, but for the names of the special tokens, which it does not know. `lists`: its vocabulary and
 * merges, where they were read apart.
 */
export function readTokenizerJson(json: unknown, source: string, lists?: Lists): Omit<Definition, 'special'> {
  const parts = parseComponent(Parts, json, source, '', harmless)
  const normalizers = readNormalizers(parts.normalizer, source)
  const meta = normalizers.some(({ kind }) => kind === 'meta')
  const { stages, form } = readPreTokenizers(parts.pre_tokenizer, meta ? 'meta' : 'utf8', source)
  const model = readModel(parts.model, source, lists)
  if (form === 'bytes' && model.kind !== 'bpe')
    throw new Error(`${source}: pre_tokenizer has ByteLevel, which is supported with the model BPE only`)
  const template = readTemplate(parts.post_processor, source)
  const decoders = readDecoders(parts.decoder, source)
  return {
    normalizers,
    preTokenizers: stages,
    form,
    model,
    added: settled(
      parts.added_tokens.map((token, i) => readAdded(token, source, `added_tokens.${i}`)),
      model.vocabulary,
    ),
    template,
    decoders,
  }
}

function readModel(json: { type?: string | undefined }, source: string, lists: Lists | undefined): Model {
  switch (json.type ?? kindOf(json)) {
    case 'WordPiece':
      return readWordPiece(json, source, lists)
    case 'BPE':
      return readBpe(json, source, lists)
    case 'Unigram':
      return readUnigram(json, source, lists)
    case 'WordLevel':
      return readWordLevel(json, source, lists)
    default:
      throw unsupported(source, 'model', json.type ?? 'without a type', 'WordPiece, BPE, Unigram, WordLevel')
  }
}

/** Older files do not say what their model is. */
function kindOf(json: object): string | undefined {
  if ('merges' in json) return 'BPE'
  if ('continuing_subword_prefix' in json) return 'WordPiece'
  return 'unk_id' in json ? 'Unigram' : undefined
}

function readAdded(json: unknown, source: string, place: string): AddedToken {
  const { id, content, single_word, lstrip, rstrip, normalized, special } = parseComponent(Added, json, source, place)
  return { id, content, singleWord: single_word, leftStrip: lstrip, rightStrip: rstrip, normalized, special }
}

/**
 * The added tokens with the ids that the reference gives them, whatever the file says: that of the vocabulary, or the next one behind all that there are.
 * One that is listed twice is as it is listed last.
 */
function settled(tokens: readonly AddedToken[], vocabulary: readonly (string | undefined)[]): AddedToken[] {
  const wanted = new Set(tokens.map(({ content }) => content))
  const known = new Map<string, number>()
  let size = 0
  for (const [id, token] of vocabulary.entries()) {
    if (token === undefined) continue
    size++
    if (wanted.has(token)) known.set(token, id)
  }
  const added = new Map<string, AddedToken>()
  let most = -1
  for (const token of tokens) {
    const { content } = token
    const id = added.get(content)?.id ?? known.get(content) ?? Math.max(most + 1, size)
    most = Math.max(most, id)
    added.set(content, { ...token, id })
  }
  return [...added.values()]
}
