import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createPermutation } from '../../src/data/sampling-permutation.js'
import { networkOf, positionOf, rowAt } from '../support/feistel.js'
import { accept, evenness, plausible, refuse, tally } from '../support/statistics.js'

const range = (n: number, first = 0) => Array.from({ length: n }, (_, i) => first + i)

function checkEveryRowOnce(n: number, epoch: number): void {
  const seen = new Uint8Array(n)
  for (const row of createPermutation({ seed: 3, rows: n }).rowsAt(epoch, 0, n)) seen[row]! += 1
  assert.ok(!seen.some(times => times !== 1), `n = ${n}, epoch ${epoch}: a row is missing or comes twice`)
}

test('every row once: all sizes up to 3,000', () => {
  for (let n = 1; n <= 3000; n++) checkEveryRowOnce(n, n % 7)
})

test('every row once: around powers of two, squares and products of neighbours', () => {
  const around = [2 ** 12, 2 ** 16, 2 ** 17, 2 ** 20, 2 ** 22, 181 ** 2, 1000 ** 2, 500 * 501, 2047 * 2048]
  for (const n of around.flatMap(n => [n - 1, n, n + 1])) checkEveryRowOnce(n, 1)
})

const LARGE = [1_000_000_000, 2 ** 32 + 1, 7_777_777_777_777, Number.MAX_SAFE_INTEGER]

test('large sizes: each sampled row leads back to its position, as the same network in JavaScript says', () => {
  for (const rows of [5, 1000, 1025, 70_000, ...LARGE]) {
    const permutation = createPermutation({ seed: 2 ** 40 + 7, rows, set: 3 })
    const network = networkOf(2 ** 40 + 7, rows, 5, 3)
    for (const first of [0, Math.floor(rows / 3), rows - Math.min(rows, 50)]) {
      const count = Math.min(50, rows - first)
      const found = [...permutation.rowsAt(5, first, count)]
      assert.equal(
        found,
        range(count, first).map(position => rowAt(network, position)),
      )
      assert.equal(
        found.map(row => positionOf(network, row)),
        range(count, first),
      )
      assert.ok(found.every(row => row >= 0 && row < rows && Number.isInteger(row)))
    }
  }
})

test('a block is a piece of the order, wherever it begins and ends', () => {
  for (const rows of [10, 1024, 5003]) {
    const permutation = createPermutation({ seed: 1, rows })
    const order = [...permutation.rowsAt(2, 0, rows)]
    for (let first = 0; first < rows; first += 1 + Math.floor(rows / 90))
      for (const count of [0, 1, 7, 8, 9, 100])
        if (first + count <= rows)
          assert.equal([...permutation.rowsAt(2, first, count)], order.slice(first, first + count))
  }
})

test('the same rows on every runtime', () => {
  const first = (rows: number) => [...createPermutation({ seed: 42, rows }).rowsAt(1, 0, 4)]
  assert.equal(first(10), [2, 7, 4, 1])
  assert.equal(first(1_000_000_000), [713224806, 693788282, 863637917, 7096797])
  const largest = [395656841171443, 4578701781259831, 7104938646410480, 6467173708462905]
  assert.equal(first(Number.MAX_SAFE_INTEGER), largest)
})

/** Rows at positions first … first + count − 1. */
type Order = (first: number, count: number, epoch: number) => ArrayLike<number>

/** Probabilities of what should be even in a random order of `n` rows, of which `size` at a time are looked at. */
function battery(order: Order, n: number, size: number): Record<string, number> {
  const side = Math.ceil(Math.sqrt(n))
  const width = Math.ceil(n / side)
  const half = Math.floor(n / 2)
  const rows = order(half, size, 0)
  const of = (value: (i: number) => number, cells: number, count = size) =>
    evenness(tally(range(count).map(value), cells))
  const bin = (value: number, bins: number) => Math.floor((value / n) * bins)
  // Digits do not fill bins evenly: the highest are left out.
  const digitsOf = (value: (i: number) => number, bins: number, digits: number) => {
    const cells = range(size).map(i => Math.floor(value(i) / Math.floor(digits / bins)))
    const counted = cells.filter(cell => cell < bins)
    return counted.length < size / 2 ? 0 : evenness(tally(counted, bins))
  }
  // Differences of rows whose positions are `distance` apart: digits of the network's input in common, and of nothing
  // in particular.
  const difference = (other: ArrayLike<number>, bins: number) =>
    of(i => bin((rows[i]! - other[i]! + n) % n, bins), bins)
  const digits = (other: ArrayLike<number>) =>
    digitsOf(i => ((rows[i]! % width) - (other[i]! % width) + width) % width, 64, width)
  const blocks = range(64).map(block => order(Math.floor((block * (n - size)) / 63), size >> 4, 0))
  const positions = blocks.flatMap((block, b) => Array.from(block, row => b * 16 + bin(row, 16)))
  return {
    rows: of(i => bin(rows[i]!, 256), 256),
    'low bits': of(i => rows[i]! % 256, 256),
    'left halves': digitsOf(i => Math.floor(rows[i]! / width), 512, side),
    'right halves': digitsOf(i => rows[i]! % width, 512, width),
    pairs: of(i => bin(rows[2 * i]!, 24) * 24 + bin(rows[2 * i + 1]!, 24), 576, size >> 1),
    triples: of(
      i => bin(rows[3 * i]!, 9) * 81 + bin(rows[3 * i + 1]!, 9) * 9 + bin(rows[3 * i + 2]!, 9),
      729,
      Math.floor(size / 3),
    ),
    differences: difference(order(half + 1, size, 0), 256),
    'differences over a right half': difference(order(half + width, size, 0), 256),
    'digits of neighbours': digits(order(half + 1, size, 0)),
    'digits over a right half': digits(order(half + width, size, 0)),
    'differences of epochs': difference(order(half, size, 1), 256),
    'row by position': evenness(tally(positions, 1024)),
  }
}

test('no structure: rows, halves, pairs, triples, differences of neighbours and of epochs', () => {
  for (const [rows, size] of [
    [3_000_017, 40_000],
    [2 ** 30, 40_000],
    [1_000_000_000, 200_000],
    [2 ** 50 + 1, 40_000],
  ] as const) {
    const permutation = createPermutation({ seed: 9, rows })
    const order: Order = (first, count, epoch) => permutation.rowsAt(epoch, first, count)
    for (const [name, p] of Object.entries(battery(order, rows, size))) accept(p, `${name} of ${rows}`)
  }
})

test('control: an affine order, and a network of too few rounds, are refused', () => {
  const n = 1_000_000_000
  const refused = (order: Order) =>
    Object.entries(battery(order, n, 20_000))
      .filter(([, p]) => !plausible(p))
      .map(([name]) => name)
  const affine: Order = (first, count, epoch) =>
    range(count, first).map(i => Number((BigInt(i) * 387_420_489n + 17n * BigInt(epoch)) % BigInt(n)))
  const few =
    (rounds: number): Order =>
    (first, count, epoch) => {
      const network = networkOf(9, n, epoch, 0, rounds)
      return range(count, first).map(position => rowAt(network, position))
    }
  const evenDigits = ['rows', 'low bits', 'left halves', 'right halves']
  for (const name of [...evenDigits, 'pairs', 'triples', 'differences of epochs', 'row by position'])
    assert.ok(refused(affine).includes(name), `${name} refuses an affine order`)
  const differences = ['differences', 'differences over a right half', 'digits over a right half']
  assert.equal(refused(few(1)), ['right halves', ...differences.toSpliced(2, 0, 'digits of neighbours')])
  assert.equal(refused(few(2)), differences)
  assert.equal(refused(few(3)), differences.slice(2))
  assert.equal(refused(few(12)), [])
})

test('whole orders: as many rows stay in place as in random ones', () => {
  const [n, epochs] = [1024, 4000]
  const poisson = [1, 1, 1 / 2, 1 / 6, 1 / 24]
  const weights = [...poisson, Math.E - poisson.reduce((a, b) => a + b)]
  const fixed = (offset: number) => {
    const permutation = createPermutation({ seed: 4, rows: n })
    return tally(
      range(epochs).map(epoch =>
        Math.min(
          5,
          permutation.rowsAt(epoch, 0, n).reduce((count, row, i) => count + (row === (i + offset) % n ? 1 : 0), 0),
        ),
      ),
      6,
    )
  }
  accept(evenness(fixed(0), 5, weights), 'rows that stay')
  accept(evenness(fixed(1), 5, weights), 'rows that move by one')
  refuse(evenness(fixed(0), 5, [1, 1, 1, 1, 1, 1]), 'another distribution')
})

test('seeds, sets and epochs have orders of their own', () => {
  const orders = new Set<string>()
  const settings = [1, 2, 2 ** 32 + 1].flatMap(seed => [0, 1, 2].map(set => ({ seed, set, rows: 1000 })))
  for (const each of settings)
    for (const epoch of [0, 1, 2 ** 40]) orders.add(createPermutation(each).rowsAt(epoch, 0, 20).join())
  assert.is(orders.size, 27)
})

test('impossible requests are refused', () => {
  const fails = (action: () => unknown, text: string) =>
    assert.throws(action, (error: Error) => error.message.includes(text), `an error with “${text}”`)
  fails(() => createPermutation({ seed: 1, rows: 0 }), 'the number of rows to permute must be an integer from 1')
  fails(() => createPermutation({ seed: 1, rows: 2 ** 53 }), 'found 9007199254740992')
  fails(() => createPermutation({ seed: 1.5, rows: 1 }), 'the seed must be an integer')
  const permutation = createPermutation({ seed: 1, rows: 10 })
  fails(() => permutation.rowsAt(0, 10, 1), 'the first position must be an integer from 0 to 9, found 10')
  fails(() => permutation.rowsAt(0, 4, 7), 'the number of positions from 4 on must be an integer from 0 to 6, found 7')
  fails(() => permutation.rowsAt(-1, 0, 1), 'the epoch')
})

test.run()
