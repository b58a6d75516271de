// A vocabulary cut down to the tokens that occur in given texts, and tokenizer.json with it: the same texts get the same tokens under smaller ids.
// Kept are: what the texts are cut into, added tokens, whatever the template puts around a text, a BPE's parts of kept tokens and its single bytes,
// and a Unigram's least likely token (by which unknown characters are scored). The texts are tokenized again to be sure; for those that come out
// otherwise, all that merges can make their tokens of is kept too, and then every token that occurs in them as a piece of text.
import { asObject, isObject, type JsonObject, jsonText, parseStrictJson } from '../data/json.js'
import { type Tokenizer, tokenizerFromFiles } from '../text/tokenizer.js'

export interface TrimmedVocabulary {
  /** Old ids in the order of the new ones. */
  readonly kept: Int32Array
  /** By file name. */
  readonly files: Readonly<Record<string, Uint8Array>>
  readonly tokenizer: Tokenizer
}

type Vocabulary = ReadonlyMap<string, number>

/** A token's id in tokenizer.json's model; a Unigram's is its place. */
function vocabularyOf(model: JsonObject): Vocabulary {
  if (Array.isArray(model.vocab)) return new Map((model.vocab as [string, number][]).map(([token], id) => [token, id]))
  return new Map(Object.entries(asObject(model.vocab, 'tokenizer.json: model.vocab') as Record<string, number>))
}

const partsOf = (merge: unknown): readonly string[] =>
  typeof merge === 'string' ? merge.split(' ') : (merge as string[])

/** For each of a BPE's tokens, what it is made of, down to single characters: by its first merge, or by all. */
function mergeParts(
  model: JsonObject,
  vocabulary: Vocabulary,
  everyMerge: boolean,
): ReadonlyMap<number, readonly number[]> {
  const made = new Map<number, number[]>()
  for (const merge of Array.isArray(model.merges) ? model.merges : []) {
    const [left, right] = partsOf(merge)
    const id = vocabulary.get(`${left}${right}`)!
    const before = made.get(id)
    if (!before || everyMerge) made.set(id, [...(before ?? []), vocabulary.get(left!)!, vocabulary.get(right!)!])
  }
  return made
}

function addParts(kept: Set<number>, tokens: Iterable<number>, parts: ReadonlyMap<number, readonly number[]>): void {
  const found = new Set(tokens)
  // A set goes on with what is added to it.
  for (const id of found) for (const part of parts.get(id) ?? []) found.add(part)
  for (const id of found) kept.add(id)
}

function addAlways(kept: Set<number>, json: JsonObject, model: JsonObject, vocabulary: Vocabulary): void {
  for (const token of (json.added_tokens ?? []) as { id: number }[]) kept.add(token.id)
  // Byte-level BPE writes bytes as the characters up to U+0143, byte fallback as <0x0A>.
  const byteLevel = /"ByteLevel"/.test(JSON.stringify([json.pre_tokenizer, json.decoder]))
  for (const [token, id] of vocabulary) {
    const isByte = /^<0x[0-9A-F]{2}>$/.test(token) || (byteLevel && /^[!-\u0143]$/.test(token))
    if (isByte || token === model.unk_token) kept.add(id)
  }
  if (!Array.isArray(model.vocab)) return
  if (typeof model.unk_id === 'number') kept.add(model.unk_id)
  const scores = (model.vocab as [string, number][]).map(([, score]) => score)
  kept.add(scores.indexOf(scores.reduce((least, score) => Math.min(least, score), 0)))
}

/** Characters of a piece. */
const LONGEST = 40

/** Every token that is a piece of the text, as the vocabulary writes pieces. `written`: the text as tokens that lie side by side. */
function addPieces(kept: Set<number>, vocabulary: Vocabulary, written: readonly string[]): void {
  for (const text of written) {
    const characters = [...text]
    for (let from = 0; from < characters.length; from++)
      for (let to = from + 1; to <= Math.min(characters.length, from + LONGEST); to++) {
        const piece = characters.slice(from, to).join('')
        for (const token of [piece, `##${piece}`]) {
          const id = vocabulary.get(token)
          if (id !== undefined) kept.add(id)
        }
      }
  }
}

/** Where tokenizer.json holds ids, changed: the model, added tokens, the template, padding. */
function rewritten(json: JsonObject, newId: ReadonlyMap<number, number>): JsonObject {
  const model = asObject(json.model, 'tokenizer.json: model')
  const at = (id: number) => newId.get(id)!
  const keptTokens = [...vocabularyOf(model)].filter(([, id]) => newId.has(id))
  const names = new Set(keptTokens.map(([token]) => token))
  const sorted = keptTokens.sort(([, a], [, b]) => at(a) - at(b))
  const vocab = Array.isArray(model.vocab)
    ? sorted.map(([, id]) => (model.vocab as unknown[])[id])
    : Object.fromEntries(sorted.map(([token, id]) => [token, at(id)]))
  const merges = (model.merges as unknown[] | undefined)?.filter(merge =>
    [...partsOf(merge), partsOf(merge).join('')].every(token => names.has(token)),
  )
  const padding = isObject(json.padding) && typeof json.padding.pad_id === 'number' && newId.has(json.padding.pad_id)
  return {
    ...json,
    added_tokens: ((json.added_tokens ?? []) as { id: number }[]).map(token => ({ ...token, id: at(token.id) })),
    post_processor: processorWith(json.post_processor, at),
    ...(padding && {
      padding: { ...(json.padding as JsonObject), pad_id: at((json.padding as { pad_id: number }).pad_id) },
    }),
    model: {
      ...model,
      ...(typeof model.unk_id === 'number' && { unk_id: at(model.unk_id) }),
      vocab,
      ...(merges && { merges }),
    },
  }
}

/** BertProcessing and RobertaProcessing hold pairs [token, id], TemplateProcessing lists of ids, Sequence further ones. */
function processorWith(processor: unknown, at: (id: number) => number): unknown {
  if (!isObject(processor)) return processor
  const pair = (value: unknown) => {
    const [token, id] = value as [string, number]
    return [token, at(id)]
  }
  if (processor.type === 'Sequence')
    return { ...processor, processors: (processor.processors as unknown[]).map(each => processorWith(each, at)) }
  if (processor.type === 'TemplateProcessing') {
    const specials = Object.entries(processor.special_tokens as Record<string, { ids: number[] }>)
    const changed = specials.map(([token, special]) => [token, { ...special, ids: special.ids.map(at) }])
    return { ...processor, special_tokens: Object.fromEntries(changed) }
  }
  if (processor.type === 'BertProcessing' || processor.type === 'RobertaProcessing')
    return { ...processor, sep: pair(processor.sep), cls: pair(processor.cls) }
  return processor
}

/** Ids that the template puts around a text. */
const templateIds = (tokenizer: Tokenizer): Int32Array => tokenizer.encode(['']).ids

const parse = (files: Readonly<Record<string, Uint8Array>>, name: string): JsonObject | undefined =>
  files[name] && asObject(parseStrictJson(new TextDecoder().decode(files[name]), name), name)

/** tokenizer.json, tokenizer_config.json and special_tokens_map.json with the ids changed. */
function trimmedFiles(
  files: Readonly<Record<string, Uint8Array>>,
  newId: ReadonlyMap<number, number>,
): Record<string, Uint8Array> {
  const config = parse(files, 'tokenizer_config.json')
  const decoder =
    config && isObject(config.added_tokens_decoder) ? Object.entries(config.added_tokens_decoder) : undefined
  const added = decoder
    ?.filter(([id]) => newId.has(Number(id)))
    .map(([id, token]) => [newId.get(Number(id))!, token] as const)
  const map = files['special_tokens_map.json']
  const bytes = (value: unknown) => new TextEncoder().encode(jsonText(value))
  return {
    'tokenizer.json': bytes(rewritten(parse(files, 'tokenizer.json')!, newId)),
    ...(config && {
      'tokenizer_config.json': bytes({ ...config, ...(added && { added_tokens_decoder: Object.fromEntries(added) }) }),
    }),
    ...(map && { 'special_tokens_map.json': map }),
  }
}

/** `alsoKept`: ids that a model's config names, such as its padding. */
export async function trimVocabulary(
  tokenizer: Tokenizer,
  texts: readonly string[],
  alsoKept: readonly number[] = [],
): Promise<TrimmedVocabulary> {
  const files = await tokenizer.files()
  const json = parse(files, 'tokenizer.json')!
  const model = asObject(json.model, 'tokenizer.json: model')
  const vocabulary = vocabularyOf(model)
  const { ids, offsets } = tokenizer.encode(texts)
  const special = Object.values(tokenizer.special).filter(id => id !== undefined)
  const kept = new Set([...ids, ...templateIds(tokenizer), ...special, ...alsoKept])
  addAlways(kept, json, model, vocabulary)
  addParts(kept, kept, mergeParts(model, vocabulary, false))
  for (let attempt = 0; ; attempt++) {
    const order = Int32Array.from(kept).sort()
    const newId = new Map([...order].map((id, place) => [id, place]))
    const made = trimmedFiles(files, newId)
    const trimmed = await tokenizerFromFiles(made, 'the trimmed tokenizer')
    const again = trimmed.encode(texts)
    const same = (i: number) => {
      const [start, end] = [offsets[i]!, offsets[i + 1]!]
      if (again.offsets[i + 1]! - again.offsets[i]! !== end - start) return false
      return ids.subarray(start, end).every((id, t) => newId.get(id) === again.ids[again.offsets[i]! + t])
    }
    const others = texts.filter((_, i) => !same(i))
    if (others.length === 0) return { kept: order, files: made, tokenizer: trimmed }
    const cut = others.map(text => tokenizer.encode([text]).ids)
    if (attempt === 0) {
      // Words that go through other merges than their tokens' first.
      const all = mergeParts(model, vocabulary, true)
      for (const own of cut) addParts(kept, own, all)
      continue
    }
    if (attempt > 1)
      throw new Error(
        `the trimmed vocabulary cuts ${others.length} texts otherwise, the first of them ${JSON.stringify(others[0]!.slice(0, 80))}`,
      )
    const written = others.flatMap(text => [text, text.toLowerCase(), text.normalize('NFKC')])
    const asTokens = cut.map(own => Array.from(own, id => tokenizer.tokenOf(id)).join(''))
    addPieces(kept, vocabulary, [...new Set([...written, ...asTokens].flatMap(text => [text, ...text.split(/\s+/)]))])
  }
}
