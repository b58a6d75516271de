import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { dropoutParams, threefry2x32, tokenKey } from '../../src/backend/random.js'

test('Threefry-2x32-20 gives the known answers of its authors', () => {
  const ones = 0xffffffff
  const answers = [
    [0, 0, 0, 0, 0x6b200159, 0x99ba4efe],
    [ones, ones, ones, ones, 0x1cb996fc, 0xbb002be7],
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xc4923a9c, 0x483df7a0],
  ] as const
  for (const [counter0, counter1, key0, key1, ...words] of answers)
    assert.equal(threefry2x32(counter0, counter1, key0, key1), words)
})

test('words are u32, whatever the sign and size of the arguments', () => {
  assert.equal(threefry2x32(-1, -1, -1, -1), threefry2x32(0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff))
  for (let i = 0; i < 100; i++)
    for (const word of threefry2x32(i, 1, 2, 3)) assert.ok(word >= 0 && word < 2 ** 32 && word % 1 === 0)
})

test('dropoutParams: threshold and scale of a rate, keys that differ by seed, step and site', () => {
  const { threshold, scale } = dropoutParams(0.25, 1, 2, 3)
  assert.is(threshold, 2 ** 30)
  assert.is(scale, 4 / 3)
  assert.equal(dropoutParams(0.25, 1, 2, 3), dropoutParams(0.25, 1, 2, 3))
  const nothing = dropoutParams(0, 1, 2, 3)
  assert.is(nothing.threshold, 0)
  assert.is(nothing.scale, 1)
  assert.ok(dropoutParams(1 - 2 ** -40, 0, 0, 0).threshold < 2 ** 32, 'fits u32')
  const sites = [0, 1].flatMap(a => [0, 1].flatMap(b => [0, 1].map(c => dropoutParams(0.5, a, b, c))))
  assert.is(new Set(sites.map(({ key0, key1 }) => `${key0} ${key1}`)).size, 8)
})

test('a seed counts in full, beyond 32 bits too', () => {
  const seeds = [1, 2 ** 32 + 1, 2 ** 33 + 1, 2 ** 53 - 1, 2 ** 32 - 1]
  const keys = seeds.map(seed => dropoutParams(0.5, seed, 0, 0)).map(({ key0, key1 }) => `${key0} ${key1}`)
  assert.is(new Set(keys).size, seeds.length)
})

test('the share of dropped elements is the rate, for both words', () => {
  const { threshold, key0, key1 } = dropoutParams(0.1, 42, 7, 3)
  const count = 100_000
  const dropped = [0, 0]
  for (let i = 0; i < count; i++)
    for (const [word, bits] of threefry2x32(tokenKey(i % 64, i >> 6), i & 31, key0, key1).entries())
      if (bits < threshold) dropped[word]!++
  // Four standard deviations of a binomial share
  for (const share of dropped)
    assert.ok(Math.abs(share / count - 0.1) < 4 * Math.sqrt((0.1 * 0.9) / count), `${share / count}`)
})

test('tokenKey keeps row and position apart and is a u32', () => {
  assert.is(tokenKey(0, 0), 0)
  assert.is(tokenKey(1, 2), 65538)
  assert.is(tokenKey(65535, 65535), 0xffffffff)
  assert.is(tokenKey(40000, 0) + 3, tokenKey(40000, 3))
})

test.run()
