// Columns taken apart, rotary positions and a factor, as operations.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { scale, splitColumns } from '../../src/ops/columns.js'
import { rope } from '../../src/ops/rotary.js'
import { createTrace, temporary } from '../../src/tensor/trace.js'
import { checkOperation } from '../support/operation.js'

test('columns taken apart: all parts used, one of them, and the whole beside them', async () => {
  const leaves = { x: { shape: [4, 9] } }
  const names = ['a', 'b', 'c']
  await checkOperation({
    values: {},
    leaves,
    record: (trace, { x }) => {
      const parts = splitColumns(trace, x!, [2, 4, 3], names)
      return Object.fromEntries(parts.map((part, i) => [names[i]!, part]))
    },
  })
  await checkOperation({
    values: {},
    leaves,
    record: (trace, { x }) => ({ b: splitColumns(trace, scale(trace, x!, -1, 'x.scaled'), [2, 4, 3], names)[1]! }),
  })
  await checkOperation({
    values: {},
    leaves,
    record: (trace, { x }) => {
      const doubled = scale(trace, x!, 2, 'doubled')
      return { c: splitColumns(trace, doubled, [2, 4, 3], names)[2]!, whole: scale(trace, doubled, 3, 'whole') }
    },
  })
  const trace = createTrace({ training: false })
  assert.throws(() => splitColumns(trace, temporary('x', ['T', 9]), [2, 4], ['a', 'b']), /x has 9, expected 2 \+ 4/)
})

test('rotary positions', async () => {
  const angles = Array.from({ length: 6 }, (_, position) => [position, position / 10, position / 100])
  const table = Float32Array.from(angles.flatMap(row => [...row.map(Math.cos), ...row.map(Math.sin)]))
  await checkOperation({
    values: {},
    leaves: { x: { shape: [4, 12] } },
    inputs: {
      positions: { shape: [4], data: Int32Array.of(0, 5, 1, 3) },
      table: { shape: [6, 6], data: table },
    },
    record: (trace, { x, positions, table }) => ({ y: rope(trace, x!, positions!, table!, 6, 'y') }),
  })
  const trace = createTrace({ training: false })
  const turn = (columns: number, headSize: number) =>
    rope(trace, temporary('x', ['T', columns]), temporary('p', ['T']), temporary('table', [9, 4]), headSize, 'q')
  assert.throws(() => turn(12, 3), /rope q: 12 columns, expected heads of an even size, found 3/)
  assert.throws(() => turn(12, 6), /table has shape \(9, 4\), expected \(any, 6\)/)
})
test.run()
