import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { longestFirst } from '../../src/text/pairs.js'
import { createWordPieceTokenizer } from '../../src/text/tokenizer.js'

const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'a', 'b']

test('pairs with special tokens and types', async () => {
  const tokenizer = await createWordPieceTokenizer({ vocabulary })
  const { ids, typeIds, offsets } = tokenizer.encodePairs(['a a', ''], ['b', 'b b'])
  assert.equal([...ids], [2, 4, 4, 3, 5, 3, 2, 3, 5, 5, 3])
  assert.equal([...typeIds], [0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1])
  assert.equal([...offsets], [0, 6, 11])
  const plain = tokenizer.encodePairs(['a a'], ['b'], { addSpecialTokens: false })
  assert.equal([...plain.ids], [4, 4, 5])
  assert.equal([...plain.typeIds], [0, 0, 1])
  assert.throws(() => tokenizer.encodePairs(['a'], []), /1 first texts and 0 second ones/)
})

test('the longer text is cut first', async () => {
  const tokenizer = await createWordPieceTokenizer({ vocabulary })
  const cut = (first: number, second: number, maxLength: number) => {
    const { ids, truncated } = tokenizer.encodePairs(['a '.repeat(first)], ['b '.repeat(second)], { maxLength })
    return [[...ids].filter(id => id === 4).length, [...ids].filter(id => id === 5).length, truncated]
  }
  assert.equal(cut(2, 2, 7), [2, 2, 0])
  assert.equal(cut(2, 9, 10), [2, 5, 1])
  assert.equal(cut(9, 2, 10), [5, 2, 1])
  assert.equal(cut(9, 0, 10), [7, 0, 1])
  assert.equal(cut(5, 5, 3), [0, 0, 1])
  assert.throws(() => cut(5, 5, 2), /the special tokens alone are 3/)
})

test('an odd id goes to the longer text, to the second of equally long ones', () => {
  assert.equal(longestFirst(8, 8, 7), [3, 4])
  assert.equal(longestFirst(8, 4, 7), [4, 3])
  assert.equal(longestFirst(4, 8, 7), [3, 4])
  assert.equal(longestFirst(4, 4, 7), [3, 4])
  assert.equal(longestFirst(8, 2, 7), [5, 2])
  assert.equal(longestFirst(3, 4, 7), [3, 4])
  assert.equal(longestFirst(20, 1, Number.POSITIVE_INFINITY), [20, 1])
})

test.run()
