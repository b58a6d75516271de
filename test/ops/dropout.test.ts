// Dropout as an operation: the same mask forward and backward, other masks for other sites and steps, and no mask without a seed.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Backend } from '../../src/backend/backend.js'
import { tokenKey } from '../../src/backend/random.js'
import { drop } from '../../src/ops/dropout.js'
import { createPlan } from '../../src/tensor/plan.js'
import { createPool, createProgram } from '../../src/tensor/program.js'
import { backward, createTrace, input, output } from '../../src/tensor/trace.js'
import { backendsPresent } from '../support/present.js'
import { failure } from '../support/temporary.js'

const [ROWS, COLUMNS] = [6, 9]
const keys = Uint32Array.from({ length: ROWS }, (_, row) => tokenKey(2, row))

/** y = dropout(x) and dx, of a plan that keeps both. */
function dropProgram(backend: Backend, rate: number, site: number) {
  const trace = createTrace({ training: true })
  const x = { ...input(trace, 'x', ['T', COLUMNS], 'f32'), needsGradient: true }
  trace.inputs.set('x', x)
  const dy = input(trace, 'dy', ['T', COLUMNS], 'f32')
  const y = drop(trace, x, { rate, site, keys: input(trace, 'keys', ['T'], 'u32') })
  output(trace, 'y', y)
  backward(trace, y, dy)
  output(trace, 'dx', trace.gradients.get(x)!)
  return createProgram(createPlan('drop', trace), createPool(backend))
}

for (const backend of await backendsPresent()) {
  test(`${backend.kind}: the gradient has the forward pass's mask; site, seed and step each give another`, async () => {
    const x = new Float32Array(ROWS * COLUMNS).fill(1)
    const masked = async (rate: number, site: number, seed: number, step: number) => {
      const program = dropProgram(backend, rate, site)
      await program.run({ T: ROWS, seed, step }, { x, dy: x.map(value => 2 * value), keys })
      const [y, dx] = [await program.read('y'), await program.read('dx')]
      program.release()
      assert.equal(
        dx,
        y.map(value => 2 * value),
      )
      return Array.from(y)
    }
    const first = await masked(0.25, 1, 3, 5)
    assert.ok(first.every(value => value === 0 || value === Math.fround(4 / 3)))
    assert.ok(first.includes(0))
    assert.equal(await masked(0.25, 1, 3, 5), first)
    for (const [site, seed, step] of [
      [2, 3, 5],
      [1, 4, 5],
      [1, 3, 6],
    ] as const)
      assert.not.equal(await masked(0.25, site, seed, step), first)
  })

  test(`${backend.kind}: a run without seed or step is refused, not given seed 0`, async () => {
    const x = new Float32Array(ROWS * COLUMNS)
    const run = (values: Record<string, number>) => dropProgram(backend, 0.5, 1).run(values, { x, dy: x, keys })
    assert.match(await failure(run({ T: ROWS, step: 0 })), /seed has no value/)
    assert.match(await failure(run({ T: ROWS, seed: 0 })), /step has no value/)
  })
}
test.run()
