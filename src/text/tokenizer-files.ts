// The files of a tokenizer that was made in memory, or those that a folder lacked, as the Hugging Face libraries read
// them.
import { allTokens, type Definition } from './definition.js'
import { bertTemplate } from './template.js'
import { specialKeys } from './tokenizer-config.js'

const encoder = new TextEncoder()

/**
 * tokenizer.json, tokenizer_config.json, special_tokens_map.json, and a WordPiece tokenizer's vocab.txt where ids have
 * no holes and tokens no line ends. `json`: what tokenizer.json says.
 */
export function writeTokenizerFiles(definition: Definition, json: unknown): Record<string, Uint8Array> {
  const specials = specialNames(definition)
  const files: Record<string, unknown> = {
    'tokenizer.json': json,
    'tokenizer_config.json': { ...tokenizerConfig(definition), ...specials },
    'special_tokens_map.json': specials,
  }
  const written = Object.fromEntries(
    Object.entries(files).map(([name, content]) => [name, encoder.encode(`${JSON.stringify(content, null, 2)}\n`)]),
  )
  const { kind, vocabulary } = definition.model
  const fits = kind === 'wordpiece' && vocabulary.every(token => token !== undefined && !/[\r\n]/.test(token))
  return fits ? { ...written, 'vocab.txt': encoder.encode(`${vocabulary.join('\n')}\n`) } : written
}

function specialNames(definition: Definition): Record<string, string> {
  const tokens = allTokens(definition)
  const names: Record<string, string> = {}
  for (const key of specialKeys) {
    const id = definition.special[key]
    if (id !== undefined) names[`${key}_token`] = tokens[id]!
  }
  return names
}

function tokenizerConfig(definition: Definition): Record<string, unknown> {
  const tokens = allTokens(definition)
  const named = (id: number | undefined) => (id === undefined ? undefined : { id, content: tokens[id]! })
  const { cls, sep } = definition.special
  const bert = definition.normalizers.find(stage => stage.kind === 'bert')
  // BertTokenizer makes its own template and prefix, always the same.
  const isBert =
    definition.model.kind === 'wordpiece' &&
    definition.model.continuingPrefix === '##' &&
    bert &&
    JSON.stringify(bertTemplate(named(cls), named(sep))) === JSON.stringify(definition.template)
  return {
    tokenizer_class: isBert ? 'BertTokenizer' : 'PreTrainedTokenizerFast',
    ...(bert && {
      do_lower_case: bert.lowerCase,
      strip_accents: bert.stripAccents,
      tokenize_chinese_chars: bert.chineseCharacters,
    }),
    added_tokens_decoder: Object.fromEntries(
      [...definition.added]
        .sort((a, b) => a.id - b.id)
        .map(({ id, content, singleWord, leftStrip, rightStrip, normalized, special }) => [
          id,
          { content, single_word: singleWord, lstrip: leftStrip, rstrip: rightStrip, normalized, special },
        ]),
    ),
  }
}
