// The older form of a BERT tokenizer: vocab.txt, one token a line, its number the id; case and special tokens in
// tokenizer_config.json, added tokens there or in added_tokens.json. A vocab.txt alone is taken as BERT's uncased one.
// It is read as the tokenizer.json that says the same.
import { bertTemplate, templateJson } from './template.js'
import {
  type AddedJson,
  addedTokens,
  bertClasses,
  type Config,
  classIn,
  specialKeys,
  specialName,
} from './tokenizer-config.js'
import { vocabularyJson } from './vocabulary-json.js'

/** Lines of a vocab.txt; the last line end closes a line and opens none. */
export function readLines(text: string): string[] {
  const lines = text.split('\n').map(line => (line.endsWith('\r') ? line.slice(0, -1) : line))
  if (lines.at(-1) === '') lines.pop()
  return lines
}

function refuseUnsupported(config: Config, source: string): void {
  const name = classIn(config)
  if (name !== undefined && !bertClasses.includes(name)) {
    const names = bertClasses.map(known => `${known}Tokenizer`).join(', ')
    throw new Error(
      `${source}/tokenizer_config.json: tokenizer_class ${config.tokenizer_class} is not supported without a tokenizer.json (supported: ${names})`,
    )
  }
  if (config.do_basic_tokenize === false)
    throw new Error(`${source}/tokenizer_config.json: do_basic_tokenize false is not supported`)
  if (config.never_split?.length)
    throw new Error(`${source}/tokenizer_config.json: never_split is not supported; make its tokens added tokens`)
}

export const bertName = (key: (typeof specialKeys)[number]) => `[${key.toUpperCase()}]`

/** `lines`: of vocab.txt; `addedJson`: added_tokens.json, undefined where there is none. */
export function vocabularyTxtJson(
  lines: readonly string[],
  config: Config,
  addedJson: unknown,
  source: string,
): unknown {
  refuseUnsupported(config, source)
  const name = (key: (typeof specialKeys)[number]) => specialName(config, key) ?? bertName(key)
  const vocab = vocabularyJson(lines, `${source}/vocab.txt`)
  const added = addedTokens(token => vocab[token], config, addedJson, specialKeys.map(name), source, 'vocab.txt')
  for (const key of ['cls', 'sep'] as const)
    if (!added.some(({ content }) => content === name(key)))
      throw new Error(
        `${source}: vocab.txt of ${lines.length} entries has no ${JSON.stringify(name(key))}; name the right ${key}_token in tokenizer_config.json`,
      )
  return wordPieceJson({
    vocab,
    added,
    names: { cls: name('cls'), sep: name('sep'), unk: name('unk') },
    cleanText: true,
    chineseCharacters: config.tokenize_chinese_chars ?? true,
    stripAccents: config.strip_accents ?? null,
    lowerCase: config.do_lower_case ?? true,
    continuingPrefix: '##',
    maximumCharacters: 100,
  })
}

export interface WordPieceParts {
  readonly vocab: Record<string, number>
  readonly added: readonly AddedJson[]
  readonly names: { readonly cls: string; readonly sep: string; readonly unk: string }
  readonly cleanText: boolean
  readonly chineseCharacters: boolean
  readonly stripAccents: boolean | null
  readonly lowerCase: boolean
  readonly continuingPrefix: string
  readonly maximumCharacters: number
}

/** The tokenizer.json of a BERT tokenizer. */
export function wordPieceJson(parts: WordPieceParts): unknown {
  const { vocab, added, names } = parts
  const named = (content: string) => added.find(token => token.content === content)
  const tokens: string[] = []
  for (const { id, content } of added) tokens[id] = content
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [...added].sort((a, b) => a.id - b.id),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: parts.cleanText,
      handle_chinese_chars: parts.chineseCharacters,
      strip_accents: parts.stripAccents,
      lowercase: parts.lowerCase,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: templateJson(bertTemplate(named(names.cls), named(names.sep)), tokens),
    decoder: { type: 'WordPiece', prefix: parts.continuingPrefix, cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: names.unk,
      continuing_subword_prefix: parts.continuingPrefix,
      max_input_chars_per_word: parts.maximumCharacters,
      vocab,
    },
  }
}
