// MKQA's rules on made cases: what counts as holding an answer, and which queries count.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Answer } from '../../src/data/answers.js'
import { answersOf, answerTokens, holdsTokens, scoreAnswers } from '../../src/evaluate/answers.js'

const holds = (passage: string, answer: string) => holdsTokens(answerTokens(passage), answerTokens(answer))

test('tokens: words with their marks, other characters by themselves, lower case, NFD', () => {
  assert.equal(answerTokens('Zürich, 3.5\u00a0km²!'), ['zu\u0308rich', ',', '3', '.', '5', 'km²', '!'])
  assert.equal(answerTokens(' \t\u200b\n'), [])
  assert.equal(answerTokens('東京 tower'), ['東京', 'tower'])
})

test('an answer counts where its tokens stand together and whole', () => {
  assert.ok(holds('Born in New York City.', 'new york'))
  assert.ok(holds('Cafe\u0301 de Paris', 'CAFÉ'), 'composed or not')
  assert.ok(holds('the the end', 'the end'), 'a false start')
  assert.not.ok(holds('a category of cats', 'cat'), 'not a part of a word')
  assert.not.ok(holds('New and old York', 'new york'))
  assert.not.ok(holds('It ends in New', 'new york'), 'cut at the end')
  assert.not.ok(holds('Anything at all', ''))
  assert.not.ok(holds('Anything at all', ' \u200b '))
  assert.ok(holds('It is 3.5 km', '3.5'))
  assert.not.ok(holds('It is 3,5 km', '3.5'))
})

test('types that no passage can hold leave a query out; aliases count', () => {
  assert.is(
    answersOf([
      { text: 'yes', type: 'binary' },
      { text: '', type: 'unanswerable' },
    ]),
    undefined,
  )
  assert.is(answersOf([]), undefined)
  assert.equal(
    answersOf([
      { text: 'yes', type: 'binary' },
      { text: 'Oslo', type: 'entity', aliases: ['Christiania'] },
    ]),
    [['oslo'], ['christiania']],
  )
})

test('accuracy at k: over the queries that count, those without results not answered', () => {
  const answers = new Map<string, Answer[]>([
    ['a', [{ text: 'Oslo', type: 'entity' }]],
    ['b', [{ text: '1905', type: 'date', aliases: ['June 1905'] }]],
    ['c', [{ text: 'long', type: 'long_answer' }]],
    ['d', [{ text: 'never found' }]],
    ['e', [{ text: 'Oslo' }]],
  ])
  const texts: Record<string, string> = { x: 'nothing here', y: 'In OSLO.', z: 'since 1905, Oslo' }
  const run = new Map([
    ['a', ['x', 'y', 'z']],
    ['b', ['z']],
    ['c', ['z']],
    ['d', ['x', 'y', 'z']],
  ])
  const { accuracy, ranks, skipped } = scoreAnswers(answers, run, id => texts[id]!, [1, 2])
  assert.equal(Object.fromEntries(ranks), { a: 2, b: 1, d: 0, e: 0 })
  assert.is(skipped, 1)
  assert.equal([accuracy.get(1), accuracy.get(2)], [0.25, 0.5])
  assert.equal([...scoreAnswers(new Map(), run, () => '').accuracy.values()], [0, 0])
})

test.run()
