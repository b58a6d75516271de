// The files of a tokenizer that was made in memory, or those that a folder lacked, as the Hugging Face libraries read
// them.
import { allTokens, bertTemplate, type SpecialIds, type TemplatePiece, type WordPiece } from './wordpiece.js'

const encoder = new TextEncoder()

/**
 * tokenizer.json, tokenizer_config.json, special_tokens_map.json, and vocab.txt where ids have no holes and tokens no
 * line ends.
 */
export function writeTokenizerFiles(wordpiece: WordPiece): Record<string, Uint8Array> {
  const specials = specialNames(wordpiece)
  const files: Record<string, unknown> = {
    'tokenizer.json': tokenizerJson(wordpiece),
    'tokenizer_config.json': { ...tokenizerConfig(wordpiece), ...specials },
    'special_tokens_map.json': specials,
  }
  const written = Object.fromEntries(
    Object.entries(files).map(([name, json]) => [name, encoder.encode(`${JSON.stringify(json, null, 2)}\n`)]),
  )
  const { vocabulary } = wordpiece
  const fits = vocabulary.every(token => token !== undefined && !/[\r\n]/.test(token))
  return fits ? { ...written, 'vocab.txt': encoder.encode(`${vocabulary.join('\n')}\n`) } : written
}

function specialNames(wordpiece: WordPiece): Record<string, string> {
  const tokens = allTokens(wordpiece)
  const names: Record<string, string> = {}
  for (const key of ['cls', 'sep', 'pad', 'unk', 'mask'] as const satisfies (keyof SpecialIds)[]) {
    const id = wordpiece.special[key]
    if (id !== undefined) names[`${key}_token`] = tokens[id]!
  }
  return names
}

function tokenizerConfig(wordpiece: WordPiece): Record<string, unknown> {
  const named = (id: number | undefined) => (id === undefined ? undefined : { id, content: allTokens(wordpiece)[id]! })
  const bert = bertTemplate(named(wordpiece.special.cls), named(wordpiece.special.sep))
  return {
    // BertTokenizer makes its own template, always the same.
    tokenizer_class:
      JSON.stringify(bert) === JSON.stringify(wordpiece.template) ? 'BertTokenizer' : 'PreTrainedTokenizerFast',
    do_lower_case: wordpiece.lowerCase,
    strip_accents: wordpiece.stripAccents,
    tokenize_chinese_chars: wordpiece.chineseCharacters,
    added_tokens_decoder: Object.fromEntries(addedTokens(wordpiece).map(({ id, ...token }) => [id, token])),
  }
}

const addedTokens = (wordpiece: WordPiece) =>
  [...wordpiece.added]
    .sort((a, b) => a.id - b.id)
    .map(({ id, content, singleWord, leftStrip, rightStrip, normalized, special }) => ({
      id,
      content,
      single_word: singleWord,
      lstrip: leftStrip,
      rstrip: rightStrip,
      normalized,
      special,
    }))

function postProcessor(wordpiece: WordPiece): unknown {
  const tokens = allTokens(wordpiece)
  const write = (pieces: readonly TemplatePiece[]) =>
    pieces.map(piece =>
      piece.kind === 'text'
        ? { Sequence: { id: piece.text === 'first' ? 'A' : 'B', type_id: piece.type } }
        : { SpecialToken: { id: piece.name, type_id: piece.type } },
    )
  const named = wordpiece.template.pair.flatMap(piece => (piece.kind === 'special' ? [piece] : []))
  if (named.length === 0) return null
  return {
    type: 'TemplateProcessing',
    single: write(wordpiece.template.single),
    pair: write(wordpiece.template.pair),
    special_tokens: Object.fromEntries(
      named.map(({ name, ids }) => [name, { id: name, ids, tokens: ids.map(id => tokens[id]) }]),
    ),
  }
}

function tokenizerJson(wordpiece: WordPiece): unknown {
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens(wordpiece),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: wordpiece.cleanText,
      handle_chinese_chars: wordpiece.chineseCharacters,
      strip_accents: wordpiece.stripAccents,
      lowercase: wordpiece.lowerCase,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: postProcessor(wordpiece),
    decoder: wordpiece.decoder ? { type: 'WordPiece', ...wordpiece.decoder } : null,
    model: {
      type: 'WordPiece',
      unk_token: wordpiece.unknownToken,
      continuing_subword_prefix: wordpiece.continuingPrefix,
      max_input_chars_per_word: wordpiece.maximumCharacters,
      vocab: Object.fromEntries(
        [...wordpiece.vocabulary.entries()].flatMap(([id, token]) => (token === undefined ? [] : [[token, id]])),
      ),
    },
  }
}
