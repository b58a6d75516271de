// Words for BM25: a text lower-cased, then its runs of letters, digits and underscores, as Python's \w+ finds them. Marks are no part of a
// word there: "é" as two code points ends a word, as one it does not. Then, where asked for, English stop words are left out and the rest is
// stemmed (Porter 1980), in this order, as Lucene's EnglishAnalyzer does.
import { stemmer as porterStem } from 'stemmer'

export interface WordSettings {
  readonly stemmer: 'english' | 'none'
  readonly stopWords: 'english' | 'none'
}

/** Words as they are. */
export const plainWords: WordSettings = { stemmer: 'none', stopWords: 'none' }

const letters = '[\\p{L}\\p{N}_]+'
const wordPattern = new RegExp(letters, 'gu')

/** How words are made, for a score's fingerprint. */
export const wordRule = `lowercase:${letters}`

/** Lucene's English stop words. */
export const englishStopWords: ReadonlySet<string> = new Set(
  (
    'a an and are as at be but by for if in into is it no not of on or such ' +
    'that the their then there these they this to was will with'
  ).split(' '),
)

export const splitWords = (text: string): string[] => text.toLowerCase().match(wordPattern) ?? []

/** The words of a text by these settings. It remembers stems: use one splitter for many texts. */
export function createWordSplitter({ stemmer, stopWords }: WordSettings): (text: string) => string[] {
  for (const [name, value] of Object.entries({ stemmer, stopWords }))
    if (value !== 'english' && value !== 'none')
      throw new Error(`${name} is ${JSON.stringify(value)}, expected "english" or "none"`)
  const stems = new Map<string, string>()
  const stem = (word: string) => {
    const known = stems.get(word)
    if (known !== undefined) return known
    const own = ownCopy(word)
    const made = ownCopy(porterStem(own))
    stems.set(own, made)
    return made
  }
  return text => {
    const words = splitWords(text)
    const kept = stopWords === 'english' ? words.filter(word => !englishStopWords.has(word)) : words
    return stemmer === 'english' ? kept.map(stem) : kept
  }
}

// V8 represents substrings from this length on as a view of the string that they were cut from.
const SHORTEST_VIEW = 13 // UTF-16 units

/** The same word in memory of its own: a view, kept in a vocabulary, would keep the whole text. */
export const ownCopy = (word: string): string => (word.length < SHORTEST_VIEW ? word : word.split('').join(''))
