// Tokenizers to fuzz: those in folders, the same with random added tokens and normalizers, and small ones made of all components that
// tokenizer.json may name, one by one and in random sequences.
import type { Random } from './random.js'

export type Json = Record<string, unknown>

export interface Family {
  readonly name: string
  /** tokenizer.json. */
  readonly json: Json
  /** A tokenizer that people use, as it is; not one made up. */
  readonly real: boolean
}

const added = (id: number, content: string, flags: Json = {}): Json => ({
  ...{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: true, special: false },
  ...flags,
})

/** Ids of their own behind the vocabulary's; texts that no normalizer here makes alike: which of two such tokens is found is not defined. */
function addedTokens(random: Random, vocabulary: ReadonlyMap<string, number>): Json[] {
  let next = 1 + [...vocabulary.values()].reduce((most, id) => Math.max(most, id), 0)
  return ['<s>', '[X]', 'foo', 'Foo bar', 'ab', 'xC', '<|end|>', ' y', '_', 'É'].map(content =>
    added(vocabulary.get(content) ?? next++, content, {
      single_word: random.chance(0.3),
      lstrip: random.chance(0.4),
      rstrip: random.chance(0.4),
      normalized: random.chance(0.5),
      special: random.chance(0.3),
    }),
  )
}

const vocabularyOf = ({ vocab }: Json): Map<string, number> =>
  new Map(
    Array.isArray(vocab)
      ? vocab.map(([piece]: [string], id) => [piece, id])
      : Object.entries(vocab as Record<string, number>),
  )

/** The same tokenizer with other added tokens, where `normalizer` is given with that, too. */
function withAdded(random: Random, json: Json, normalizer?: unknown): Json {
  const tokens = addedTokens(random, vocabularyOf(json.model as Json))
  return { ...json, added_tokens: tokens, post_processor: null, ...(normalizer !== undefined && { normalizer }) }
}

const behaviors = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous']
const metaspaces: readonly Json[] = ['always', 'first', 'never'].flatMap(prepend_scheme =>
  [true, false].map(split => ({ type: 'Metaspace', replacement: '\u2581', prepend_scheme, split })),
)
const gpt2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
const anyCase = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
const [upper, lower] = ['[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]', '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]']
const blanks = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'
/** As tokenizers that people use have them: cl100k written with possessive repeats, o200k, Tekken, DeepSeek, Qwen 3.5, BLOOM, CLIP. */
const expressions = [
  "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s",
  `[^\\r\\n\\p{L}\\p{N}]?${upper}*${lower}+${anyCase}?|[^\\r\\n\\p{L}\\p{N}]?${upper}+${lower}*${anyCase}?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${blanks}`,
  `[^\\r\\n\\p{L}\\p{N}]?${upper}*${lower}+|[^\\r\\n\\p{L}\\p{N}]?${upper}+${lower}*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${blanks}`,
  `[!"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_\`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|${blanks}`,
  '[一-龥ࠀ-一가-퟿]+',
  '\\s?\\p{P}+',
  `${anyCase}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|${blanks}`,
  ' ?[^(\\s|[.,!?…。，、।۔،])]+',
  "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+",
  '\\w+|[^\\w\\s]+',
  '(?:th|[aeiou](?=\\p{L}))+',
  '(?<![a-z])[A-Z]|^\\s|.$',
  '(?i:the|K|\\d{2,3}?)',
]

const preTokenizers: readonly Json[] = [
  ...expressions.map(Regex => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false })),
  ...behaviors.flatMap((behavior, i) =>
    [false, true].map(invert => ({ type: 'Split', pattern: { Regex: expressions[4 + i] }, behavior, invert })),
  ),
  { type: 'BertPreTokenizer' },
  { type: 'Whitespace' },
  { type: 'WhitespaceSplit' },
  { type: 'CharDelimiterSplit', delimiter: 'a' },
  { type: 'Digits', individual_digits: true },
  { type: 'Digits', individual_digits: false },
  ...behaviors.map(behavior => ({ type: 'Punctuation', behavior })),
  ...[' ', 'th', 'a', '  '].flatMap(text =>
    behaviors.flatMap(behavior =>
      [false, true].map(invert => ({ type: 'Split', pattern: { String: text }, behavior, invert })),
    ),
  ),
  { type: 'Split', pattern: { Regex: gpt2 }, behavior: 'Isolated', invert: false },
  { type: 'Split', pattern: { Regex: gpt2 }, behavior: 'Removed', invert: true },
]
const meta: Json = { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' }
const bert = (clean_text: boolean, strip_accents: boolean | null, lowercase: boolean): Json => ({
  ...{ type: 'BertNormalizer', clean_text, handle_chinese_chars: true, strip_accents, lowercase },
})
const normalizers: readonly Json[] = [
  { type: 'Lowercase' },
  { type: 'Strip', strip_left: true, strip_right: true },
  { type: 'Strip', strip_left: false, strip_right: true },
  { type: 'Replace', pattern: { String: 'th' }, content: 'xyz' },
  { type: 'Replace', pattern: { String: '  ' }, content: ' ' },
  { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' },
  { type: 'Prepend', prepend: 'he' },
  ...[
    ['\\s+', ' '],
    ['\\p{M}+|[\u200b-\u200f]', ''],
    ['(?:th|[aeiou](?=\\p{L}))+', '_ö_'],
    ['(?<=[0-9])[.,](?=[0-9])', ''],
  ].map(([Regex, content]) => ({ type: 'Replace', pattern: { Regex }, content })),
  ...['NFC', 'NFD', 'NFKC', 'NFKD', 'StripAccents', 'Nmt'].map(type => ({ type })),
  bert(true, null, true),
  bert(false, true, false),
]

const words =
  "the The of \u2581 a b 1 12 hello world wor ##ld é e . ! ' 's 中 文 한 \u2581the \u2581a \u2581\u2581 <unk> [UNK] ##s ##e Hello x \n".split(
    ' ',
  )

const wordLevel = (normalizer: unknown, pre_tokenizer: unknown): Json => ({
  ...{ version: '1.0', truncation: null, padding: null, added_tokens: [], post_processor: null, decoder: null },
  normalizer,
  pre_tokenizer,
  model: {
    type: 'WordLevel',
    vocab: Object.fromEntries([' ', ...words].map((word, id) => [word, id])),
    unk_token: '<unk>',
  },
})

/** Byte-pair encoding over characters, with merges at random. */
function characterBpe(random: Random): Json {
  const [unknown, bytes] = [random.chance(0.8), random.chance(0.5)]
  const vocab = new Map([['<unk>', 0]])
  const put = (token: string) => vocab.has(token) || vocab.set(token, vocab.size)
  for (let byte = 0; bytes && byte < 256; byte++) put(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)
  for (const character of '\u2581 abcdefghijklmnopqrstuvwxyzABCDEFTH0123456789.,!éß中文') put(character)
  const pool = [...vocab.keys()].filter(token => token.length === 1)
  const merges = new Map<string, [string, string]>()
  for (let i = 0; i < 400; i++) {
    const [left, right] = [random.pick(pool), random.pick(pool)]
    if (left.length + right.length > 5 || merges.has(`${left}\0${right}`)) continue
    put(left + right)
    merges.set(`${left}\0${right}`, [left, right])
    pool.push(left + right)
  }
  return {
    type: 'BPE',
    ...{ dropout: null, continuing_subword_prefix: null, end_of_word_suffix: null },
    unk_token: unknown ? '<unk>' : null,
    fuse_unk: random.chance(0.5),
    byte_fallback: bytes,
    ignore_merges: random.chance(0.3),
    vocab: Object.fromEntries(vocab),
    merges: [...merges.values()],
  }
}

/** The same with tokens of their own for the ends of words, as CLIP's and HerBERT's have them. */
function suffixed(random: Random, model: Json): Json {
  const suffix = '</w>'
  const vocab = new Map(Object.entries(model.vocab as Record<string, number>))
  const put = (token: string) => vocab.has(token) || vocab.set(token, vocab.size)
  for (const token of [...vocab.keys()]) if ([...token].length === 1 && random.chance(0.9)) put(token + suffix)
  const merges = (model.merges as [string, string][]).flatMap(([left, right]): [string, string][] => {
    if (random.chance(0.4) || !vocab.has(right + suffix)) return [[left, right]]
    put(left + right + suffix)
    const both: [string, string][] = [
      [left, right + suffix],
      [left, right],
    ]
    return both
  })
  return { ...model, byte_fallback: false, end_of_word_suffix: suffix, vocab: Object.fromEntries(vocab), merges }
}

const isCaseChanger = ({ type }: Json) => type === 'BertNormalizer' || type === 'Lowercase'

function someOf<T>(random: Random, items: readonly T[], most: number): T[] {
  const left = [...items]
  return Array.from({ length: random.below(most + 1) }, () => left.splice(random.below(left.length), 1)[0]!)
}

/** Any components one behind the other. */
function sequence(random: Random): Json {
  const stages = someOf(random, normalizers, 3).filter(
    (stage, i, all) => !isCaseChanger(stage) || !all.slice(0, i).some(isCaseChanger),
  )
  const cutters: Json[] = someOf(random, preTokenizers, 3)
  if (cutters.length === 0) cutters.push(random.pick(preTokenizers))
  if (random.chance(0.3)) cutters.push(random.pick(metaspaces))
  const json = wordLevel({ type: 'Sequence', normalizers: stages }, { type: 'Sequence', pretokenizers: cutters })
  const model = json.model as Json
  const kind = random.number()
  if (kind < 0.35)
    json.model = {
      ...{
        type: 'WordPiece',
        unk_token: '[UNK]',
        continuing_subword_prefix: '##',
        max_input_chars_per_word: random.pick([3, 100]),
      },
      vocab: model.vocab,
    }
  else if (kind < 0.7) json.model = characterBpe(random)
  return random.chance(0.5) ? withAdded(random, json) : json
}

/** Where ▁ is made of spaces. */
function metaFamily(random: Random): Json {
  const prepend = { type: 'Prepend', prepend: '\u2581' }
  const normalizer = random.pick<unknown>([
    null,
    meta,
    { type: 'Sequence', normalizers: [prepend, meta] },
    { type: 'Sequence', normalizers: [meta, prepend] },
    { type: 'Sequence', normalizers: [normalizers[2], meta] },
  ])
  const json = wordLevel(normalizer, normalizer === null ? random.pick(metaspaces) : random.pick([...metaspaces, null]))
  if (random.chance(0.7)) json.model = characterBpe(random)
  return random.chance(0.5) ? withAdded(random, json) : json
}

/** Families made up, and variants of the real ones. `random`: for each of its own, so that one name is one tokenizer. */
export function madeFamilies(real: readonly Family[], randomFor: (name: string) => Random): Family[] {
  const made: Family[] = []
  const put = (name: string, make: (random: Random) => Json) =>
    made.push({ name, json: make(randomFor(name)), real: false })
  for (const { name, json } of real) {
    if ((json.pre_tokenizer as Json | null)?.type === 'ByteLevel' && json.normalizer === null)
      for (const [i, normalizer] of [{ type: 'Lowercase' }, { type: 'NFKC' }, normalizers[2]].entries())
        put(`${name} added, normalizer ${i}`, random => withAdded(random, json, normalizer))
    else put(`${name} added`, random => withAdded(random, json))
  }
  for (const [i, pre] of [...preTokenizers, ...metaspaces].entries())
    put(`pre-tokenizer ${i}`, () => wordLevel(null, pre))
  for (const [i, normalizer] of [...normalizers, meta].entries())
    put(`normalizer ${i}`, random => ({
      ...wordLevel(normalizer, normalizer === meta ? null : random.pick(preTokenizers)),
      model: { ...characterBpe(random), unk_token: '<unk>' },
    }))
  for (let i = 0; i < 8; i++)
    put(`suffix ${i}`, random => ({
      ...wordLevel(random.pick([null, { type: 'Lowercase' }]), random.pick([...preTokenizers, metaspaces[0], null])),
      model: suffixed(random, characterBpe(random)),
    }))
  for (let i = 0; i < 40; i++) {
    put(`sequence ${i}`, sequence)
    put(`metaspace ${i}`, metaFamily)
  }
  return made
}
