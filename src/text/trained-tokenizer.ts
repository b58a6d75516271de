// A tokenizer trained on texts: BERT's WordPiece, or RoBERTa's byte-level BPE. What each file of it says is what Hugging
// Face's tokenizers library writes of a tokenizer with the same parts that it has trained: training.ts says where they differ.
import { wrong } from '../data/given.js'
import { byteAlphabet } from './host.js'
import { type Tokenizer, tokenizerFromFiles } from './tokenizer.js'
import { specialToken } from './tokenizer-config.js'
import { type TrainedVocabulary, type TrainingSettings, trainVocabulary } from './training.js'
import { vocabularyJson } from './vocabulary-json.js'
import { vocabularyMergesJson } from './vocabulary-merges.js'
import { bertName, wordPieceJson } from './vocabulary-txt.js'
import { countWords, type WordRules } from './word-counts.js'

export const tokenizerKinds = ['wordpiece', 'bpe'] as const

/** Of `trainTokenizer`. */
export interface TokenizerTraining
  extends Pick<TrainingSettings, 'size' | 'minFrequency' | 'limitAlphabet' | 'maxTokenLength' | 'continuingOrder'> {
  readonly kind: (typeof tokenizerKinds)[number]
  /** Behind the five that BERT or RoBERTa has. */
  readonly special?: readonly string[]
  /** Characters that get a token whether they occur or not; BPE has all bytes in any case. */
  readonly initialAlphabet?: Iterable<string>
  /** WordPiece: lower-cases and strips accents; default true. */
  readonly lowerCase?: boolean
  /** WordPiece: before each piece but a word's first; default ##. */
  readonly continuingPrefix?: string
}

/** A tokenizer and what it was learned from. */
export interface TrainedTokenizer extends TrainedVocabulary {
  readonly tokenizer: Tokenizer
  /** Of the texts: all words, and different ones. */
  readonly words: number
  readonly distinctWords: number
}

const SPECIALS = {
  wordpiece: (['pad', 'unk', 'cls', 'sep', 'mask'] as const).map(bertName),
  bpe: ['<s>', '<pad>', '</s>', '<unk>', '<mask>'],
}

/** Words of more characters are unknown to WordPiece. */
const LONGEST_WORD = 100

/** Learns a tokenizer from texts, as Hugging Face's trainers do. Throws where `size` does not hold the special tokens and the alphabet. */
export async function trainTokenizer(
  texts: Iterable<string> | AsyncIterable<string>,
  settings: TokenizerTraining,
): Promise<TrainedTokenizer> {
  // A string would be taken for a list of its characters.
  if (typeof texts === 'string') throw wrong('trainTokenizer', 'a list of strings', texts, 'put it into brackets')
  const { kind, continuingPrefix = '##' } = settings
  const source = 'the tokenizer in training'
  const counts = await countWords(texts, rulesOf(settings), source)
  const own = kind === 'bpe' ? byteAlphabet : []
  const trained = await trainVocabulary(counts, {
    ...settings,
    special: specialsOf(settings),
    initialAlphabet: [...own, ...(settings.initialAlphabet ?? [])],
    continuingPrefix: kind === 'wordpiece' ? continuingPrefix : '',
  })
  const json = kind === 'wordpiece' ? wordPiece(trained, settings) : byteLevel(trained, settings)
  const bytes = new TextEncoder().encode(`${JSON.stringify(json, null, 2)}\n`)
  let words = 0
  for (const count of counts.values()) words += count
  return {
    ...trained,
    tokenizer: await tokenizerFromFiles({ 'tokenizer.json': bytes }, source),
    words,
    distinctWords: counts.size,
  }
}

const bertNormalizer = (lowercase: boolean) => ({
  type: 'BertNormalizer',
  clean_text: true,
  handle_chinese_chars: true,
  strip_accents: null,
  lowercase,
})

const rulesOf = ({ kind, lowerCase = true }: TokenizerTraining): WordRules =>
  kind === 'wordpiece'
    ? { normalizer: bertNormalizer(lowerCase), pre_tokenizer: { type: 'BertPreTokenizer' } }
    : { normalizer: null, pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false } }

/** Each once, whether named again or not. */
const specialsOf = ({ kind, special = [] }: TokenizerTraining): string[] => [
  ...new Set([...SPECIALS[kind], ...special]),
]

const vocabOf = ({ tokens }: TrainedVocabulary) => vocabularyJson(tokens, 'the trained vocabulary')

function wordPiece(trained: TrainedVocabulary, settings: TokenizerTraining): unknown {
  const { lowerCase = true, continuingPrefix = '##' } = settings
  const vocab = vocabOf(trained)
  return wordPieceJson({
    vocab,
    added: specialsOf(settings).map(token => specialToken(vocab[token]!, token)),
    names: { cls: bertName('cls'), sep: bertName('sep'), unk: bertName('unk') },
    cleanText: true,
    chineseCharacters: true,
    stripAccents: null,
    lowerCase,
    continuingPrefix,
    maximumCharacters: LONGEST_WORD,
  })
}

function byteLevel(trained: TrainedVocabulary, { special = [] }: TokenizerTraining): unknown {
  const config = {
    tokenizer_class: 'RobertaTokenizer',
    add_prefix_space: false,
    additional_special_tokens: [...special],
  }
  const json = vocabularyMergesJson(vocabOf(trained), '', config, undefined, 'the trained vocabulary')
  const { model, ...rest } = json as { model: object }
  return { ...rest, model: { ...model, merges: trained.merges } }
}
