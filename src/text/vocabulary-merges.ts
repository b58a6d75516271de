// The older form of GPT-2's and RoBERTa's tokenizers: vocab.json with ids by token and merges.txt with the merges, one
// a line, by rank; which of the two it is in tokenizer_config.json or, where that does not say, by RoBERTa's special
// tokens. It is read as the tokenizer.json that says the same.

import { parsePart } from './parse.js'
import * as v from './schema.js'
import { type AddedJson, addedTokens, type Config, type SpecialKey, specialName } from './tokenizer-config.js'
import { Vocabulary } from './vocabulary-json.js'

const classes = ['GPT2', 'Roberta'] as const

/** Names of the special tokens where the config gives none. */
const names: Readonly<Record<(typeof classes)[number], Partial<Record<SpecialKey, string>>>> = {
  GPT2: { bos: '<|endoftext|>', eos: '<|endoftext|>', unk: '<|endoftext|>' },
  Roberta: { bos: '<s>', eos: '</s>', cls: '<s>', sep: '</s>', pad: '<pad>', unk: '<unk>', mask: '<mask>' },
}
const keys = ['bos', 'eos', 'cls', 'sep', 'pad', 'unk', 'mask'] as const

function classOf(config: Config, vocab: Record<string, unknown>, source: string): (typeof classes)[number] {
  const given = config.tokenizer_class
  const name = classes.find(each => each === given?.replace(/Tokenizer(Fast)?$/, ''))
  if (name) return name
  if (typeof given === 'string')
    throw new Error(
      `${source}/tokenizer_config.json: tokenizer_class ${given} is not supported without a tokenizer.json (supported with vocab.json: ${classes.map(each => `${each}Tokenizer`).join(', ')})`,
    )
  return ['<s>', '</s>', '<pad>', '<mask>'].every(token => Object.hasOwn(vocab, token)) ? 'Roberta' : 'GPT2'
}

/** Lines of merges.txt; a first line may give its version. */
function readMerges(text: string): string[] {
  const lines = text.split('\n').map(line => (line.endsWith('\r') ? line.slice(0, -1) : line))
  return lines.filter((line, i) => line !== '' && !(i === 0 && line.startsWith('#version')))
}

/** `vocabJson`: vocab.json; `addedJson`: added_tokens.json, undefined where there is none. */
export function vocabularyMergesJson(
  vocabJson: unknown,
  merges: string,
  config: Config,
  addedJson: unknown,
  source: string,
): unknown {
  const vocab = parsePart(Vocabulary, vocabJson, `${source}/vocab.json`)
  const kind = classOf(config, vocab, source)
  const name = (key: SpecialKey) => specialName(config, key) ?? names[kind][key]
  const idOf = (token: string) =>
    Object.hasOwn(vocab, token) ? parsePart(v.number(), vocab[token], source) : undefined
  const specials = [...new Set(keys.flatMap(key => name(key) ?? []))]
  const added = addedTokens(idOf, config, addedJson, specials, source, 'vocab.json').map(token =>
    // RoBERTa's mask takes the space before it, as a word would.
    kind === 'Roberta' && token.content === name('mask') ? { ...token, lstrip: true } : token,
  )
  const prefix = config.add_prefix_space ?? false
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added.sort((a, b) => a.id - b.id),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: prefix, trim_offsets: true, use_regex: true },
    post_processor:
      kind === 'Roberta' ? robertaProcessor(added, name, prefix, source) : processorOf(config, added, name),
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges: readMerges(merges),
    },
  }
}

function robertaProcessor(
  added: readonly AddedJson[],
  name: (key: SpecialKey) => string | undefined,
  add_prefix_space: boolean,
  source: string,
): unknown {
  const pair = (key: SpecialKey) => {
    const token = added.find(({ content }) => content === name(key))
    if (!token)
      throw new Error(
        `${source}: vocab.json has no ${JSON.stringify(name(key))}; name the right ${key}_token in tokenizer_config.json`,
      )
    return [token.content, token.id]
  }
  return { type: 'RobertaProcessing', sep: pair('sep'), cls: pair('cls'), trim_offsets: true, add_prefix_space }
}

/** GPT-2 puts its token before a text only where it is told to. */
function processorOf(
  config: Config,
  added: readonly AddedJson[],
  name: (key: SpecialKey) => string | undefined,
): unknown {
  const token = config.add_bos_token ? added.find(({ content }) => content === name('bos')) : undefined
  if (!token) return { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false, use_regex: true }
  const bos = (type_id: number) => ({ SpecialToken: { id: token.content, type_id } })
  const text = (id: string, type_id: number) => ({ Sequence: { id, type_id } })
  return {
    type: 'TemplateProcessing',
    single: [bos(0), text('A', 0)],
    pair: [bos(0), text('A', 0), bos(1), text('B', 1)],
    special_tokens: { [token.content]: { id: token.content, ids: [token.id], tokens: [token.content] } },
  }
}
