// Words for BM25 as Python 3.11 finds them with re.findall(r'\w+', text.lower()), stop words, stems.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWordSplitter, englishStopWords, ownCopy, splitWords, type WordSettings } from '../../src/text/words.js'

test('runs of letters, digits and underscores, lower-cased', () => {
  const cases: [string, string[]][] = [
    ['', []],
    [' \t\n—…!?', []],
    ["Don't stop_the U.S. 3.14", ['don', 't', 'stop_the', 'u', 's', '3', '14']],
    ['IL-2Rα β₁ x² ½ Ⅷ ①', ['il', '2rα', 'β₁', 'x²', '½', 'ⅷ', '①']],
    ['ÀÉ Straße ΣΊΣΥΦΟΣ', ['àé', 'straße', 'σίσυφος']],
    ['e\u0301te\u0301', ['e', 'te']],
    ['İstanbul', ['i', 'stanbul']],
    ['हिन्दी', ['ह', 'न', 'द']],
    ['日本語 text、한국어', ['日本語', 'text', '한국어']],
    ['𝒳𐐀 𐐨 👍a\ud83d', ['𝒳𐐨', '𐐨', 'a']],
    ['a\u200db c\u00add e\u203ff', ['a', 'b', 'c', 'd', 'e', 'f']],
  ]
  for (const [text, words] of cases) assert.equal(splitWords(text), words, text)
})

const split = (text: string, settings: Partial<WordSettings>) =>
  createWordSplitter({ stemmer: 'none', stopWords: 'none', ...settings })(text)

test('stop words are the 33 of Lucene, and go before stemming', () => {
  assert.is(englishStopWords.size, 33)
  const text = 'The cats were AT the mat, and thes'
  assert.equal(split(text, {}), ['the', 'cats', 'were', 'at', 'the', 'mat', 'and', 'thes'])
  assert.equal(split(text, { stopWords: 'english' }), ['cats', 'were', 'mat', 'thes'])
  // "thes" has a stop word as its stem, and stays.
  assert.equal(split(text, { stopWords: 'english', stemmer: 'english' }), ['cat', 'were', 'mat', 'the'])
})

test('stems are those of Porter (1980)', () => {
  // The examples of the paper, a few of each step.
  const examples = {
    ...{ caresses: 'caress', ponies: 'poni', cats: 'cat', feed: 'feed', agreed: 'agre', plastered: 'plaster' },
    ...{ motoring: 'motor', sing: 'sing', hopping: 'hop', filing: 'file', happy: 'happi', sky: 'sky' },
    ...{ relational: 'relat', triplicate: 'triplic', hopefulness: 'hope', revival: 'reviv', adoption: 'adopt' },
    ...{ probate: 'probat', rate: 'rate', cease: 'ceas', controll: 'control', roll: 'roll' },
  }
  assert.equal(split(Object.keys(examples).join(' '), { stemmer: 'english' }), Object.values(examples))
  assert.equal(split('constructor __proto__ as 2s naïves', { stemmer: 'english' }), [
    ...['constructor', '__proto__', 'as', '2s', 'naïv'],
  ])
})

test('one splitter gives the same for every text', () => {
  const words = createWordSplitter({ stemmer: 'english', stopWords: 'english' })
  assert.equal([words('Relating'), words('relating the'), words('the')], [['relat'], ['relat'], []])
  const long = 'internationalisations'
  assert.equal(words(`${long} ${long}`), ['internationalis', 'internationalis'])
})

test('a copy is the same word', () => {
  for (const word of ['', 'short', 'exactlythirte', '𐐨'.repeat(9)]) assert.is(ownCopy(word), word)
})

test('unknown settings are refused', () => {
  const make = (settings: object) => () => createWordSplitter(settings as WordSettings)
  assert.throws(make({ stemmer: 'porter', stopWords: 'none' }), /stemmer is "porter", expected "english" or "none"/)
  assert.throws(make({ stemmer: 'none' }), /stopWords is undefined, expected "english" or "none"/)
})
test.run()
