// An end token behind every text, for models that read a text's vector from its last token: put into the tokenizer's own template, so that
// truncation leaves room for it and what is saved with the model loads with it anywhere.
import { asObject, isObject, type JsonObject, jsonText, parseStrictJson } from '../data/json.js'
import { type Tokenizer, tokenizerFromFiles } from './tokenizer.js'

const decoded = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/**
 * The tokenizer with its end token behind every text; itself where it puts a special token there already. The token is the eos_token of
 * tokenizer_config.json, else the one of the id `otherwise`. `source` begins the error messages.
 */
export async function withEnd(tokenizer: Tokenizer, source: string, otherwise?: number): Promise<Tokenizer> {
  const last = (addSpecialTokens: boolean) => tokenizer.encode(['a'], { addSpecialTokens }).ids.at(-1)
  if (last(true) !== last(false)) return tokenizer
  const files = await tokenizer.files()
  const place = `${source}/tokenizer.json`
  const json = asObject(parseStrictJson(decoded(files['tokenizer.json']!), place), place)
  const token = endToken(files['tokenizer_config.json'], source) ?? tokenAt(tokenizer, otherwise)
  if (token === undefined)
    throw new Error(
      `${source} names no eos_token in tokenizer_config.json, which has to end every text for pooling by the last token; add it`,
    )
  const { ids } = tokenizer.encode([token], { addSpecialTokens: false })
  if (ids.length !== 1)
    throw new Error(`${source}: the eos_token ${JSON.stringify(token)} is no token of the tokenizer`)
  const post_processor = ended(json.post_processor, token, ids[0]!)
  const made = { ...files, 'tokenizer.json': new TextEncoder().encode(jsonText({ ...json, post_processor })) }
  return tokenizerFromFiles(made, source)
}

const tokenAt = (tokenizer: Tokenizer, id: number | undefined) =>
  id !== undefined && id < tokenizer.vocabularySize ? tokenizer.tokenOf(id) : undefined

function endToken(config: Uint8Array | undefined, source: string): string | undefined {
  if (!config) return undefined
  const token = asObject(parseStrictJson(decoded(config), source), `${source}/tokenizer_config.json`).eos_token
  const content = isObject(token) ? token.content : token
  return typeof content === 'string' ? content : undefined
}

/** The post-processor with the token at the end of its template; with a template of that alone where it has none. */
function ended(present: unknown, token: string, id: number): JsonObject {
  const all = isObject(present) && present.type === 'Sequence' ? (present.processors as JsonObject[]) : [present]
  const processors = all.filter(isObject)
  const text = (name: 'A' | 'B') => ({ Sequence: { id: name, type_id: name === 'A' ? 0 : 1 } })
  const end = (type_id: number) => ({ SpecialToken: { id: token, type_id } })
  const plain = { type: 'TemplateProcessing', single: [text('A')], pair: [text('A'), text('B')], special_tokens: {} }
  const template = processors.find(({ type }) => type === 'TemplateProcessing') ?? plain
  const longer = {
    ...template,
    single: [...(template.single as unknown[]), end(0)],
    pair: [...(template.pair as unknown[]), end(1)],
    special_tokens: { ...(template.special_tokens as JsonObject), [token]: { id: token, ids: [id], tokens: [token] } },
  }
  const others = processors.filter(each => each !== template)
  return others.length > 0 ? { type: 'Sequence', processors: [...others, longer] } : longer
}
