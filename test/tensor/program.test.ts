// Programs on a backend: batches that shrink and grow again, programs that take turns at one pool, what is refused, and memory given back.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { createPlan } from '../../src/tensor/plan.js'
import { createPool, createProgram, releasePool } from '../../src/tensor/program.js'
import { call, createTrace, input, output, temporary } from '../../src/tensor/trace.js'
import { counted } from '../support/counted.js'
import { backendsPresent } from '../support/present.js'
import { failure } from '../support/temporary.js'
import { seededValues } from '../support/values.js'

const WIDTH = 5

/** y = s xᵀ x · x for x (T, WIDTH), by way of a (T, T) temporary: y = s (x xᵀ) x */
function gramPlan(name: string, scale: number) {
  const trace = createTrace({ training: false })
  const x = input(trace, 'x', ['T', WIDTH], 'f32')
  const gram = temporary('gram', ['T', 'T'])
  const y = temporary('y', ['T', WIDTH])
  const plain = { transposeA: 0, accumulate: 0, hasBias: 0, M: 'T' }
  call(
    trace,
    'matmul',
    { a: x, b: x, bias: undefined, c: gram },
    { ...plain, N: 'T', K: WIDTH, transposeB: 1, alpha: scale },
  )
  call(
    trace,
    'matmul',
    { a: gram, b: x, bias: undefined, c: y },
    { ...plain, N: WIDTH, K: 'T', transposeB: 0, alpha: 1 },
  )
  output(trace, 'y', y)
  return createPlan(name, trace)
}

function expected(x: Float32Array, scale: number): number[] {
  const rows = x.length / WIDTH
  const at = (i: number, c: number) => x[i * WIDTH + c]!
  return Array.from({ length: x.length }, (_, index) => {
    const [i, c] = [Math.floor(index / WIDTH), index % WIDTH]
    let sum = 0
    for (let j = 0; j < rows; j++) {
      let dot = 0
      for (let d = 0; d < WIDTH; d++) dot += at(i, d) * at(j, d)
      sum += scale * dot * at(j, c)
    }
    return sum
  })
}

function near(actual: Float32Array, wanted: readonly number[], what: string): void {
  assert.is(actual.length, wanted.length, what)
  wanted.forEach((value, i) => {
    assert.ok(Math.abs(actual[i]! - value) <= 1e-4 * (1 + Math.abs(value)), `${what}: ${i} is ${actual[i]}, ${value}`)
  })
}

for (const present of await backendsPresent()) {
  test(`${present.kind}: batches that grow, shrink, vanish and grow again, two programs in turn`, async () => {
    const { backend, held } = counted(present)
    const pool = createPool(backend)
    const scales = [1, -0.5]
    const programs = scales.map((scale, i) => createProgram(gramPlan(`gram${i}`, scale), pool))
    const values = seededValues(3)
    for (const rows of [7, 40, 3, 41, 0, 1, 90, 7])
      for (const [i, program] of programs.entries()) {
        const x = values.normal(rows * WIDTH, 0.5)
        await program.run({ T: rows }, { x })
        near(await program.read('y'), expected(x, scales[i]!), `program ${i}, ${rows} rows`)
      }
    for (const program of programs) program.release()
    releasePool(pool)
    assert.is(held.size, 0, 'all memory is given back')
  })
}

test('an input that is missing or of another length is refused by name', async () => {
  const backend = await createWasmBackend()
  const program = createProgram(gramPlan('gram', 1), createPool(backend))
  assert.match(await failure(program.run({ T: 2 })), /plan gram: input x is missing/)
  assert.match(await failure(program.run({ T: 2 }, { x: new Float32Array(9) })), /input x has 9 values, expected 10/)
  assert.match(await failure(program.read('y')), /no output y to read/)
  backend.close()
})

test('memory that cannot be had: the message says so, and all else is given back', async () => {
  const { backend, held } = counted(await createWasmBackend({ maximumBytes: 64 * 65536 }))
  const pool = createPool(backend)
  const program = createProgram(gramPlan('gram', 1), pool)
  await program.run({ T: 10 }, { x: new Float32Array(50) })
  // The (T, T) temporary of the pool, then the input itself.
  for (const rows of [1000, 150_000]) {
    const message = await failure(program.run({ T: rows }, { x: new Float32Array(rows * WIDTH) }))
    assert.match(message, /cannot allocate|needs .* more than/)
  }
  await program.run({ T: 10 }, { x: new Float32Array(50) })
  await failure(program.run({ T: 1000 }, { x: new Float32Array(5000) }))
  program.release()
  releasePool(pool)
  assert.is(held.size, 0)
})
test.run()
