// Feed-forward blocks whose activations ride in products: values and all gradients against f64 and central differences, with low-rank updates and without.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ACTIVATIONS } from '../../src/backend/layer-kernels.js'
import type { Activation } from '../../src/ops/activation.js'
import { activatedLinears, type LinearLayer, linear, linears } from '../../src/ops/linear.js'
import type { Tensor } from '../../src/tensor/tensor.js'
import { createTrace, runTape, type Trace, temporary } from '../../src/tensor/trace.js'
import { checkOperation } from '../support/operation.js'

type Leaves = Readonly<Record<string, Tensor>>
const [T, C, I, R] = [6, 8, 12, 4]
const shapes = {
  ...{ x: { shape: [T, C] }, up: { shape: [I, C] }, upBias: { shape: [I] } },
  ...{ down: { shape: [C, I] }, downBias: { shape: [C] } },
}
const gateShapes = { gate: { shape: [I, C] }, gateBias: { shape: [I] } }
const lowShapes = (name: string, outputs: number, inputs: number, rank = R) => ({
  [`${name}A`]: { shape: [rank, inputs] },
  [`${name}B`]: { shape: [outputs, rank] },
})

const layerOf = (leaves: Leaves, name: string): LinearLayer => ({
  name,
  weights: { weight: leaves[name]!, bias: leaves[`${name}Bias`]! },
  update: leaves[`${name}A`] ? { A: leaves[`${name}A`]!, B: leaves[`${name}B`]!, scale: 1.5 } : undefined,
})

function block(trace: Trace, leaves: Leaves, activation: Activation): Tensor {
  const up = layerOf(leaves, 'up')
  const layers = leaves.gate ? ([layerOf(leaves, 'gate'), up] as const) : ([up] as const)
  const activated = activatedLinears(trace, leaves.x!, layers, activation, 'inner')
  return linears(trace, activated.y, [layerOf(leaves, 'down')], activated)[0]!
}

const check = (leaves: Parameters<typeof checkOperation>[0]['leaves'], activation: Activation) =>
  checkOperation({ values: {}, leaves, record: (trace, given) => ({ y: block(trace, given, activation) }) })

for (const activation of ACTIVATIONS)
  test(`${activation} between two layers, and gated`, async () => {
    await check(shapes, activation)
    await check({ ...shapes, ...gateShapes }, activation)
  })

test('with low-rank updates of some of the layers or all', async () => {
  const [up, gate, down] = [lowShapes('up', I, C), lowShapes('gate', I, C), lowShapes('down', C, I)]
  await check({ ...shapes, ...up }, 'gelu')
  await check({ ...shapes, ...up, ...down }, 'gelu')
  await check({ ...shapes, ...gateShapes, ...gate, ...down }, 'silu')
  await check({ ...shapes, ...gateShapes, ...up }, 'silu')
  await check({ ...shapes, ...gateShapes, ...gate, ...up, ...down }, 'gelu_tanh')
  // Ranks that are no whole vectors, and more than an epilogue is worth
  for (const rank of [3, 36]) await check({ ...shapes, ...lowShapes('down', C, I, rank) }, 'gelu')
})

test('a result that is read otherwise has its gradient by a call of its own', async () => {
  for (const gated of [false, true])
    await checkOperation({
      values: {},
      leaves: { ...shapes, ...(gated && gateShapes) },
      record: (trace, leaves) => {
        const up = layerOf(leaves, 'up')
        const layers = gated ? ([layerOf(leaves, 'gate'), up] as const) : ([up] as const)
        const { y } = activatedLinears(trace, leaves.x!, layers, 'gelu', 'inner')
        return { y, z: linear(trace, y, layerOf(leaves, 'down').weights, undefined, 'z') }
      },
    })
})

test('no pass of its own is left of an activation; what only a backward pass reads is kept in training only', () => {
  const of = (shape: readonly number[], name: string): Tensor => ({
    ...temporary(name, shape),
    role: 'external',
    needsGradient: true,
  })
  const leaves = Object.fromEntries(
    Object.entries({ ...shapes, ...gateShapes, ...lowShapes('up', I, C) }).map(([name, { shape }]) => [
      name,
      of(shape, name),
    ]),
  )
  const record = (training: boolean) => {
    const trace = createTrace({ training })
    const y = block(trace, leaves, 'silu')
    if (training) trace.gradients.set(y, temporary('dy', y.shape))
    if (training) runTape(trace)
    return trace.calls
  }
  const kernels = (training: boolean) => record(training).map(({ kernel }) => kernel)
  assert.equal(kernels(false), ['lora_down', 'matmul', 'matmul', 'matmul_epilogue', 'matmul'])
  assert.not.ok(kernels(true).some(name => name.includes('activation')))
  assert.equal(record(false)[3]!.params.hasBeside, 0)
  assert.equal(record(true)[3]!.params.hasBeside, 1)
})

test.run()
