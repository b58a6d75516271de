import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fasterHalf, median, takeTurns, timeCalls } from '../../src/bench/timing.js'

test('median: the middle one, or the mean of the two in the middle', () => {
  assert.is(median([9, 1, 5]), 5)
  assert.is(median([10, 1, 2, 4]), 3)
})

test('the faster half: its median, the one in the middle counted in', () => {
  assert.is(fasterHalf([9, 1, 5, 70]), 3)
  assert.is(fasterHalf([50, 3, 1, 80, 2]), 2)
})

test('calls: the first does not count, and there are no more than asked', async () => {
  let calls = 0
  const time = await timeCalls(async () => void calls++, { seconds: 60, atMost: 5 })
  assert.is(calls, 6)
  assert.ok(time >= 0)
  calls = 0
  await timeCalls(async () => void calls++, { seconds: 0 })
  assert.is(calls, 3, 'two that count at least')
})

test('turns: round by round, and the median of each', async () => {
  const order: string[] = []
  const contestant = (name: string, times: number[]) => async () => {
    order.push(name)
    return times.shift()!
  }
  const turns = [contestant('ours', [3, 1, 2]), contestant('theirs', [30, 50, 40])]
  const { medians, cores } = await takeTurns(turns, 3)
  assert.equal(medians, [2, 40])
  assert.ok(cores >= 0)
  assert.equal(order, ['ours', 'theirs', 'ours', 'theirs', 'ours', 'theirs'])
})

test.run()
