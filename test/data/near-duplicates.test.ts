// SimHash: what counts as the same, and the blocks against comparing every pair.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findNearDuplicates, fingerprintDistance, simHash } from '../../src/data/near-duplicates.js'

const words =
  'river stone cloud metal paper green sound light field horse glass music winter bread copper silver'.split(' ')

/** A seeded stream of numbers below `bound`. */
function numbers(seed: number): (bound: number) => number {
  let state = seed
  return bound => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * bound)
  }
}

function textOf(below: (bound: number) => number, length: number): string {
  return Array.from({ length }, () => words[below(words.length)]! + below(50)).join(' ')
}

test('case, punctuation and white space do not count; order and words do', () => {
  const same = simHash('The quick brown fox, it jumps!')
  assert.is(fingerprintDistance(same, simHash('the  QUICK brown (fox) it jumps')), 0)
  assert.ok(fingerprintDistance(same, simHash('it jumps the brown fox quick')) > 0)
  assert.ok(fingerprintDistance(same, simHash('an essay on the history of copper mining')) > 12)
  assert.ok(fingerprintDistance(simHash('狐狸跳过了懒狗'), simHash('今天天气很好我们去公园')) > 12)
  assert.ok(fingerprintDistance(simHash('!!'), simHash('??')) > 0, 'texts without words')
})

test('unrelated texts differ in about half of the bits', () => {
  const below = numbers(5)
  let sum = 0
  for (let i = 0; i < 300; i++) sum += fingerprintDistance(simHash(textOf(below, 40)), simHash(textOf(below, 40)))
  assert.ok(Math.abs(sum / 300 - 32) < 2, `${sum / 300} bits`)
})

test('one word changed in a long text stays near', () => {
  const below = numbers(6)
  let near = 0
  for (let i = 0; i < 200; i++) {
    const parts = textOf(below, 200).split(' ')
    const changed = parts.with(below(parts.length), 'otherwise').join(' ')
    if (fingerprintDistance(simHash(parts.join(' ')), simHash(changed)) <= 3) near++
  }
  assert.ok(near > 120, `${near} of 200`)
})

test('blocks find what comparing every pair finds, at each threshold', () => {
  const below = numbers(7)
  const texts: { text: string; group: number }[] = []
  for (let i = 0; i < 400; i++) {
    const parts =
      texts.length > 0 && below(3) > 0 ? texts[below(texts.length)]!.text.split(' ') : textOf(below, 60).split(' ')
    for (let changes = below(4); changes > 0; changes--) parts[below(parts.length)] = `changed${below(1000)}`
    texts.push({ text: parts.join(' '), group: below(3) })
  }
  const prints = texts.map(({ text }) => simHash(text))
  for (const threshold of [0, 1, 2, 3, 5, 7])
    for (const rules of [{}, { within: false }, { across: false }]) {
      const { within = true, across = true } = rules as { within?: boolean; across?: boolean }
      const expected: { index: number; of: number; distance: number }[] = []
      const kept: number[] = []
      for (const [index, print] of prints.entries()) {
        const near = kept
          .filter(other => (texts[other]!.group === texts[index]!.group ? within : across))
          .map(of => ({ index, of, distance: fingerprintDistance(print, prints[of]!) }))
          .filter(({ distance }) => distance <= threshold)
          .sort((a, b) => a.distance - b.distance || a.of - b.of)
        if (near[0]) expected.push(near[0])
        else kept.push(index)
      }
      assert.equal(
        findNearDuplicates(texts, { threshold, ...rules }),
        expected,
        `${threshold} ${JSON.stringify(rules)}`,
      )
      if (threshold === 3) assert.ok(expected.length > 5, 'control: there are some')
    }
})

test('of pairs both parts must be nearly the same', () => {
  const below = numbers(8)
  const [passage, other] = [textOf(below, 80), textOf(below, 80)]
  const pairs = [
    { text: 'when was it built', other: passage, group: 0 },
    { text: 'who designed the roof', other: passage, group: 0 },
    { text: 'when was it built', other, group: 0 },
    { text: 'When was it built?', other: passage, group: 1 },
  ]
  assert.equal(findNearDuplicates(pairs), [{ index: 3, of: 0, distance: 0 }])
})

test('a threshold that cannot be is refused', () => {
  assert.throws(() => findNearDuplicates([], { threshold: 8 }), /from 0 to 7 bits, found 8/)
})

test.run()
