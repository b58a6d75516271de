// Attention as an operation: grouped queries, limits and a relative bias, with all gradients.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TILE_STRIDE } from '../../src/backend/kernels.js'
import { type AttentionShape, attention, TILE_ROWS } from '../../src/ops/attention.js'
import { attentionTiles, tileCount } from '../../src/tensor/tiles.js'
import { createTrace, temporary } from '../../src/tensor/trace.js'
import { checkOperation } from '../support/operation.js'
import { offsetsOf } from '../support/values.js'

const offsets = offsetsOf([1, 9, 4])
const T = offsets.at(-1)!
const tiles = attentionTiles(offsets, TILE_ROWS)

const forms: Record<string, { shape: AttentionShape; reach?: number }> = {
  plain: { shape: { heads: 2, keyValueHeads: 2, headSize: 4 } },
  'causal, grouped': { shape: { heads: 4, keyValueHeads: 2, headSize: 6, after: 0, scale: 0.3 } },
  local: { shape: { heads: 2, keyValueHeads: 2, headSize: 3, before: 2, after: 2 } },
  'relative bias': { shape: { heads: 3, keyValueHeads: 3, headSize: 4 }, reach: 3 },
  'all at once': { shape: { heads: 4, keyValueHeads: 1, headSize: 4, before: 3, after: 1 }, reach: 2 },
}

for (const [name, { shape, reach }] of Object.entries(forms))
  test(`${name}: output and gradients`, async () => {
    const { heads, keyValueHeads, headSize } = shape
    await checkOperation({
      values: { T, W: tileCount(tiles), seed: 1, step: 1 },
      leaves: {
        q: { shape: [T, heads * headSize] },
        k: { shape: [T, keyValueHeads * headSize] },
        v: { shape: [T, keyValueHeads * headSize] },
        ...(reach !== undefined && { bias: { shape: [2 * reach + 1, heads] } }),
      },
      inputs: { tiles: { shape: ['W', TILE_STRIDE], data: tiles } },
      record: (trace, { q, k, v, tiles, bias }) => ({
        out: attention(trace, q!, k!, v!, { tiles: tiles! }, { ...shape, ...(bias && { bias }) }, undefined, 'out'),
      }),
    })
  })

test('a bias that two layers share has the sum of their gradients', async () => {
  const shape = { heads: 2, keyValueHeads: 2, headSize: 2 }
  await checkOperation({
    values: { T, W: tileCount(tiles), seed: 1, step: 1 },
    leaves: { x: { shape: [T, 4] }, bias: { shape: [5, 2] } },
    inputs: { tiles: { shape: ['W', TILE_STRIDE], data: tiles } },
    record: (trace, { x, bias, tiles }) => {
      const layer = { ...shape, bias: bias! }
      const once = attention(trace, x!, x!, x!, { tiles: tiles! }, layer, undefined, 'once')
      return { twice: attention(trace, once, once, once, { tiles: tiles! }, layer, undefined, 'twice') }
    },
  })
})

test('shapes that do not fit are refused by name', () => {
  const trace = createTrace({ training: false })
  const [q, k] = [temporary('q', ['T', 12]), temporary('k', ['T', 8])]
  const layout = { tiles: temporary('tiles', ['W', TILE_STRIDE]) }
  const attend = (shape: AttentionShape) => attention(trace, q, k, k, layout, shape, undefined, 'layer')
  assert.throws(
    () => attend({ heads: 3, keyValueHeads: 2, headSize: 4 }),
    /attention layer: 3 heads are not a multiple of the 2 heads of keys and values/,
  )
  assert.throws(() => attend({ heads: 3, keyValueHeads: 3, headSize: 4 }), /k has shape \(T, 8\), expected \(T, 12\)/)
  assert.throws(
    () => attend({ heads: 6, keyValueHeads: 6, headSize: 2, before: -1 }),
    /before is -1, expected a whole number of at least 0/,
  )
  const bias = temporary('bias', [4, 6])
  assert.throws(
    () => attend({ heads: 6, keyValueHeads: 6, headSize: 2, bias }),
    /bias has shape \(4, 6\), expected an odd number of rows/,
  )
})
test.run()
