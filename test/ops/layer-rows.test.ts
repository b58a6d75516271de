// One weight taken as several layers by its rows: what the columns of its result are, and all gradients. In f64 there are no views: columns are copied there.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { splitColumns } from '../../src/ops/columns.js'
import { layersOfRows } from '../../src/ops/layer-rows.js'
import { type LinearLayer, linears } from '../../src/ops/linear.js'
import type { Tensor } from '../../src/tensor/tensor.js'
import { createTrace, type Trace } from '../../src/tensor/trace.js'
import { checkOperation } from '../support/operation.js'

const [T, C, R] = [5, 64, 4]
const widths = [16, 32, 16]
const names = ['q', 'k', 'v']
const total = 64

function parts(trace: Trace, x: Tensor, layer: LinearLayer): Tensor[] {
  const layers = layersOfRows(trace, layer, widths, names)
  if (x.view && !layers) throw new Error('taken as one')
  return layers ? linears(trace, x, layers) : splitColumns(trace, linears(trace, x, [layer])[0]!, widths, names)
}

test('results and gradients by the rows of a weight, and of a low-rank update', async () => {
  for (const low of [false, true])
    await checkOperation({
      values: {},
      leaves: {
        ...{ x: { shape: [T, C] }, w: { shape: [total, C] } },
        ...(low && { A: { shape: [R, C] }, B: { shape: [total, R] } }),
      },
      record: (trace, { x, w, A, B }) => {
        const update = A && B && { A, B, scale: 0.5 }
        const [q, k, v] = parts(trace, x!, { name: 'y', weights: { weight: w! }, update })
        return { q: q!, k: k!, v: v! }
      },
    })
})

test('what cannot be viewed by its rows is left whole', () => {
  const trace = createTrace({ training: true })
  const memory = { label: 'w', bytes: 65536 } as NonNullable<Tensor['view']>['memory']
  const weight = (columns: number): Tensor => {
    const view = { memory, offset: 0, bytes: 4 * total * columns }
    return { name: 'w', shape: [total, columns], dtype: 'f32', role: 'external', needsGradient: false, view }
  }
  const of = (tensor: Tensor) => layersOfRows(trace, { name: 'y', weights: { weight: tensor } }, widths, names)
  const offsets = of(weight(C))!.map(({ weights }) => weights.weight.view!.offset)
  assert.equal(offsets, [0, 4 * 16 * C, 4 * 48 * C])
  assert.is(of(weight(2)), undefined)
  assert.is(of({ ...weight(C), dtype: 'q4' }), undefined)
  const { view: _, ...without } = weight(C)
  assert.is(of(without), undefined)
  const grouped = weight(C)
  trace.rowGroups.set(grouped, [])
  assert.is(of(grouped), undefined)
})

test.run()
