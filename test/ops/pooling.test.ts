// Pooling as an operation, in every way, with and without starts.
import { test } from 'uvu'
import { POOLINGS } from '../../src/backend/layer-kernels.js'
import { pool } from '../../src/ops/pooling.js'
import { checkOperation } from '../support/operation.js'
import { offsetsOf } from '../support/values.js'

const offsets = offsetsOf([1, 4, 3])

for (const pooling of POOLINGS)
  test(`${pooling}: of all rows and from a position on, both added to one gradient`, async () => {
    await checkOperation({
      values: { B: 3 },
      leaves: { x: { shape: [8, 5] } },
      inputs: {
        offsets: { shape: [4], data: offsets },
        starts: { shape: ['B'], data: Int32Array.of(0, 2, 3) },
      },
      record: (trace, { x, offsets, starts }) => ({
        all: pool(trace, x!, offsets!, 'B', pooling, 'all'),
        some: pool(trace, x!, offsets!, 'B', pooling, 'some', starts!),
      }),
    })
  })
test.run()
