// tokenizer.json of the Hugging Face tokenizers library, its WordPiece kind. Its truncation and padding belong to
// whoever saved it and are not applied.
import * as v from 'valibot'
import {
  type AddedToken,
  bertTemplate,
  MAXIMUM_ID,
  plainTemplate,
  type Template,
  type TemplatePiece,
  type WordPiece,
} from './wordpiece.js'

const supported =
  'supported: model WordPiece; normalizer BertNormalizer or none; pre-tokenizer BertPreTokenizer; ' +
  'post-processor TemplateProcessing, BertProcessing or none'

const Typed = v.nullish(v.looseObject({ type: v.string() }))

const Parts = v.looseObject({
  added_tokens: v.optional(v.array(v.unknown()), []),
  normalizer: Typed,
  pre_tokenizer: Typed,
  post_processor: Typed,
  decoder: Typed,
  model: v.looseObject({ type: v.optional(v.string()) }),
})

const Added = v.looseObject({
  id: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAXIMUM_ID)),
  content: v.pipe(v.string(), v.nonEmpty()),
  single_word: v.optional(v.boolean(), false),
  lstrip: v.optional(v.boolean(), false),
  rstrip: v.optional(v.boolean(), false),
  normalized: v.optional(v.boolean(), true),
  special: v.optional(v.boolean(), false),
})

const Normalizer = v.looseObject({
  clean_text: v.optional(v.boolean(), true),
  handle_chinese_chars: v.optional(v.boolean(), true),
  strip_accents: v.nullish(v.boolean(), null),
  lowercase: v.optional(v.boolean(), true),
})

const Model = v.looseObject({
  unk_token: v.optional(v.string(), '[UNK]'),
  continuing_subword_prefix: v.optional(v.string(), '##'),
  max_input_chars_per_word: v.optional(v.number(), 100),
  vocab: v.custom<Record<string, unknown>>(
    value => typeof value === 'object' && value !== null && !Array.isArray(value),
    'expected an object of ids by token',
  ),
})

const IdPair = v.tuple([v.string(), v.pipe(v.number(), v.integer(), v.minValue(0))])
const BertProcessing = v.looseObject({ sep: IdPair, cls: IdPair })

const Piece = v.union([
  v.strictObject({ Sequence: v.looseObject({ id: v.picklist(['A', 'B']), type_id: v.number() }) }),
  v.strictObject({ SpecialToken: v.looseObject({ id: v.string(), type_id: v.number() }) }),
])
const TemplateProcessing = v.looseObject({
  single: v.array(Piece),
  pair: v.array(Piece),
  special_tokens: v.record(v.string(), v.looseObject({ ids: v.array(v.pipe(v.number(), v.integer(), v.minValue(0))) })),
})

const Decoder = v.looseObject({ prefix: v.optional(v.string(), '##'), cleanup: v.optional(v.boolean(), true) })

/** Checks a part against its schema; an error names the file, the key and what was found there. */
export function parsePart<S extends v.GenericSchema>(
  schema: S,
  value: unknown,
  source: string,
  place = '',
): v.InferOutput<S> {
  const result = v.safeParse(schema, value)
  if (result.success) return result.output
  const [issue] = result.issues
  const key = [place, v.getDotPath(issue)].filter(Boolean).join('.')
  throw new Error(`${source}: ${key ? `${key}: ` : ''}${issue.message}`)
}

function expectType(
  part: { type: string } | null | undefined,
  types: readonly string[],
  place: string,
  source: string,
): string | undefined {
  if (part && types.includes(part.type)) return part.type
  if (!part && types.includes('none')) return undefined
  throw new Error(`${source}: ${place} is ${part ? part.type : 'missing'}, which is not supported (${supported})`)
}

/** What a tokenizer.json says, but for the names of the special tokens, which it does not know. */
export function readTokenizerJson(json: unknown, source: string): Omit<WordPiece, 'special'> {
  const parts = parsePart(Parts, json, source)
  const modelType = parts.model.type ?? ('continuing_subword_prefix' in parts.model ? 'WordPiece' : 'without a type')
  expectType({ type: modelType }, ['WordPiece'], 'model', source)
  expectType(parts.normalizer, ['BertNormalizer', 'none'], 'normalizer', source)
  expectType(parts.pre_tokenizer, ['BertPreTokenizer'], 'pre_tokenizer', source)
  const model = parsePart(Model, parts.model, source, 'model')
  const off = { clean_text: false, handle_chinese_chars: false, strip_accents: false, lowercase: false }
  const normalizer = parts.normalizer ? parsePart(Normalizer, parts.normalizer, source, 'normalizer') : off
  const decoder = parts.decoder?.type === 'WordPiece' ? parsePart(Decoder, parts.decoder, source, 'decoder') : undefined
  const vocabulary = vocabularyOf(model.vocab, source)
  return {
    vocabulary,
    unknownToken: model.unk_token,
    continuingPrefix: model.continuing_subword_prefix,
    maximumCharacters: model.max_input_chars_per_word,
    cleanText: normalizer.clean_text,
    chineseCharacters: normalizer.handle_chinese_chars,
    stripAccents: normalizer.strip_accents,
    lowerCase: normalizer.lowercase,
    added: parts.added_tokens.map((token, i) => readAdded(token, vocabulary, source, `added_tokens.${i}`)),
    template: readTemplate(parts.post_processor, source),
    decoder: decoder && { prefix: decoder.prefix, cleanup: decoder.cleanup },
  }
}

function readAdded(
  json: unknown,
  vocabulary: readonly (string | undefined)[],
  source: string,
  place: string,
): AddedToken {
  const token = parsePart(Added, json, source, place)
  const known = vocabulary.indexOf(token.content)
  if (known >= 0 && known !== token.id) {
    throw new Error(
      `${source}: ${place}: ${JSON.stringify(token.content)} has id ${token.id}, but ${known} in the vocabulary`,
    )
  }
  const { id, content, single_word, lstrip, rstrip, normalized, special } = token
  return { id, content, singleWord: single_word, leftStrip: lstrip, rightStrip: rstrip, normalized, special }
}

function vocabularyOf(vocab: Record<string, unknown>, source: string): (string | undefined)[] {
  const vocabulary: (string | undefined)[] = []
  for (const [token, id] of Object.entries(vocab)) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > MAXIMUM_ID) {
      throw new Error(
        `${source}: model.vocab: ${JSON.stringify(token)} has id ${JSON.stringify(id)}, expected an integer from 0 to ${MAXIMUM_ID}`,
      )
    }
    if (vocabulary[id] !== undefined) {
      throw new Error(
        `${source}: model.vocab: ${JSON.stringify(vocabulary[id])} and ${JSON.stringify(token)} share the id ${id}`,
      )
    }
    vocabulary[id] = token
  }
  return Array.from(vocabulary)
}

function readTemplate(processor: { type: string } | null | undefined, source: string): Template {
  const type = expectType(processor, ['TemplateProcessing', 'BertProcessing', 'none'], 'post_processor', source)
  if (type === undefined) return plainTemplate
  if (type === 'BertProcessing') {
    const { cls, sep } = parsePart(BertProcessing, processor, source, 'post_processor')
    return bertTemplate({ content: cls[0], id: cls[1] }, { content: sep[0], id: sep[1] })
  }
  const { single, pair, special_tokens } = parsePart(TemplateProcessing, processor, source, 'post_processor')
  const read = (
    pieces: v.InferOutput<typeof TemplateProcessing>['single'],
    texts: string,
    place: string,
  ): TemplatePiece[] => {
    const found = pieces.flatMap(piece => ('Sequence' in piece ? [piece.Sequence.id] : [])).sort()
    if (found.join() !== texts)
      throw new Error(
        `${source}: post_processor.${place} has the texts "${found.join()}", expected each of "${texts}" once`,
      )
    return pieces.map(piece => {
      if ('Sequence' in piece)
        return { kind: 'text', text: piece.Sequence.id === 'A' ? 'first' : 'second', type: piece.Sequence.type_id }
      const { id: name, type_id: type } = piece.SpecialToken
      const token = Object.hasOwn(special_tokens, name) ? special_tokens[name] : undefined
      if (!token)
        throw new Error(
          `${source}: post_processor.${place} names ${JSON.stringify(name)}, which post_processor.special_tokens lacks`,
        )
      return { kind: 'special', name, ids: token.ids, type }
    })
  }
  return { single: read(single, 'A', 'single'), pair: read(pair, 'A,B', 'pair') }
}
