import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createReservoir, type ReservoirState, sampleStream } from '../../src/data/sampling-reservoir.js'
import { mix, output } from '../support/feistel.js'
import { accept, evenness, refuse, tally } from '../support/statistics.js'

const fails = (action: () => unknown, text: string) =>
  assert.throws(action, (error: Error) => error.message.includes(text), `an error with “${text}”`)

/** Indices kept of a stream of `length` items. */
function kept(length: number, size: number, seed: number): number[] {
  const reservoir = createReservoir({ seed, size })
  const items: number[] = []
  for (let taken = 0; reservoir.nextIndex < length; taken++) {
    assert.ok(taken < 100_000, 'few of many items are kept')
    const { nextIndex } = reservoir
    items[reservoir.take()] = nextIndex
  }
  return items
}

/** Algorithm L in JavaScript; `wrong` leaves out a part of it. */
function keptByDefinition(length: number, size: number, seed: number, wrong?: 'share' | 'one'): number[] {
  const stream = output(mix(BigInt(seed)), 0n)
  let draws = 0n
  const word = () => output(stream, draws++)
  const uniform = () => (Number(word() >> 12n) + 0.5) / 2 ** 52
  const items = Array.from({ length: Math.min(length, size) }, (_, i) => i)
  let share = Math.log(uniform()) / size
  const skip = () => Math.floor(Math.log(uniform()) / Math.log1p(-Math.exp(share)))
  for (let index = size + skip(); index < length; ) {
    items[Number(((word() >> 32n) * BigInt(size)) >> 32n)] = index
    const shrunk = Math.log(uniform()) / size
    if (wrong !== 'share') share += shrunk
    index += skip() + (wrong === 'one' ? 0 : 1)
  }
  return items
}

test('algorithm L: the same items as its definition with JavaScript’s logarithms', () => {
  for (const [length, size] of [
    [10, 20],
    [20, 20],
    [1000, 1],
    [100_000, 10],
    [2_000_000, 1000],
  ] as const)
    for (const seed of [1, 2, 3]) assert.equal(kept(length, size, seed), keptByDefinition(length, size, seed))
  // So far out, the last bit of a logarithm moves an index.
  for (const [i, index] of kept(2 ** 45, 3, 1).entries())
    assert.ok(Math.abs(index / keptByDefinition(2 ** 45, 3, 1)[i]! - 1) < 1e-12)
})

/** In how many of `times` samples each index is. */
const inclusions = (sample: (seed: number) => number[], length: number, times: number) =>
  tally(Array.from({ length: times }, (_, seed) => sample(seed)).flat(), length)

/** χ² of them: those of a sample of fixed size vary less than counts do, by (n − 1)/(n − k). */
function inclusionEvenness(counts: Float64Array, size: number): number {
  const length = counts.length
  const mean = counts.reduce((a, b) => a + b) / length
  return evenness(
    counts.map(count => mean + (count - mean) * Math.sqrt((length - 1) / (length - size))),
    length - 1,
  )
}

test('each item is kept as often as any other, and each set of items too', () => {
  for (const [length, size, times] of [
    [60, 7, 6000],
    [400, 20, 4000],
    [50, 1, 6000],
    [12, 11, 4000],
  ] as const)
    accept(
      inclusionEvenness(
        inclusions(seed => kept(length, size, seed), length, times),
        size,
      ),
      `${size} of ${length}`,
    )
  const sets = new Map<string, number>()
  for (let seed = 0; seed < 14_000; seed++) {
    const set = kept(8, 4, seed).sort().join()
    sets.set(set, (sets.get(set) ?? 0) + 1)
  }
  assert.is(sets.size, 70)
  accept(evenness([...sets.values()]), 'sets of four of eight')
})

test('control: without the shrinking share, or the step of one, it is refused', () => {
  for (const wrong of ['share', 'one'] as const) {
    const counts = inclusions(seed => keptByDefinition(60, 7, seed, wrong), 60, 2000)
    refuse(inclusionEvenness(counts, 7), `without the ${wrong}`)
  }
})

test('a stream of 2^45 items: the one kept lies anywhere in it', () => {
  const length = 2 ** 45
  const cells = Array.from({ length: 4000 }, (_, seed) => Math.floor((kept(length, 1, seed)[0]! / length) * 40))
  accept(evenness(tally(cells, 40)), 'positions')
})

test('items of streams, also asynchronous and short ones', async () => {
  async function* numbers() {
    for (let i = 0; i < 5000; i++) yield i
  }
  assert.equal(await sampleStream(numbers(), 8, 3), kept(5000, 8, 3))
  assert.equal(
    await sampleStream('abcdefgh', 3, 4),
    kept(8, 3, 4).map(i => 'abcdefgh'[i]),
  )
  assert.equal(await sampleStream(['a', 'b'], 3, 4), ['a', 'b'])
})

test('resumed from JSON as undisturbed, from every point', () => {
  const steps = (reservoir: ReturnType<typeof createReservoir>, count: number) =>
    Array.from({ length: count }, () => [reservoir.nextIndex, reservoir.take()])
  const undisturbed = createReservoir({ seed: 6, size: 4 })
  for (let i = 0; i < 30; i++) {
    const state = JSON.parse(JSON.stringify(undisturbed.save())) as ReservoirState
    const [resumed, reference] = [0, 1].map(() => createReservoir({ seed: 6, size: 4 }))
    steps(resumed!, 9)
    resumed!.restore(state)
    steps(reference!, i)
    assert.equal(steps(resumed!, 20), steps(reference!, 20))
    undisturbed.take()
  }
})

test('the same items on every runtime', () => {
  assert.equal(kept(1_000_000, 6, 42), [180327, 879414, 678739, 983411, 46337, 429555])
  const reservoir = createReservoir({ seed: 42, size: 3 })
  for (let i = 0; i < 12; i++) reservoir.take()
  assert.equal(reservoir.save(), { seed: 42, size: 3, nextIndex: 46, share: -2.5621922864846387, draws: 29 })
})

test('impossible settings and foreign states are refused', () => {
  fails(() => createReservoir({ seed: 1, size: 0 }), 'the size of the reservoir must be an integer from 1')
  fails(() => createReservoir({ seed: -1, size: 1 }), 'the seed')
  const reservoir = createReservoir({ seed: 1, size: 2 })
  const state = reservoir.save()
  fails(() => reservoir.restore({ ...state, size: 3 }), 'the saved reservoir has size = 3, this run has 2')
  fails(() => reservoir.restore({ ...state, share: 1 }), 'share must be a finite number of 0 or less, found 1')
  fails(() => reservoir.restore({ ...state, nextIndex: 0.5 }), 'next index')
})

test.run()
