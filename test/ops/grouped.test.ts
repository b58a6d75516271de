// Layers of one x whose weights lie in one piece of memory: one product, one sum for x's gradient; values and gradients are those of the layers one by one,
// in f64 and by central differences.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { activatedLinears, type LinearLayer, linears } from '../../src/ops/linear.js'
import type { Tensor } from '../../src/tensor/tensor.js'
import type { Trace } from '../../src/tensor/trace.js'
import { checkOperation } from '../support/operation.js'

type Leaves = Readonly<Record<string, Tensor>>
type Shapes = Record<string, { readonly shape: readonly number[] }>
const [T, C, R] = [6, 8, 4]

const layerOf = (leaves: Leaves, name: string): LinearLayer => ({
  name,
  weights: { weight: leaves[name]!, ...(leaves[`${name}Bias`] && { bias: leaves[`${name}Bias`]! }) },
  update: leaves[`${name}A`] ? { A: leaves[`${name}A`]!, B: leaves[`${name}B`]!, scale: 1.5 } : undefined,
})

interface Form {
  /** Outputs of each layer. */
  readonly widths: Readonly<Record<string, number>>
  readonly biased?: boolean
  /** Layers with an update, and the order in which these lie in memory. */
  readonly updated?: readonly string[]
  readonly rank?: number
  readonly gated?: boolean
}

/** Whether each kernel is recorded. */
const kernelsOf = (trace: Trace) => {
  const names = trace.calls.map(({ kernel }) => kernel)
  return {
    forward: names.filter(name => name === 'matmul_grouped').length,
    backward: names.filter(name => name === 'matmul_grouped_sum').length,
    products: names.filter(name => name.startsWith('matmul')).length,
  }
}

async function check(form: Form, expected: ReturnType<typeof kernelsOf>, joined = true): Promise<void> {
  const { widths, biased, updated = [], rank = R, gated } = form
  const names = Object.keys(widths)
  const leaves: Shapes = { x: { shape: [T, C] } }
  for (const name of names) {
    leaves[name] = { shape: [widths[name]!, C] }
    if (biased) leaves[`${name}Bias`] = { shape: [widths[name]!] }
  }
  for (const name of updated) {
    leaves[`${name}A`] = { shape: [rank, C] }
    leaves[`${name}B`] = { shape: [widths[name]!, rank] }
  }
  // As they are read from files: in another order than they are used.
  const weights = [...names].reverse().flatMap(name => (biased ? [`${name}Bias`, name] : [name]))
  const updates = updated.flatMap(name => [`${name}A`, `${name}B`])
  await checkOperation({
    ...{ values: {}, leaves, beside: joined ? [weights, ...(updates.length > 0 ? [updates] : [])] : [] },
    seen: trace => assert.equal(kernelsOf(trace), expected),
    record(trace, given) {
      const layers = names.map(name => layerOf(given, name))
      if (gated) return { y: activatedLinears(trace, given.x!, [layers[0]!, layers[1]!], 'silu', 'inner').y }
      return Object.fromEntries(linears(trace, given.x!, layers).map((y, i) => [`${names[i]}.y`, y]))
    },
  })
}

const three = { q: 12, k: 12, v: 12 }

test('query, key and value: one product forward, one for the gradient of x; a product each for their weights', async () => {
  await check({ widths: three, biased: true }, { forward: 1, backward: 1, products: 5 })
  await check({ widths: { q: 12, k: 4, v: 4 } }, { forward: 1, backward: 1, products: 5 })
  await check({ widths: { q: 5, k: 3, v: 7 }, biased: true }, { forward: 1, backward: 1, products: 5 })
})

test('with updates of some of them or all, in any order', async () => {
  // And a product each for the way back through B
  await check({ widths: three, biased: true, updated: ['q', 'v'] }, { forward: 1, backward: 1, products: 7 })
  await check({ widths: three, updated: ['v', 'k', 'q'] }, { forward: 1, backward: 1, products: 8 })
  await check({ widths: three, updated: ['k'] }, { forward: 1, backward: 1, products: 6 })
})

test('gate and up: one product that gates', async () => {
  const widths = { gate: 12, up: 12 }
  await check({ widths, gated: true, biased: true }, { forward: 1, backward: 1, products: 4 })
  await check({ widths, gated: true, updated: ['gate'] }, { forward: 1, backward: 1, products: 5 })
  await check({ widths, gated: true, updated: ['up', 'gate'] }, { forward: 1, backward: 1, products: 6 })
  await check({ widths: { gate: 6, up: 6 }, gated: true }, { forward: 1, backward: 1, products: 4 })
})

test('apart where memory is, or where a rank is no whole vectors', async () => {
  await check({ widths: three, biased: true }, { forward: 0, backward: 0, products: 9 }, false)
  await check({ widths: three, updated: ['q'], rank: 3 }, { forward: 0, backward: 1, products: 9 })
})

test.run()
