// The references against themselves: each backward form against central differences of its forward form, the others against a second way
// of saying the same. A wrong reference would make wrong kernels right.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { NO_LIMIT } from '../../src/backend/kernels.js'
import { threefry2x32, tokenKey } from '../../src/backend/random.js'
import { attentionTiles, tileCount } from '../../src/tensor/tiles.js'
import { offsetsOf } from '../support/values.js'
import { close, differences, dot, dropping, keeping, normal, zeros } from './differences.js'
import { reference } from './reference.js'

const open = { keyValueHeads: 2, before: NO_LIMIT, after: NO_LIMIT, biasRows: 0 }
const forms = {
  keeping: { ...keeping, ...open },
  dropping: { ...dropping, ...open },
  'one key head of two, dropping': { ...dropping, ...open, keyValueHeads: 1 },
  'limits and bias': { ...keeping, ...open, before: 1, after: 2, biasRows: 5 },
  'causal, grouped, with a bias that all differences but one share, dropping': {
    ...{ ...dropping, keyValueHeads: 1, before: NO_LIMIT, after: 0, biasRows: 3 },
  },
}

for (const [name, form] of Object.entries(forms)) {
  test(`attention_backward_q and _kv, ${name}`, () => {
    const offsets = offsetsOf([1, 5, 2])
    const [T, heads, headSize] = [offsets.at(-1)!, 2, 3]
    const tiles = attentionTiles(offsets, 2, Int32Array.of(1, 3, 2), Int32Array.of(4, 0, 9))
    const { biasRows, keyValueHeads } = form
    const params = { rows: T, tiles: tileCount(tiles), tileRows: 2, heads, headSize, softmaxScale: 0.7, ...form }
    const size = T * heads * headSize
    const keySize = T * keyValueHeads * headSize
    const [q, k, v, dout] = [normal(size), normal(keySize), normal(keySize), normal(size)]
    const bias = normal(biasRows * heads)
    const forward = () => {
      const [out, stats] = [zeros(size).fill(Number.NaN), zeros((T * 2 + biasRows) * heads)]
      reference.attention_forward({ q, k, v, tiles, bias, out, lse: stats }, params)
      stats.set(bias, T * 2 * heads)
      return { out, stats, scalar: dot(out, dout) }
    }
    const { out, stats } = forward()
    const nothing = (count: number) => zeros(count).fill(Number.NaN)
    const [dq, dk, dv] = [nothing(size), nothing(keySize), nothing(keySize)]
    const parts = nothing(params.tiles * biasRows * heads)
    reference.attention_backward_q({ q, k, v, out, dout, stats, tiles, dq }, params)
    if (biasRows > 0) {
      const [given, same] = [dq.slice(), stats.slice()]
      reference.attention_delta({ out, dout, stats: same }, { rows: T, heads, headSize })
      assert.equal(same, stats)
      reference.attention_backward_q_bias({ q, k, v, dout, stats, tiles, dq, dbias: parts }, params)
      assert.equal(dq, given)
    }
    reference.attention_backward_kv({ q, k, v, dout, stats, tiles, dk, dv }, params)
    const dbias = bias.map((_, i) => parts.reduce((sum, x, at) => sum + (at % bias.length === i ? x : 0), 0))
    for (const [tensor, gradient, x] of [
      ['dq', dq, q],
      ['dk', dk, k],
      ['dv', dv, v],
      ['dbias', dbias, bias],
    ] as const)
      close(
        tensor,
        gradient,
        differences(x, () => forward().scalar),
      )
    // Rows 4 and 5 (positions 3 and 4 of the second sequence) are beyond its key length.
    const width = keyValueHeads * headSize
    assert.ok(dv.subarray(4 * width, 6 * width).every(value => value === 0))
  })
}

test('grouped queries, limits and biases by their definitions', () => {
  const [length, heads, headSize] = [6, 4, 2]
  const tiles = attentionTiles(Int32Array.of(0, length), 4)
  const shape = { rows: length, tiles: tileCount(tiles), tileRows: 4, heads, keyValueHeads: 2, headSize }
  const params = { ...shape, softmaxScale: 1, before: 2, after: 1, biasRows: 3, ...keeping }
  const [q, k, v] = [normal(length * 8), normal(length * 4), normal(length * 4)]
  const bias = normal(3 * heads)
  const [out, lse] = [zeros(length * 8), zeros(length * heads)]
  reference.attention_forward({ q, k, v, tiles, bias, out, lse }, params)
  for (let i = 0; i < length; i++)
    for (let head = 0; head < heads; head++) {
      const keyHead = head < 2 ? 0 : 1
      let [total, sum] = [0, 0]
      for (const j of [i - 2, i - 1, i, i + 1]) {
        if (j < 0 || j >= length) continue
        const product =
          q[i * 8 + head * 2]! * k[j * 4 + keyHead * 2]! + q[i * 8 + head * 2 + 1]! * k[j * 4 + keyHead * 2 + 1]!
        const weight = Math.exp(product + bias[(i > j ? 2 : i === j ? 1 : 0) * heads + head]!)
        total += weight
        sum += weight * v[j * 4 + keyHead * 2 + 1]!
      }
      assert.ok(Math.abs(out[i * 8 + head * 2 + 1]! - sum / total) < 1e-13, `query ${i}, head ${head}`)
    }
})

test('masks: dropout by (key, channel), attention by (sequence key + query, head, key)', () => {
  const fallen = (counter0: number, counter1: number, word: number) =>
    threefry2x32(counter0, counter1, dropping.key0, dropping.key1)[word as 0 | 1] < dropping.threshold
  const [rows, columns, keys] = [2, 9, Uint32Array.of(5, 4_000_000_000)]
  const y = zeros(rows * columns)
  reference.dropout({ x: zeros(rows * columns).fill(1), keys, y }, { rows, columns, ...dropping })
  const channels = Array.from(y, (_, i) => ({ row: Math.floor(i / columns), channel: i % columns }))
  for (const [i, { row, channel }] of channels.entries())
    assert.is(y[i] === 0, fallen(keys[row]!, Math.floor(channel / 2), channel % 2), `row ${row}, channel ${channel}`)

  // With q = 0 the probabilities are 1/5, and with v_j = e_j the output shows each of them with its mask.
  const [first, length, heads, batchRow] = [2, 5, 3, 40000]
  const tiles = attentionTiles(Int32Array.of(first, first + length), 2, undefined, Int32Array.of(batchRow))
  const size = (first + length) * heads * length
  const v = zeros(size).map((_, i) => (Math.floor(i / (heads * length)) - first === i % length ? 1 : 0))
  const [out, lse] = [zeros(size), zeros((first + length) * heads)]
  const shape = { rows: first + length, tiles: tileCount(tiles), tileRows: 2, heads, headSize: length }
  const params = { ...shape, ...open, keyValueHeads: heads, softmaxScale: 1, ...dropping }
  reference.attention_forward({ q: zeros(size), k: zeros(size), v, tiles, bias: undefined, out, lse }, params)
  for (let i = 0; i < length; i++)
    for (let head = 0; head < heads; head++)
      for (let j = 0; j < length; j++) {
        const mask = fallen(tokenKey(batchRow, i), head * 32768 + Math.floor(j / 2), j % 2)
        const found = out[((first + i) * heads + head) * length + j]!
        assert.ok(Math.abs(found - (mask ? 0 : 1 / 5 / 0.7)) < 1e-12, `query ${i}, head ${head}, key ${j}`)
      }
})

test('attention of a sequence is a dense softmax over its keys, and tiles do not matter', () => {
  const offsets = offsetsOf([3, 4])
  const [T, heads, headSize, softmaxScale] = [7, 1, 2, 0.5]
  const size = T * headSize
  const [q, k, v] = [normal(size), normal(size), normal(size)]
  const results = [1, 3, 16].map(tileRows => {
    const tiles = attentionTiles(offsets, tileRows)
    const [out, lse] = [zeros(size), zeros(T)]
    const shape = { rows: T, tiles: tileCount(tiles), tileRows, heads, headSize }
    const params = { ...shape, ...open, keyValueHeads: heads, softmaxScale, ...keeping }
    reference.attention_forward({ q, k, v, tiles, bias: undefined, out, lse }, params)
    return { out, lse }
  })
  for (const { out, lse } of results) {
    close('out', out, results[0]!.out, 0)
    const weights = [3, 4, 5, 6].map(j => Math.exp(softmaxScale * (q[8]! * k[j * 2]! + q[9]! * k[j * 2 + 1]!)))
    const total = weights.reduce((a, b) => a + b)
    assert.ok(Math.abs(lse[4]! - Math.log(total)) < 1e-14)
    const expected = weights.reduce((sum, weight, n) => sum + (weight / total) * v[(n + 3) * 2 + 1]!, 0)
    assert.ok(Math.abs(out[9]! - expected) < 1e-14)
  }
})

test.run()
