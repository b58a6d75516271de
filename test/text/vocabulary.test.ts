import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { mergePieces } from '../../src/text/merges.js'
import { createWordPieceTokenizer } from '../../src/text/tokenizer.js'
import { makeVocabulary, splitWords } from '../../src/text/vocabulary.js'
import { jsonLines, needs } from '../support/shared.js'

const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
const message = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    return (error as Error).message
  }
  throw new Error('expected an error, but nothing was thrown')
}

test('special tokens, characters, continuing characters, then pieces in the order of merging', () => {
  // be 1, a 2, bee 2, bad 1: b ##e 3 times, then be ##e 2 times; b ##a and ##a ##d once.
  assert.equal(makeVocabulary(['be a bee', 'a bad bee. Bee!'], { size: 100 }), [
    ...special,
    ...['!', '.', 'a', 'b', 'd', 'e'],
    ...['##a', '##b', '##d', '##e'],
    ...['be', 'bee'],
  ])
})

test('no more than size tokens; equally frequent pairs are merged in the order of the alphabet', () => {
  const texts = ['dab bad cab', 'cab abc cab dab bad']
  const base = [...special, 'a', 'b', 'c', 'd', '##a', '##b', '##c', '##d']
  // ##a ##b 5 times (dab 2, cab 3), then c ##ab 3; a ##d in bad: b ##a and ##a ##d twice each.
  assert.equal(makeVocabulary(texts, { size: 100 }), [...base, '##ab', 'cab', '##ad', 'bad', 'dab'])
  assert.equal(makeVocabulary(texts, { size: 15 }), [...base, '##ab', 'cab'])
  assert.equal(makeVocabulary(texts, { size: 13 }), base)
})

test('a piece that two pairs spell is one token; repeated characters are merged from the left', () => {
  const tokens = makeVocabulary(['aaaa aaaa aaaa aaa aaa'], { size: 100 })
  assert.is(new Set(tokens).size, tokens.length)
  assert.equal(tokens.slice(special.length), ['a', '##a', '##aa', 'aaa', 'aaaa'])
})

/** The same by its definition: all pairs counted anew before every merge. */
function naivePieces(counts: ReadonlyMap<string, number>, most: number): string[] {
  let rows = [...counts].map(([word, count]) => ({
    count,
    row: Array.from(word, (each, i) => (i ? `##${each}` : each)),
  }))
  const merged: string[] = []
  const known = new Set(rows.flatMap(({ row }) => row))
  while (merged.length < most) {
    const pairs = new Map<string, number>()
    for (const { row, count } of rows)
      for (let i = 1; i < row.length; i++) {
        const key = `${row[i - 1]}\0${row[i]}`
        pairs.set(key, (pairs.get(key) ?? 0) + count)
      }
    const [best] = [...pairs].filter(([, n]) => n >= 2).sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
    if (!best) break
    const [left, right] = best[0].split('\0') as [string, string]
    const piece = left + right.slice(2)
    rows = rows.map(({ row, count }) => {
      const next: string[] = []
      for (let i = 0; i < row.length; i++)
        if (row[i] === left && row[i + 1] === right) {
          next.push(piece)
          i++
        } else next.push(row[i]!)
      return { row: next, count }
    })
    if (!known.has(piece)) merged.push(piece)
    known.add(piece)
  }
  return merged
}

test('merging by changed pairs gives what counting anew gives', () => {
  const text = readFileSync(new URL('../../README.md', import.meta.url), 'utf8').slice(0, 6000)
  const counts = new Map<string, number>()
  for (const word of splitWords(text)) counts.set(word, (counts.get(word) ?? 0) + 1)
  assert.equal(mergePieces(counts, 300), naivePieces(counts, 300))
})

test('case and accents', () => {
  assert.equal(makeVocabulary(['Éa éa'], { size: 20 }), [...special, 'a', 'e', '##a', '##e', 'ea'])
  assert.equal(makeVocabulary(['Éa Éa éa'], { size: 20, lowerCase: false }), [
    ...special,
    ...['a', 'É', 'é', '##a', '##É', '##é', 'Éa'],
  ])
})

test('words are split as BERT does', () => {
  assert.equal(splitWords(" Don't\tpay $3.50, Zoë! "), ['don', "'", 't', 'pay', '$', '3', '.', '50', ',', 'zoe', '!'])
  assert.equal(splitWords('Zoë', false), ['Zoë'])
  assert.equal(splitWords('ΟΔΟΣ İstanbul'), ['οδοσ', 'istanbul'], 'no final sigma')
  assert.equal(splitWords('東京tower、かな'), ['東', '京', 'tower', '、', 'かな'])
  assert.equal(splitWords('soft\u00adhy\u200bphen\u0000\ufffd \ud800 a\u00a0b\u2028c'), ['softhyphen', 'a', 'b', 'c'])
  assert.equal(splitWords(' \n'), [])
})

test('characters that stand alone have no continuing form; characters outside the BMP are one character', () => {
  const tokens = makeVocabulary(['京, a😀 a😀'], { size: 20 })
  assert.equal(tokens, [...special, ',', 'a', '京', '😀', '##a', '##😀', 'a😀'])
})

test('words that no tokenizer reads are left out', () => {
  const long = 'x'.repeat(101)
  assert.equal(makeVocabulary([`a ${long}`], { size: 20 }), [...special, 'a', '##a'])
  const longest = '😀'.repeat(100)
  assert.ok(makeVocabulary([`${longest} ${longest}`], { size: 20 }).includes(`##${'😀'.repeat(4)}`))
})

test('no texts give the special tokens; a size without room is refused', () => {
  assert.equal(makeVocabulary([], { size: 5 }), special)
  for (const size of [8, 0, Number.NaN, 20.5])
    assert.match(
      message(() => makeVocabulary(['a, b'], { size })),
      `a vocabulary of ${size} tokens cannot hold the 5 special tokens and the 3 characters of the texts; expected a size of 10 or more`,
    )
})

const ownTexts = [
  'The Moon turns once on its axis; a month has about 27 days.',
  'Naïve façades, 東京, İzmir & <html>: $5 (or 4½)? ΟΔΟΣ “quoted”…',
  "it's the moon's axis",
]

test('the same tokens for the same texts, all distinct, whatever iterates over them', () => {
  const tokens = makeVocabulary(ownTexts, { size: 500 })
  assert.equal(makeVocabulary(new Set(ownTexts).values(), { size: 500 }), tokens)
  assert.equal(makeVocabulary([...ownTexts].reverse(), { size: 500 }), tokens)
  assert.is(new Set(tokens).size, tokens.length)
})

test('a tokenizer over it reads its own texts without [UNK], in whole words where they all fit', async () => {
  for (const lowerCase of [true, false]) {
    const whole = makeVocabulary([...ownTexts, ...ownTexts], { size: 500, lowerCase })
    const characters = whole.filter(token => /^(##)?.$/u.test(token) || special.includes(token))
    for (const vocabulary of [whole, characters]) {
      const tokenizer = await createWordPieceTokenizer({ vocabulary, lowerCase })
      for (const text of ownTexts) {
        const { ids } = tokenizer.encode([text], { addSpecialTokens: false })
        const tokens = Array.from(ids, id => tokenizer.tokenOf(id))
        assert.not(tokens.includes('[UNK]'), tokens.join(' '))
        if (vocabulary === whole) assert.equal(tokens, splitWords(text, lowerCase))
        else
          assert.is(tokens.map(token => token.replace(/^##(?=.)/u, '')).join(''), splitWords(text, lowerCase).join(''))
      }
    }
  }
})

for (const [name, lowerCase] of [
  ['bert-base-uncased', true],
  ['bert-base-cased', false],
] as const) {
  const folder = needs(`tokenizers/${name}`)
  ;(folder ? test : test.skip)(`words are those of ${name}'s reference encodings`, () => {
    const vocabulary = readFileSync(`${folder}/vocab.txt`, 'utf8').split('\n')
    let compared = 0
    const rows = jsonLines<{ text?: string; ids_no_special?: number[] }>(`${folder}/golden.jsonl`)
    for (const { text, ids_no_special: ids } of rows) {
      if (text === undefined || ids === undefined) continue
      const tokens = ids.map(id => vocabulary[id]!)
      // An unknown word's letters are lost, and special tokens written out in a text are found before it is split.
      if (tokens.some(token => special.includes(token))) continue
      const words: string[] = []
      for (const token of tokens)
        if (token.startsWith('##') && token.length > 2) words.push(words.pop()! + token.slice(2))
        else words.push(token)
      assert.equal(splitWords(text, lowerCase), words, JSON.stringify(text))
      compared++
    }
    assert.ok(compared > 100, `only ${compared} texts compared`)
  })
}

test.run()
