// The older form of a BERT tokenizer: vocab.txt, one token a line, its number the id; case and special tokens in
// tokenizer_config.json, added tokens there or in added_tokens.json. A vocab.txt alone is taken as BERT's uncased one.
import * as v from 'valibot'
import { parsePart } from './tokenizer-json.js'
import { type AddedToken, bertTemplate, MAXIMUM_ID, type SpecialIds, type WordPiece } from './wordpiece.js'

const classes = [
  'Bert',
  'DistilBert',
  'Electra',
  'MobileBert',
  'ConvBert',
  'SqueezeBert',
  'LayoutLM',
  'DPRContextEncoder',
  'DPRQuestionEncoder',
]

const Name = v.nullish(
  v.union([v.string(), v.looseObject({ content: v.string() })], 'expected a token or an object with its content'),
)
const Decoder = v.looseObject({
  content: v.pipe(v.string(), v.nonEmpty()),
  single_word: v.optional(v.boolean(), false),
  lstrip: v.optional(v.boolean(), false),
  rstrip: v.optional(v.boolean(), false),
  normalized: v.optional(v.boolean(), true),
  special: v.optional(v.boolean(), false),
})

const Config = v.looseObject({
  tokenizer_class: v.nullish(v.string()),
  do_lower_case: v.nullish(v.boolean()),
  strip_accents: v.nullish(v.boolean()),
  tokenize_chinese_chars: v.nullish(v.boolean()),
  do_basic_tokenize: v.nullish(v.boolean()),
  never_split: v.nullish(v.array(v.string())),
  cls_token: Name,
  sep_token: Name,
  pad_token: Name,
  unk_token: Name,
  mask_token: Name,
  additional_special_tokens: v.nullish(v.array(Name)),
  added_tokens_decoder: v.nullish(v.record(v.string(), Decoder)),
})
type Config = v.InferOutput<typeof Config>

export const specialKeys = ['cls', 'sep', 'pad', 'unk', 'mask'] as const satisfies (keyof SpecialIds)[]

/** tokenizer_config.json, what special_tokens_map.json says filled in. */
export function readConfig(config: unknown, specialTokensMap: unknown, source: string): Config {
  const first = parsePart(Config, config ?? {}, `${source}/tokenizer_config.json`)
  const second = parsePart(Config, specialTokensMap ?? {}, `${source}/special_tokens_map.json`)
  const merged = { ...first }
  for (const key of specialKeys) merged[`${key}_token`] ??= second[`${key}_token`]
  merged.additional_special_tokens ??= second.additional_special_tokens
  return merged
}

/** The token that a config names, undefined where it names none. */
export function specialName(config: Config, key: keyof SpecialIds): string | undefined {
  const name = config[`${key}_token`]
  return typeof name === 'object' ? name?.content : name
}

/** Lines of a vocab.txt; the last line end closes a line and opens none. */
export function readVocabulary(text: string): string[] {
  const lines = text.split('\n').map(line => (line.endsWith('\r') ? line.slice(0, -1) : line))
  if (lines.at(-1) === '') lines.pop()
  return lines
}

function refuseUnsupported(config: Config, source: string): void {
  const name = config.tokenizer_class?.replace(/Tokenizer(Fast)?$/, '')
  if (name !== undefined && !classes.includes(name)) {
    const names = classes.map(known => `${known}Tokenizer`).join(', ')
    throw new Error(
      `${source}/tokenizer_config.json: tokenizer_class ${config.tokenizer_class} is not supported without a tokenizer.json (supported: ${names})`,
    )
  }
  if (config.do_basic_tokenize === false)
    throw new Error(`${source}/tokenizer_config.json: do_basic_tokenize false is not supported`)
  if (config.never_split?.length)
    throw new Error(`${source}/tokenizer_config.json: never_split is not supported; make its tokens added tokens`)
}

function addedTokens(vocabulary: readonly string[], config: Config, addedJson: unknown, source: string): AddedToken[] {
  const added = new Map<string, AddedToken>()
  const plain = { singleWord: false, leftStrip: false, rightStrip: false }
  for (const [key, token] of Object.entries(config.added_tokens_decoder ?? {})) {
    const { content, single_word, lstrip, rstrip, normalized, special } = token
    const id = idOf(key, content, `${source}/tokenizer_config.json: added_tokens_decoder`)
    added.set(content, {
      id,
      content,
      singleWord: single_word,
      leftStrip: lstrip,
      rightStrip: rstrip,
      normalized,
      special,
    })
  }
  const specials = specialKeys.map(key => specialName(config, key) ?? defaultName(key))
  const additional = (config.additional_special_tokens ?? []).flatMap(name =>
    typeof name === 'object' ? (name?.content ?? []) : (name ?? []),
  )
  const isSpecial = (content: string) => specials.includes(content) || additional.includes(content)
  for (const [content, key] of Object.entries(
    parsePart(v.record(v.string(), v.number()), addedJson ?? {}, `${source}/added_tokens.json`),
  )) {
    const id = idOf(String(key), content, `${source}/added_tokens.json`)
    if (!added.has(content))
      added.set(content, { id, content, ...plain, normalized: !isSpecial(content), special: isSpecial(content) })
  }
  for (const content of [...specials, ...additional]) {
    const id = vocabulary.indexOf(content)
    if (!added.has(content) && id >= 0) added.set(content, { id, content, ...plain, normalized: false, special: true })
    if (!added.has(content) && additional.includes(content)) {
      throw new Error(
        `${source}: the special token ${JSON.stringify(content)} has no id: it is neither in vocab.txt nor among the added tokens`,
      )
    }
  }
  return [...added.values()]
}

function idOf(key: string, content: string, place: string): number {
  const id = Number(key)
  if (Number.isInteger(id) && id >= 0 && id <= MAXIMUM_ID) return id
  throw new Error(`${place}: ${JSON.stringify(content)} has id ${key}, expected an integer from 0 to ${MAXIMUM_ID}`)
}

export const defaultName = (key: keyof SpecialIds) => `[${key.toUpperCase()}]`

/** `lines`: of vocab.txt; the others parsed files, undefined where there is none. */
export function readVocabularyFolder(
  lines: readonly string[],
  configJson: unknown,
  specialTokensMap: unknown,
  addedJson: unknown,
  source: string,
): WordPiece {
  const config = readConfig(configJson, specialTokensMap, source)
  refuseUnsupported(config, source)
  const added = addedTokens(lines, config, addedJson, source)
  const named = (key: keyof SpecialIds) => {
    const content = specialName(config, key) ?? defaultName(key)
    return added.find(token => token.content === content)
  }
  for (const key of ['cls', 'sep'] as const) {
    const name = specialName(config, key) ?? defaultName(key)
    if (!named(key))
      throw new Error(
        `${source}: vocab.txt of ${lines.length} entries has no ${JSON.stringify(name)}; name the right ${key}_token in tokenizer_config.json`,
      )
  }
  return {
    vocabulary: lines,
    unknownToken: specialName(config, 'unk') ?? defaultName('unk'),
    continuingPrefix: '##',
    maximumCharacters: 100,
    cleanText: true,
    chineseCharacters: config.tokenize_chinese_chars ?? true,
    stripAccents: config.strip_accents ?? null,
    lowerCase: config.do_lower_case ?? true,
    added,
    special: {
      cls: named('cls')?.id,
      sep: named('sep')?.id,
      pad: named('pad')?.id,
      unk: named('unk')?.id,
      mask: named('mask')?.id,
    },
    template: bertTemplate(named('cls'), named('sep')),
    decoder: { prefix: '##', cleanup: true },
  }
}
