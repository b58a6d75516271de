// tokenizer_config.json, special_tokens_map.json and added_tokens.json, which say beside the older vocabulary files, or
// beside tokenizer.json, what the special and added tokens are.

import { MAXIMUM_ID, type SpecialIds } from './definition.js'
import { parsePart } from './parse.js'
import * as v from './schema.js'

const Name = v.nullish(
  v.union([v.string(), v.looseObject({ content: v.string() })], 'expected a token or an object with its content'),
)
const Added = v.looseObject({
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
  add_prefix_space: v.nullish(v.boolean()),
  add_bos_token: v.nullish(v.boolean()),
  split_special_tokens: v.nullish(v.boolean()),
  bos_token: Name,
  eos_token: Name,
  cls_token: Name,
  sep_token: Name,
  pad_token: Name,
  unk_token: Name,
  mask_token: Name,
  additional_special_tokens: v.nullish(v.array(Name)),
  added_tokens_decoder: v.nullish(v.record(Added)),
})
export type Config = v.Output<typeof Config>

/** Tokens with a role in the model; those of sentence ends are of older kinds. */
export const specialKeys = ['cls', 'sep', 'pad', 'unk', 'mask'] as const satisfies (keyof SpecialIds)[]
export type SpecialKey = (typeof specialKeys)[number] | 'bos' | 'eos'

/** tokenizer_config.json, what special_tokens_map.json says filled in. */
export function readConfig(config: unknown, specialTokensMap: unknown, source: string): Config {
  const first = parsePart(Config, config ?? {}, `${source}/tokenizer_config.json`)
  const second = parsePart(Config, specialTokensMap ?? {}, `${source}/special_tokens_map.json`)
  const merged = { ...first }
  for (const key of [...specialKeys, 'bos', 'eos'] as const) merged[`${key}_token`] ??= second[`${key}_token`]
  merged.additional_special_tokens ??= second.additional_special_tokens
  if (merged.split_special_tokens)
    throw new Error(
      `${source}/tokenizer_config.json: split_special_tokens true is not supported: special tokens in texts are always found; leave it out`,
    )
  return merged
}

/** Tokenizers of BERT's kind, as the config calls them, without "Tokenizer" and "Fast". */
export const bertClasses: readonly string[] = [
  ...['Bert', 'DistilBert', 'Electra', 'MobileBert', 'ConvBert', 'SqueezeBert', 'LayoutLM'],
  ...['DPRContextEncoder', 'DPRQuestionEncoder'],
]
const byteClasses: readonly (string | undefined)[] = ['GPT2', 'Roberta']

export const classIn = ({ tokenizer_class }: Config): string | undefined =>
  tokenizer_class?.replace(/Tokenizer(Fast)?$/, '') ?? undefined

/**
 * tokenizer.json as transformers reads it beside a config: the classes of BERT, GPT-2 and RoBERTa take some options from the config, and their usual
 * values where it does not give them, whatever tokenizer.json says. Other classes take none.
 */
export function asConfigured(json: unknown, config: Config): unknown {
  const name = classIn(config)
  const parts = (json ?? {}) as Record<string, { readonly type?: string } | null>
  const changed = (key: string, type: string, options: object) =>
    parts[key]?.type === type ? { [key]: { ...parts[key], ...options } } : {}
  if (name !== undefined && bertClasses.includes(name))
    return {
      ...parts,
      ...changed('normalizer', 'BertNormalizer', {
        lowercase: config.do_lower_case ?? true,
        strip_accents: config.strip_accents ?? null,
        handle_chinese_chars: config.tokenize_chinese_chars ?? true,
      }),
    }
  if (!byteClasses.includes(name)) return json
  const options = { add_prefix_space: config.add_prefix_space ?? false }
  return {
    ...parts,
    ...changed('pre_tokenizer', 'ByteLevel', options),
    ...changed('post_processor', 'RobertaProcessing', options),
  }
}

/** The token that a config names, undefined where it names none. */
export function specialName(config: Config, key: SpecialKey): string | undefined {
  const name = config[`${key}_token`]
  return typeof name === 'object' ? name?.content : name
}

/** A token as the "added_tokens" of tokenizer.json has it. */
export interface AddedJson {
  readonly id: number
  readonly content: string
  readonly single_word: boolean
  readonly lstrip: boolean
  readonly rstrip: boolean
  readonly normalized: boolean
  readonly special: boolean
}

const plain = { single_word: false, lstrip: false, rstrip: false }

export const specialToken = (id: number, content: string): AddedJson => ({
  id,
  content,
  ...plain,
  normalized: false,
  special: true,
})

/**
 * The added tokens of a folder without tokenizer.json. `idOf`: of a token in its vocabulary; `specials`: names of the
 * special tokens, as far as the vocabulary has them; `file`: the vocabulary's.
 */
export function addedTokens(
  idOf: (token: string) => number | undefined,
  config: Config,
  addedJson: unknown,
  specials: readonly string[],
  source: string,
  file: string,
): AddedJson[] {
  const added = new Map<string, AddedJson>()
  for (const [key, token] of Object.entries(config.added_tokens_decoder ?? {})) {
    const { content, single_word, lstrip, rstrip, normalized, special } = token
    const id = checkedId(key, content, `${source}/tokenizer_config.json: added_tokens_decoder`)
    added.set(content, { id, content, single_word, lstrip, rstrip, normalized, special })
  }
  const additional = (config.additional_special_tokens ?? []).flatMap(name =>
    typeof name === 'object' ? (name?.content ?? []) : (name ?? []),
  )
  const isSpecial = (content: string) => specials.includes(content) || additional.includes(content)
  for (const [content, key] of Object.entries(
    parsePart(v.record(v.number()), addedJson ?? {}, `${source}/added_tokens.json`),
  )) {
    const id = checkedId(String(key), content, `${source}/added_tokens.json`)
    if (!added.has(content))
      added.set(content, { id, content, ...plain, normalized: !isSpecial(content), special: isSpecial(content) })
  }
  for (const content of [...specials, ...additional]) {
    const id = idOf(content)
    if (!added.has(content) && id !== undefined) added.set(content, specialToken(id, content))
    if (!added.has(content) && additional.includes(content)) {
      throw new Error(
        `${source}: the special token ${JSON.stringify(content)} has no id: it is neither in ${file} nor among the added tokens`,
      )
    }
  }
  return [...added.values()]
}

function checkedId(key: string, content: string, place: string): number {
  const id = Number(key)
  if (Number.isInteger(id) && id >= 0 && id <= MAXIMUM_ID) return id
  throw new Error(`${place}: ${JSON.stringify(content)} has id ${key}, expected an integer from 0 to ${MAXIMUM_ID}`)
}
