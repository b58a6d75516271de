// The statistical tests use fixed seeds, so they always give the same figures; each can fail, as the controls show: the same
// statistic refuses an ordering or a draw that is not random.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { samplingModule } from '../../build/sampling.js'
import { createSampler, type Sampler, type SamplerState } from '../../src/data/sampler.js'
import { mix, output } from '../support/feistel.js'
import { accept, evenness, refuse } from '../support/statistics.js'

const sampler = (examples: number, batchSize = examples, seed = 7, dropLast = false) =>
  createSampler({ seed, examples, batchSize, dropLast })
const epochOf = (source: Sampler) =>
  Array.from({ length: source.batchesPerEpoch }, () => [...source.next().indices]).flat()
const range = (n: number) => Array.from({ length: n }, (_, i) => i)
// uvu takes a bare string for the failure's own message, so the text is compared here.
const fails = (action: () => unknown, text: string) =>
  assert.throws(action, (error: Error) => error.message.includes(text), `an error with “${text}”`)

const uniform = (counts: ArrayLike<number>, what: string, degrees?: number) => accept(evenness(counts, degrees), what)

/** Counts of pairs of successive values, in 16 × 16 bins; independent pairs fill them evenly. */
function pairCounts(values: ArrayLike<number>, n: number, bins = 16): Int32Array {
  const counts = new Int32Array(bins * bins)
  const bin = (value: number) => Math.floor((value * bins) / n)
  for (let i = 0; i + 1 < values.length; i += 2) counts[bin(values[i]!) * bins + bin(values[i + 1]!)]!++
  return counts
}

/** Counts of (values[i + 1] − values[i]) mod n in 64 bins: orderings of regular steps pile up here. */
function stepCounts(values: ArrayLike<number>, n: number, bins = 64): Int32Array {
  const counts = new Int32Array(bins)
  for (let i = 0; i + 1 < values.length; i++) {
    counts[Math.floor((((values[i + 1]! - values[i]! + n) % n) * bins) / n)]!++
  }
  return counts
}

test('every row comes once an epoch, whatever the size', () => {
  const powers = [5, 6, 7, 8, 9, 10, 11, 12, 13, 16].map(bits => 2 ** bits)
  for (const n of [...range(34).slice(1), ...powers.flatMap(power => [power - 1, power, power + 1]), 1000, 10007]) {
    for (const batchSize of new Set([1, 3, Math.ceil(n / 2), n])) {
      if (n / batchSize > 5000) continue
      const source = sampler(n, batchSize)
      for (const epoch of [0, 1]) {
        const rows = epochOf(source)
        assert.equal(
          rows.toSorted((a, b) => a - b),
          range(n),
          `n = ${n}, batch ${batchSize}, epoch ${epoch}`,
        )
      }
    }
  }
})

test('epochs, batches and the incomplete last batch', () => {
  const kept = sampler(10, 4)
  const sizes = range(6).map(() => kept.next())
  assert.equal(
    sizes.map(b => [b.epoch, b.batch, b.indices.length, b.lastOfEpoch]),
    [
      [0, 0, 4, false],
      [0, 1, 4, false],
      [0, 2, 2, true],
      [1, 0, 4, false],
      [1, 1, 4, false],
      [1, 2, 2, true],
    ],
  )
  const dropped = sampler(10, 4, 7, true)
  assert.is(dropped.batchesPerEpoch, 2)
  const left = range(200).map(() => {
    const seen = new Set(epochOf(dropped))
    assert.is(seen.size, 8)
    return range(10).filter(row => !seen.has(row))
  })
  assert.is(new Set(left.flat()).size, 10, 'other rows are left out each epoch')
})

test('the order does not depend on the batch size', () => {
  assert.equal(epochOf(sampler(100, 7)), epochOf(sampler(100, 100)))
})

test('one seed gives one order; other seeds and epochs give others', () => {
  const orders = new Map<string, string>()
  for (const seed of [0, 1, 2, 3, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER]) {
    const [a, b] = [sampler(50, 50, seed), sampler(50, 50, seed)]
    for (const epoch of [0, 1, 2]) {
      const order = epochOf(a).join()
      assert.is(epochOf(b).join(), order)
      assert.not(orders.has(order), `seed ${seed} epoch ${epoch} repeats ${orders.get(order)}`)
      orders.set(order, `seed ${seed} epoch ${epoch}`)
    }
  }
})

test('each of the 120 orders of five rows is equally frequent', () => {
  const source = sampler(5)
  const counts = new Map<string, number>()
  for (let i = 0; i < 12000; i++) {
    const order = source.next().indices.join()
    counts.set(order, (counts.get(order) ?? 0) + 1)
  }
  assert.is(counts.size, 120)
  uniform([...counts.values()], 'orders of five')
})

test('each row is as likely at each position, for two rows and for 33', () => {
  for (const [n, epochs] of [
    [2, 4000],
    [33, 8000],
  ] as const) {
    const counts = new Int32Array(n * n)
    const source = sampler(n, n, 11)
    for (let i = 0; i < epochs; i++)
      for (const [position, row] of source.next().indices.entries()) counts[position * n + row]!++
    uniform(counts, `row at position, n = ${n}`, (n - 1) ** 2)
  }
})

test('neighbours in an order are independent, and so are the orders of successive epochs', () => {
  for (const n of [60000, 65536, 65537]) {
    const source = sampler(n, n, 5)
    const [first, second] = [source.next().indices, source.next().indices]
    uniform(pairCounts(first, n), `pairs, n = ${n}`)
    uniform(stepCounts(first, n), `steps, n = ${n}`)
    uniform(
      pairCounts(
        [...first].flatMap((row, i) => [row, second[i]!]),
        n,
      ),
      `epochs, n = ${n}`,
    )
    uniform(
      pairCounts(
        [...first].flatMap((row, i) => [i, row]),
        n,
      ),
      `position and row, n = ${n}`,
    )
  }
  const n = 60000
  const affine = range(n).map(i => (i * 22501 + 99) % n)
  refuse(evenness(pairCounts(affine, n)), 'an affine order')
  refuse(evenness(stepCounts(affine, n)), 'an affine order')
})

test('a billion rows: distinct, in range, evenly spread, and the last batch is the rest', () => {
  const examples = 1_000_000_007
  const source = sampler(examples, 50_000)
  assert.is(source.batchesPerEpoch, 20001)
  const batches = [0, 1, 9999, 20000].map(batch => {
    source.restore({ ...source.save(), epoch: 3, batch })
    return source.next()
  })
  assert.equal(
    batches.map(batch => batch.indices.length),
    [50_000, 50_000, 50_000, 7],
  )
  const rows = batches.flatMap(batch => [...batch.indices])
  assert.is(new Set(rows).size, rows.length)
  assert.ok(rows.every(row => row >= 0 && row < examples))
  uniform(pairCounts(rows, examples), 'pairs of a billion')
  uniform(stepCounts(rows, examples), 'steps of a billion')
  const largest = sampler(2 ** 31 - 1, 1000).next().indices
  assert.is(new Set(largest).size, 1000)
  assert.ok(largest.every(row => row >= 0 && row < 2 ** 31 - 1))
})

test('negatives: every ordered choice of three of five is equally frequent', () => {
  const source = sampler(1)
  const counts = new Map<string, number>()
  for (let i = 0; i < 12000; i++) {
    const { indices, repeated } = source.drawNegatives(3, 5)
    assert.not(repeated)
    counts.set(indices.join(), (counts.get(indices.join()) ?? 0) + 1)
  }
  assert.is(counts.size, 60)
  uniform([...counts.values()], 'ordered choices')
})

test('negatives: distinct and evenly spread, few or many, first or last', () => {
  for (const [count, available] of [
    [7, 50],
    [64, 64],
    [65, 70],
    [500, 3000],
  ] as const) {
    const source = sampler(1, 1, 21)
    const [first, last, bins] = [new Int32Array(50), new Int32Array(50), 50]
    for (let i = 0; i < 3000; i++) {
      const { indices, repeated } = source.drawNegatives(count, available)
      assert.not(repeated)
      assert.is(new Set(indices).size, count)
      // 64 and 70 rows do not fill 50 bins evenly: only the first 50 rows are counted there.
      const bin = (row: number) => (available > 100 ? Math.floor((row * bins) / available) : row)
      if (bin(indices[0]!) < bins) first[bin(indices[0]!)]!++
      if (bin(indices.at(-1)!) < bins) last[bin(indices.at(-1)!)]!++
    }
    uniform(first, `first of ${count} of ${available}`)
    uniform(last, `last of ${count} of ${available}`)
  }
})

test('fewer than asked for: with replacement, and said so', () => {
  const source = sampler(1)
  const counts = new Int32Array(3)
  for (let i = 0; i < 500; i++) {
    const { indices, repeated } = source.drawNegatives(7, 3)
    assert.ok(repeated)
    assert.is(indices.length, 7)
    for (const index of indices) counts[index]!++
  }
  uniform(counts, 'drawn with replacement')
  assert.equal(source.drawNegatives(0, 0), { indices: new Int32Array(0), repeated: false })
  fails(() => source.drawNegatives(7, 0), 'cannot draw 7 negatives: none of 0 is left')
})

test('excluded rows are never drawn, the others evenly', () => {
  const source = sampler(1)
  const counts = new Int32Array(20)
  const excluded = [19, 0, 7, 8, 0]
  for (let i = 0; i < 2000; i++) for (const index of source.drawNegatives(5, 20, excluded).indices) counts[index]!++
  assert.equal(
    [0, 7, 8, 19].map(row => counts[row]),
    [0, 0, 0, 0],
  )
  uniform(
    counts.filter((_, row) => !excluded.includes(row)),
    'not excluded',
  )
  assert.equal(
    [
      ...source.drawNegatives(
        2,
        20,
        range(20).filter(row => row !== 3 && row !== 17),
      ).indices,
    ].sort(),
    [17, 3],
  )
  assert.ok(source.drawNegatives(3, 20, range(18)).repeated)
  fails(() => source.drawNegatives(1, 4, range(4)), 'none of 4 is left after 4 excluded')
  fails(() => source.drawNegatives(1, 4, [4]), 'an excluded negative must be an integer from 0 to 3, found 4')
})

test('drawn integers have no modulo bias', () => {
  const source = sampler(1, 1, 3)
  // 2^32 mod bound is 2^30: a bare remainder favours the lower two thirds; a multiplication without rejection, two residues of 3.
  const bound = 3 * 2 ** 29
  const counted = (draw: () => number, bin: (value: number) => number) => {
    const counts = new Int32Array(3)
    for (let i = 0; i < 6000; i++) counts[bin(draw())]!++
    return counts
  }
  const third = (value: number) => Math.floor((3 * value) / bound)
  const residue = (value: number) => value % 3
  const draw = () => source.drawInteger(bound)
  uniform(counted(draw, third), 'thirds')
  uniform(counted(draw, residue), 'residues')
  const word = () => source.drawInteger(65536) * 65536 + source.drawInteger(65536)
  refuse(evenness(counted(() => word() % bound, third)), 'a remainder')
  refuse(evenness(counted(() => Math.floor((word() / 2 ** 32) * bound), residue)), 'scaling')
  assert.is(source.drawInteger(1), 0)
  fails(() => source.drawInteger(0), 'must be an integer from 1')
})

test('the generator is SplitMix64, so that a saved state means the same in every version', () => {
  assert.is(output(1234567n, 0n), 6457827717110365317n, 'the published first output for seed 1234567')
  const source = sampler(1, 1, 42)
  const stream = output(mix(42n), 0n)
  for (let i = 0n; i < 20n; i++) {
    assert.is(source.drawInteger(2 ** 30), Number((output(stream, i) >> 32n) >> 2n))
  }
  assert.is(source.save().draws, 20)
  assert.equal([...sampler(8, 8, 42).next().indices], [3, 1, 0, 7, 2, 5, 4, 6])
})

test('a restored sampler continues as the undisturbed one, from every point', () => {
  for (const dropLast of [true, false]) {
    const step = (source: Sampler) => ({
      ...source.next(),
      negatives: range(3).map(i => source.drawNegatives(4, 3 + 40 * i)),
      integer: source.drawInteger(1000003),
      permuted: source.drawNegatives(70, 90),
    })
    const undisturbed = sampler(23, 4, 99, dropLast)
    const states: string[] = []
    const steps = range(30).map(() => {
      states.push(JSON.stringify(undisturbed.save()))
      return step(undisturbed)
    })
    for (const [at, state] of states.entries()) {
      const used = sampler(23, 4, 99, dropLast)
      step(used)
      for (const source of [sampler(23, 4, 99, dropLast), used]) {
        source.restore(JSON.parse(state) as SamplerState)
        assert.equal(
          steps.slice(at).map(() => step(source)),
          steps.slice(at),
        )
        assert.equal(source.save(), undisturbed.save())
      }
    }
  }
})

test('two samplers do not disturb one another', () => {
  const [a, b, alone] = [sampler(9, 2, 1), sampler(9, 2, 1), sampler(9, 2, 1)]
  for (let i = 0; i < 12; i++) {
    assert.equal(a.next(), alone.next())
    if (i % 2 === 0) b.next()
    assert.equal(a.drawNegatives(2, 9), alone.drawNegatives(2, 9))
  }
})

test('impossible settings and foreign states are refused with the fix', () => {
  fails(
    () => sampler(40, 64, 1, true),
    'a batch of 64 cannot be filled from 40 training examples: set batch_size to 40 or less, or drop_last = false',
  )
  assert.is(sampler(40, 64, 1, false).next().indices.length, 40)
  fails(() => sampler(0, 1), 'the training set has no examples')
  fails(() => sampler(2 ** 31, 1), 'from 1 to 2147483647, found 2147483648')
  fails(() => sampler(4, 0), 'the batch size must be an integer from 1')
  fails(() => sampler(4, 2, 0.5), 'the seed must be an integer')
  fails(() => sampler(4, 2, -1), 'the seed must be an integer')
  const source = sampler(10, 2)
  const state = source.save()
  fails(() => source.restore({ ...state, examples: 11 }), 'the saved sampler has examples = 11, this run has 10')
  fails(() => source.restore({ ...state, seed: 8 }), 'the saved sampler has seed = 8, this run has 7')
  fails(
    () => source.restore({ ...state, batch: 5 }),
    "the saved sampler's batch must be an integer from 0 to 4, found 5",
  )
  fails(() => source.restore({ ...state, draws: 1.5 }), "the saved sampler's number of draws")
  assert.equal(source.save(), state)
})

test('the module is small enough to be compiled synchronously in a browser', () => {
  assert.ok(atob(samplingModule).length < 4096)
})

test.run()
