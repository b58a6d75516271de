import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runningMean, thinned } from '../../../src/run/report/series.js'

const line = (count: number, y: (x: number) => number) => Array.from({ length: count }, (_, x) => ({ x, y: y(x) }))

test('a straight line stays where it is, to its ends', () => {
  for (const { x, y } of runningMean(line(200, x => 5 - 0.01 * x)))
    assert.ok(Math.abs(y - (5 - 0.01 * x)) < 1e-9, `${x}`)
})

test('noise is smoothed', () => {
  const smooth = runningMean(line(400, x => 1 + (x % 2)))
  assert.ok(smooth.every(({ y }) => Math.abs(y - 1.5) < 0.1))
  assert.equal(runningMean([{ x: 3, y: 4 }]), [{ x: 3, y: 4 }])
})

test('thinning keeps spikes, both ends and the order', () => {
  const few = thinned(
    line(100_000, x => (x === 77_777 ? 9 : x === 5 ? -9 : Math.sin(x))),
    500,
  )
  assert.ok(few.length <= 503, `${few.length}`)
  assert.is(Math.max(...few.map(({ y }) => y)), 9)
  assert.is(Math.min(...few.map(({ y }) => y)), -9)
  assert.is(few[0]!.x, 0)
  assert.is(few.at(-1)!.x, 99_999)
  assert.ok(few.every(({ x }, i) => i === 0 || x > few[i - 1]!.x))
  const short = line(10, x => x)
  assert.is(thinned(short, 10), short)
})

test.run()
