// The references against themselves: each backward form against central differences of its forward form, the others against a second way
// of saying the same. A wrong reference would make wrong kernels right.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { threefry2x32, tokenKey } from '../../src/backend/random.js'
import { attentionTiles, tileCount } from '../../src/tensor/tiles.js'
import { offsetsOf } from '../support/values.js'
import { close, differences, dot, dropping, keeping, normal, zeros } from './differences.js'
import { reference } from './reference.js'

for (const [name, drop] of Object.entries({ keeping, dropping })) {
  test(`attention_backward_q and _kv, ${name}`, () => {
    const offsets = offsetsOf([1, 5, 2])
    const [T, heads, headSize] = [offsets.at(-1)!, 2, 3]
    const tiles = attentionTiles(offsets, 2, Int32Array.of(1, 3, 2), Int32Array.of(4, 0, 9))
    const params = { tiles: tileCount(tiles), tileRows: 2, heads, headSize, softmaxScale: 0.7, ...drop }
    const size = T * heads * headSize
    const [q, k, v, dout] = [normal(size), normal(size), normal(size), normal(size)]
    const forward = () => {
      const [out, lse] = [zeros(size).fill(Number.NaN), zeros(T * heads)]
      reference.attention_forward({ q, k, v, tiles, out, lse }, params)
      return { out, lse, scalar: dot(out, dout) }
    }
    const { out, lse } = forward()
    const stats = zeros(T * heads * 2)
    reference.attention_delta({ out, dout, lse, stats }, { rows: T, heads, headSize })
    const [dq, dk, dv] = [zeros(size), zeros(size), zeros(size)].map(x => x.fill(Number.NaN)) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ]
    reference.attention_backward_q({ q, k, v, dout, stats, tiles, dq }, params)
    reference.attention_backward_kv({ q, k, v, dout, stats, tiles, dk, dv }, params)
    for (const [tensor, gradient, x] of [
      ['dq', dq, q],
      ['dk', dk, k],
      ['dv', dv, v],
    ] as const)
      close(
        tensor,
        gradient,
        differences(x, () => forward().scalar),
      )
    // Rows 4 and 5 (positions 3 and 4 of the second sequence) are beyond its key length.
    assert.ok(dv.subarray(4 * heads * headSize, 6 * heads * headSize).every(value => value === 0))
  })
}

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
  const params = { tiles: tileCount(tiles), tileRows: 2, heads, headSize: length, softmaxScale: 1, ...dropping }
  reference.attention_forward({ q: zeros(size), k: zeros(size), v, tiles, out, lse }, params)
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
    const params = { tiles: tileCount(tiles), tileRows, heads, headSize, softmaxScale, ...keeping }
    reference.attention_forward({ q, k, v, tiles, out, lse }, params)
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
