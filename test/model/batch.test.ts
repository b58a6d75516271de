// Packed batches: positions, dropout keys, tiles and groups worked out on the host; sequences chosen and joined.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { tokenKey } from '../../src/backend/random.js'
import {
  type BatchModel,
  batchArrays,
  batchInputs,
  checkSequences,
  groupByRow,
  joinBatches,
  type PackedBatch,
  selectSequences,
} from '../../src/model/batch.js'
import type { ModelConfig } from '../../src/model/config.js'
import { elementsOf } from '../../src/tensor/tensor.js'
import { createTrace } from '../../src/tensor/trace.js'
import { tinyConfig } from '../support/tiny-bert.js'
import { seededValues } from '../support/values.js'

const modelOf = (config: ModelConfig, needsGradient: boolean): BatchModel => ({
  config,
  weights: name => ({ name, shape: [], dtype: 'f32', role: 'external', needsGradient }),
})
const model = modelOf(tinyConfig, false)
const batch: PackedBatch = {
  ids: Int32Array.of(7, 4, 7, 2, 9, 4),
  offsets: Int32Array.of(0, 3, 3, 4, 6), // the second sequence is empty
  typeIds: Int32Array.of(0, 0, 1, 0, 1, 1),
}

test('positions and dropout keys count within each sequence; rows are those given', () => {
  const { values, inputs } = batchArrays(batch, 'q.', model)
  assert.equal(values, { 'q.T': 6, 'q.B': 4, 'q.W': 3 })
  assert.equal(Array.from(inputs['q.positions']!), [0, 1, 2, 0, 0, 1])
  const keys = (rows: number[]) =>
    [0, 1, 2]
      .map(p => tokenKey(rows[0]!, p))
      .concat(
        tokenKey(rows[2]!, 0),
        [0, 1].map(p => tokenKey(rows[3]!, p)),
      )
  assert.equal(Array.from(inputs['q.keys']!), keys([0, 1, 2, 3]))
  const moved = batchArrays({ ...batch, rows: Int32Array.of(40, 41, 60000, 5) }, '', model)
  assert.equal(Array.from(moved.inputs.keys!), keys([40, 41, 60000, 5]))
  const sequenceKeys = Array.from({ length: 3 }, (_, tile) => moved.inputs.tiles![8 * tile + 4]! >>> 0)
  assert.equal(
    sequenceKeys,
    [40, 60000, 5].map(row => tokenKey(row, 0)),
    'attention and layers speak of the same rows',
  )
})

test('every declared input is given, with as many values as its shape says', () => {
  for (const trained of [false, true]) {
    const trace = createTrace({ training: true })
    batchInputs(trace, 'p.', modelOf(tinyConfig, trained))
    const { values, inputs } = batchArrays(batch, 'p.', modelOf(tinyConfig, trained))
    assert.equal(
      Object.keys(inputs).sort(),
      [...trace.inputs.keys(), 'p.starts'].sort(),
      'the pooling alone declares where it begins',
    )
    for (const [name, tensor] of trace.inputs) assert.is(inputs[name]!.length, elementsOf(tensor, values), name)
  }
})

test('token types are 0 where none are given', () => {
  const { ids, offsets } = batch
  assert.equal(Array.from(batchArrays({ ids, offsets }, '', model).inputs.typeIds!), [0, 0, 0, 0, 0, 0])
})

test('groups: each row once, ascending, its positions in order', () => {
  const index = Int32Array.of(7, 4, 7, 2, 9, 4)
  assert.equal(groupByRow(index), {
    order: Int32Array.of(3, 1, 5, 0, 2, 4),
    starts: Int32Array.of(0, 1, 3, 5, 6),
    targets: Int32Array.of(2, 4, 7, 9),
  })
  assert.equal(groupByRow(new Int32Array()), {
    order: new Int32Array(),
    starts: Int32Array.of(0),
    targets: new Int32Array(),
  })
  const many = seededValues(1).integers(5000, 250_000)
  const { order, starts, targets } = groupByRow(many)
  assert.equal(
    Array.from(targets),
    [...new Set(many)].sort((a, b) => a - b),
  )
  targets.forEach((row, u) => {
    const positions = Array.from(order.subarray(starts[u], starts[u + 1]))
    assert.ok(
      positions.every((t, i) => many[t] === row && (i === 0 || positions[i - 1]! < t)),
      `row ${row}`,
    )
  })
})

test('sequences are chosen in any order, more than once, none', () => {
  assert.equal(selectSequences(batch, [3, 0, 1, 3]), {
    ids: Int32Array.of(9, 4, 7, 4, 7, 9, 4),
    offsets: Int32Array.of(0, 2, 5, 5, 7),
    typeIds: Int32Array.of(1, 1, 0, 0, 1, 1, 1),
  })
  const { ids, offsets } = batch
  assert.equal(selectSequences({ ids, offsets }, []), { ids: new Int32Array(), offsets: Int32Array.of(0) })
})

test('batches are joined one after another', () => {
  const { ids, offsets } = batch
  const joined = joinBatches([batch, { ids, offsets }, { ids: new Int32Array(), offsets: Int32Array.of(0) }])
  assert.equal(joined, {
    ids: Int32Array.of(...ids, ...ids),
    offsets: Int32Array.of(0, 3, 3, 4, 6, 9, 9, 10, 12),
    typeIds: Int32Array.of(...batch.typeIds!, 0, 0, 0, 0, 0, 0),
  })
  assert.equal(selectSequences(joined, [0, 1, 2, 3]), batch)
})

test('what does not fit the model is refused with its place', () => {
  const message = (change: Partial<PackedBatch>, config = tinyConfig) => {
    try {
      checkSequences({ ...batch, ...change }, config)
    } catch (error) {
      return (error as Error).message
    }
    return 'fits'
  }
  assert.is(message({}), 'fits')
  assert.is(message({}, { ...tinyConfig, maxPositions: 3, vocabulary: 10 }), 'fits')
  assert.match(message({}, { ...tinyConfig, maxPositions: 2 }), /text 1 has 3 tokens, but the model has 2 positions/)
  assert.match(message({}, { ...tinyConfig, vocabulary: 9 }), /text 4 has the id 9, but .* 9 entries/)
  assert.match(message({ ids: Int32Array.of(1, 1, 1, -1, 1, 1) }), /text 3 has the id -1/)
  assert.match(message({ typeIds: Int32Array.of(0, 0, 0, 2, 0, 0) }), /text 3 has the token type 2/)
})
test.run()
