// Frozen weights in 16 bits give what the same numbers in f32 give: layers with low-rank updates, their gradients, embeddings.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Backend } from '../../src/backend/backend.js'
import { toF32 } from '../../src/data/dtype.js'
import { activate } from '../../src/ops/activation.js'
import { embed } from '../../src/ops/embedding.js'
import { linear } from '../../src/ops/linear.js'
import { createTrainable, frozenHalf, frozenTensor, readTensor, stateTensor } from '../../src/tensor/parameters.js'
import { createPlan } from '../../src/tensor/plan.js'
import { createPool, createProgram } from '../../src/tensor/program.js'
import { bytesOf, type HalfType, type Tensor } from '../../src/tensor/tensor.js'
import { backward, createTrace, input, output, temporary } from '../../src/tensor/trace.js'
import { halves } from '../support/cases/matmul.js'
import { backendsPresent } from '../support/present.js'
import { seededValues } from '../support/values.js'

const formats: readonly HalfType[] = ['f16', 'bf16']

/** The numbers of 16 bits as the reading of files widens them. */
function widened(words: Uint32Array, count: number, dtype: HalfType): Float32Array {
  const values = new Float32Array(2 * words.length)
  const problem = toF32[dtype === 'f16' ? 'F16' : 'BF16']!(new Uint8Array(words.slice().buffer), values, 0)
  assert.is(problem, undefined)
  return values.slice(0, count)
}

const close = (found: Float32Array, expected: Float32Array, what: string) => {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const error = found.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0)
  assert.ok(largest > 0 && error <= 1e-6 * largest, `${what}: ${error} of ${largest}`)
}

const [T, IN, OUT, V] = [23, 38, 27, 11]

/** y and all gradients of a layer over embedded rows, from a table and a weight that `place` puts on the backend. */
async function run(backend: Backend, place: (name: 'table' | 'W', shape: number[]) => Tensor) {
  const random = seededValues(5)
  const table = place('table', [V, IN])
  const weight = place('W', [OUT, IN])
  const spec = (name: string, shape: number[]) => ({
    name,
    shape,
    data: random.normal(shape[0]! * shape[1]!),
    decay: true,
  })
  const { tensors } = createTrainable(backend, [spec('A', [4, IN]), spec('B', [OUT, 4])])
  const trace = createTrace({ training: true })
  const index = input(trace, 'index', [T])
  const leaf = {
    ...frozenTensor(backend, 'x', [T, IN], random.normal(T * IN)),
    needsGradient: true,
    gradient: stateTensor(backend, 'dx', [T, IN]),
  }
  const rows = embed(trace, [{ table, index }], 'rows')
  const update = { A: tensors.get('A')!, B: tensors.get('B')!, scale: 0.5 }
  const y = linear(trace, activate(trace, leaf, 'silu', 'active'), { weight }, update, 'y')
  const z = linear(trace, rows, { weight }, undefined, 'z')
  output(trace, 'y', y)
  output(trace, 'rows', rows)
  output(trace, 'z', z)
  backward(trace, y, frozenTensor(backend, 'dy', [T, OUT], random.normal(T * OUT)))
  const program = createProgram(createPlan('half', trace), createPool(backend))
  await program.run({}, { index: random.integers(T, V) })
  return {
    y: await program.read('y'),
    rows: await program.read('rows'),
    z: await program.read('z'),
    dx: await readTensor(backend, leaf.gradient),
    dA: await readTensor(backend, tensors.get('A')!.gradient!),
    dB: await readTensor(backend, tensors.get('B')!.gradient!),
  }
}

for (const backend of await backendsPresent())
  for (const dtype of formats)
    test(`${backend.kind}: a table and a layer in ${dtype} against the same numbers in f32`, async () => {
      const format = formats.indexOf(dtype)
      const words = { table: halves(V * IN, format), W: halves(OUT * IN, format) }
      const half = await run(backend, (name, shape) => frozenHalf(backend, name, shape, dtype, words[name]))
      const whole = await run(backend, (name, shape) =>
        frozenTensor(backend, name, shape, widened(words[name], shape[0]! * shape[1]!, dtype)),
      )
      assert.equal(half.rows, whole.rows)
      for (const name of ['y', 'z', 'dx', 'dA', 'dB'] as const) close(half[name], whole[name], name)
    })

test('half the bytes; too few words, and operations that know 32 bits only, are refused by name', async () => {
  const [backend] = await backendsPresent()
  const held = frozenHalf(backend!, 'W', [3, 5], 'bf16', new Uint32Array(8))
  assert.is(bytesOf(held, {}), 32)
  assert.throws(
    () => frozenHalf(backend!, 'W', [3, 5], 'f16', new Uint32Array(7)),
    /W: 7 words for shape \(3, 5\) in f16, expected 8/,
  )
  const trace = createTrace({ training: true })
  assert.throws(() => activate(trace, held, 'relu', 'y'), /activation_forward: x \(W\) is held in bf16, expected f32/)
  const trained = { ...held, needsGradient: true }
  const x = temporary('x', ['T', 5])
  assert.throws(
    () => linear(trace, x, { weight: trained }, undefined, 'y'),
    /W is trained, but held in bf16; load it in f32/,
  )
  const index = temporary('index', ['T'])
  assert.throws(
    () => embed(trace, [{ table: trained, index }], 'rows'),
    /embedding rows: W is trained, but held in bf16/,
  )
})
test.run()
