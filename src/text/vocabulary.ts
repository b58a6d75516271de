// A WordPiece vocabulary trained on texts, for a model that starts from random weights. Words are split as BERT does (Devlin et al. 2019, the
// basic tokenizer of the published code): control characters dropped, cut at white space, every punctuation mark and Chinese
// character a word of its own. Pieces come from merging: merges.ts.
import { mergePieces } from './merges.js'

const SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']

/** Longer words are [UNK] to a WordPiece tokenizer, whatever the vocabulary holds. */
const LONGEST_WORD = 100

const DROPPED = /(?![\t\n\r])[\p{C}\uFFFD]/gu
// BERT counts all ASCII symbols as punctuation: $ + < = > ^ ` | ~ too, which Unicode does not.
const PUNCTUATION = '!-\\/:-@\\[-`\\{-~\\p{P}'
const CHINESE =
  '\\u3400-\\u4DBF\\u4E00-\\u9FFF\\uF900-\\uFAFF\\u{20000}-\\u{2A6DF}\\u{2A700}-\\u{2B81F}\\u{2B920}-\\u{2CEAF}\\u{2F800}-\\u{2FA1F}'
const ALONE = new RegExp(`^[${PUNCTUATION}${CHINESE}]$`, 'u')
const WORD = new RegExp(`[${PUNCTUATION}${CHINESE}]|[^${PUNCTUATION}${CHINESE}\\p{White_Space}]+`, 'gu')

/** The words of a text in its order; lower-casing strips accents too. */
export function splitWords(text: string, lowerCase = true): string[] {
  const clean = text.replace(DROPPED, '')
  return (lowerCase ? foldCase(clean) : clean).match(WORD) ?? []
}

/** Character by character: the language's own rule would turn a Σ at the end of a word into ς. */
const foldCase = (text: string): string =>
  text
    .normalize('NFD')
    .replace(/\p{Mn}/gu, '')
    .replaceAll('Σ', 'σ')
    .toLowerCase()

export interface VocabularyOptions {
  /** Tokens at most. */
  readonly size: number
  /** Default true: for a tokenizer that lower-cases and strips accents. */
  readonly lowerCase?: boolean
}

/**
 * At most `size` distinct tokens, a token's place being its id: the five special ones, every character met, `##` and the character
 * where it can continue a word, then merged pieces in the order of their merging. A tokenizer over it reads the texts it was made
 * from without [UNK] (words of over 100 characters excepted), and the same texts give the same tokens, in whatever order they
 * come. Throws where `size` does not hold the special tokens and the characters.
 */
export function makeVocabulary(texts: Iterable<string>, { size, lowerCase = true }: VocabularyOptions): string[] {
  const counts = countWords(texts, lowerCase)
  const characters = new Set<string>()
  for (const word of counts.keys()) for (const character of word) characters.add(character)
  // Not localeCompare, which differs between machines.
  const sorted = [...characters].sort()
  const tokens = [
    ...SPECIAL,
    ...sorted,
    ...sorted.filter(character => !ALONE.test(character)).map(character => `##${character}`),
  ]
  if (!Number.isSafeInteger(size) || size < tokens.length)
    throw new Error(
      `a vocabulary of ${size} tokens cannot hold the ${SPECIAL.length} special tokens and the ${characters.size} characters of the texts; expected a size of ${tokens.length} or more`,
    )
  return [...tokens, ...mergePieces(counts, size - tokens.length)]
}

function countWords(texts: Iterable<string>, lowerCase: boolean): Map<string, number> {
  const counts = new Map<string, number>()
  for (const text of texts)
    for (const word of splitWords(text, lowerCase))
      if (word.length <= LONGEST_WORD || [...word].length <= LONGEST_WORD) counts.set(word, (counts.get(word) ?? 0) + 1)
  return counts
}
