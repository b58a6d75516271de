// Activations and gated ones as operations.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ACTIVATIONS } from '../../src/backend/layer-kernels.js'
import { activate, gatedActivation } from '../../src/ops/activation.js'
import { createTrace, temporary } from '../../src/tensor/trace.js'
import { checkOperation } from '../support/operation.js'

for (const kind of ACTIVATIONS)
  test(`${kind}, and gated by it`, async () => {
    await checkOperation({
      values: {},
      leaves: { x: { shape: [3, 7] }, up: { shape: [3, 7] } },
      record: (trace, { x, up }) => ({
        plain: activate(trace, x!, kind, 'plain'),
        gated: gatedActivation(trace, x!, up!, kind, 'gated'),
      }),
    })
  })

test('a gate and what it opens must have one shape', () => {
  const trace = createTrace({ training: false })
  assert.throws(
    () => gatedActivation(trace, temporary('gate', ['T', 8]), temporary('up', ['T', 6]), 'silu', 'mlp'),
    /gated activation mlp: up has shape \(T, 6\), expected \(T, 8\)/,
  )
})
test.run()
