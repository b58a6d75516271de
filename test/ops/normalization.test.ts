// Norms as operations: with and without beta, by groups of columns, and before layers, where sum and norm both go on.
import { test } from 'uvu'
import { scale } from '../../src/ops/columns.js'
import { addNorm, layerNorm, type Norm, residualLayerNorm, rmsNorm } from '../../src/ops/normalization.js'
import { checkOperation } from '../support/operation.js'

const [T, C] = [5, 12]
const matrix = { shape: [T, C] }
const vector = { shape: [C] }
const values = { seed: 3, step: 4 }
const epsilon = 1e-5
const keys = { shape: [T], data: Uint32Array.of(3, 9, 1, 7, 70_000) }
const dropout = (keys: Parameters<typeof scale>[1]) => ({ rate: 0.3, site: 2, keys })

test('layer norm without beta, and after a residual', async () => {
  await checkOperation({
    values,
    leaves: { x: matrix, gamma: vector },
    record: (trace, { x, gamma }) => ({ y: layerNorm(trace, x!, { gamma: gamma!, epsilon }, 'y') }),
  })
  await checkOperation({
    values,
    leaves: { x: matrix, residual: matrix, gamma: vector, beta: vector },
    inputs: { keys },
    record: (trace, { x, residual, gamma, beta, keys }) => ({
      y: residualLayerNorm(trace, x!, residual!, { gamma: gamma!, beta: beta!, epsilon }, dropout(keys!), 'y'),
    }),
  })
})

for (const addOne of [false, true])
  test(`rms norm of rows and of groups of columns, factor gamma${addOne ? ' + 1' : ''}`, async () => {
    await checkOperation({
      values: { ...values, T },
      leaves: { x: matrix, gamma: vector, narrow: { shape: [4] } },
      record: (trace, { x, gamma, narrow }) => ({
        rows: rmsNorm(trace, x!, { gamma: gamma!, epsilon, addOne }, 'rows'),
        groups: rmsNorm(trace, x!, { gamma: narrow!, epsilon, addOne }, 'groups', 4),
      }),
    })
  })

const norms: Record<string, (weights: { gamma: Norm['gamma']; beta: Norm['gamma'] }) => Norm> = {
  layer: ({ gamma, beta }) => ({ kind: 'layer', gamma, beta, epsilon }),
  'layer without beta': ({ gamma }) => ({ kind: 'layer', gamma, epsilon }),
  rms: ({ gamma }) => ({ kind: 'rms', gamma, epsilon }),
  'rms, gamma + 1': ({ gamma }) => ({ kind: 'rms', gamma, epsilon, addOne: true }),
}

for (const [name, norm] of Object.entries(norms)) {
  const leaves = { x: matrix, residual: matrix, gamma: vector, beta: vector }
  const withoutBeta = Object.fromEntries(Object.entries(leaves).filter(([key]) => name === 'layer' || key !== 'beta'))
  for (const used of ['both', 'sum', 'normed'] as const)
    test(`add norm, ${name}: ${used} used`, async () => {
      await checkOperation({
        values,
        leaves: used === 'sum' ? { x: matrix, residual: matrix } : withoutBeta,
        inputs: { keys, ...(used === 'sum' && { gamma: { shape: [C], data: new Float32Array(C).fill(1) } }) },
        record: (trace, { x, residual, gamma, beta, keys }) => {
          const weights = norm({ gamma: gamma!, beta: beta ?? gamma! })
          const made = addNorm(trace, x!, residual!, weights, dropout(keys!), 'normed')
          return used === 'both' ? made : { [used]: made[used] }
        },
      })
    })

  // As in a model: what one layer hands on is the residual of the next, so that gradients travel along the stream and join it from the side.
  test(`three layers with the norm before them, ${name}`, async () => {
    await checkOperation({
      values,
      leaves: withoutBeta,
      record: (trace, { x, residual, gamma, beta }) => {
        const weights = norm({ gamma: gamma!, beta: beta ?? gamma! })
        let state = addNorm(trace, x!, residual!, weights, undefined, '0')
        for (const layer of [1, 2]) {
          const branch = scale(trace, state.normed, 0.7, `branch.${layer}`)
          state = addNorm(trace, branch, state.sum, weights, undefined, `${layer}`)
        }
        return state
      },
    })
  })
}
test.run()
