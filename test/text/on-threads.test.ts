// When threads are started for texts, how many, and that they end.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { onThreads, threadsAsTextsCome } from '../../src/text/on-threads.js'
import type { Tokenizer } from '../../src/text/tokenizer.js'
import { failure } from '../support/temporary.js'

/** Only what these functions call; `asked`: the numbers of threads. */
function counting(): { tokenizer: Tokenizer; asked: number[] } {
  const asked: number[] = []
  return { tokenizer: { setThreads: async (threads: number) => void asked.push(threads) } as Tokenizer, asked }
}

const [few, many] = [['a'.repeat(1000)], ['a'.repeat(9_000_000), 'b'.repeat(9_000_000)]]

test('threads for many texts, as many as asked for up to 8, ended whatever happens', async () => {
  const { tokenizer, asked } = counting()
  assert.is(await onThreads(tokenizer, few, () => asked.length, 3), 0)
  assert.equal(asked, [])
  assert.is(await onThreads(tokenizer, many, () => asked.length, 3), 1)
  await onThreads(tokenizer, many, () => undefined, 100)
  assert.equal(asked, [3, 1, 8, 1])
  const fails = () => {
    throw new Error('no')
  }
  assert.is(await failure(onThreads(tokenizer, many, fails, 2)), 'no')
  assert.equal(asked.slice(4), [2, 1])
})

test('threads once many texts have come in parts, and once only', async () => {
  const { tokenizer, asked } = counting()
  const prepare = threadsAsTextsCome(tokenizer, 2)
  await prepare(few)
  await prepare([many[0]!])
  assert.equal(asked, [])
  await prepare([many[1]!])
  await prepare(many)
  assert.equal(asked, [2])
})

test.run()
