import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TILE_STRIDE } from '../../src/backend/kernels.js'
import { tokenKey } from '../../src/backend/random.js'
import { attentionTiles, tileCount } from '../../src/tensor/tiles.js'
import { offsetsOf } from '../support/values.js'

const rowsOf = (tiles: Int32Array) =>
  Array.from({ length: tileCount(tiles) }, (_, t) => Array.from(tiles.subarray(t * TILE_STRIDE, t * TILE_STRIDE + 5)))

test('sequences shorter than, equal to and longer than a tile', () => {
  assert.equal(rowsOf(attentionTiles(offsetsOf([1, 16, 17, 40]), 16)), [
    [0, 0, 1, 1, 0],
    [1, 1, 17, 17, 1 << 16],
    [17, 17, 34, 34, 2 << 16],
    [33, 17, 34, 34, 2 << 16],
    [34, 34, 74, 74, 3 << 16],
    [50, 34, 74, 74, 3 << 16],
    [66, 34, 74, 74, 3 << 16],
  ])
})

test('every row lies in exactly one tile, inside its sequence', () => {
  for (const tileRows of [1, 3, 16, 32, 64]) {
    const offsets = offsetsOf([5, 0, 1, 64, 65, 31, 32, 33, 0])
    const owners = new Int32Array(offsets.at(-1)!)
    for (const [first, start, end, keyEnd] of rowsOf(attentionTiles(offsets, tileRows))) {
      assert.ok(offsets.includes(start!) && offsets.includes(end!) && keyEnd === end)
      for (let row = first!; row < Math.min(first! + tileRows, end!); row++) owners[row]!++
    }
    assert.ok(
      owners.every(count => count === 1),
      `tiles of ${tileRows} rows`,
    )
  }
})

test('key lengths and rows of the batch are carried; the words after them are zero', () => {
  const tiles = attentionTiles(offsetsOf([3, 0, 4]), 2, Int32Array.of(2, 0, 4), Int32Array.of(7, 8, 65535))
  assert.equal(rowsOf(tiles), [
    [0, 0, 3, 2, 7 << 16],
    [2, 0, 3, 2, 7 << 16],
    [3, 3, 7, 7, -65536],
    [5, 3, 7, 7, -65536],
  ])
  assert.is(tiles[3 * TILE_STRIDE + 4]! >>> 0, tokenKey(65535, 0))
  for (let t = 0; t < 4; t++)
    assert.equal(Array.from(tiles.subarray(t * TILE_STRIDE + 5, (t + 1) * TILE_STRIDE)), [0, 0, 0])
})

test('offsets that do not begin at 0, and no sequences', () => {
  assert.equal(rowsOf(attentionTiles(Int32Array.of(10, 12, 15), 8)), [
    [10, 10, 12, 12, 0],
    [12, 12, 15, 15, 1 << 16],
  ])
  assert.is(attentionTiles(Int32Array.of(0), 16).length, 0)
})

test('impossible arguments are named', () => {
  const offsets = offsetsOf([3, 4])
  assert.throws(() => attentionTiles(offsets, 0), /tileRows is 0/)
  assert.throws(() => attentionTiles(new Int32Array(0), 16), /no offsets/)
  assert.throws(() => attentionTiles(Int32Array.of(0, 3, 2), 16), /offsets fall at sequence 1/)
  assert.throws(() => attentionTiles(offsets, 16, Int32Array.of(3)), /1 keyLengths for 2 sequences/)
  assert.throws(() => attentionTiles(offsets, 16, undefined, Int32Array.of(1, 2, 3)), /3 rows for 2 sequences/)
  assert.throws(
    () => attentionTiles(offsets, 16, Int32Array.of(3, 5)),
    /key length 5 of sequence 1, expected 1 to its length 4/,
  )
  assert.throws(() => attentionTiles(offsets, 16, Int32Array.of(0, 4)), /key length 0 of sequence 0/)
  assert.throws(() => attentionTiles(offsets, 16, undefined, Int32Array.of(0, 65536)), /row 65536 of its batch/)
  assert.throws(() => attentionTiles(offsetsOf([65537]), 16), /65537 tokens/)
})

test.run()
