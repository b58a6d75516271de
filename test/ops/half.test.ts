// Frozen weights in 16 bits give what the same numbers in f32 give: layers with low-rank updates, their gradients, embeddings.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Backend, wholeView } from '../../src/backend/backend.js'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
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

test('wasm: every number of f16 is widened as it is, those that are not finite too', async () => {
  const backend = await createWasmBackend({ threads: 1 })
  // Rows that end within a block of eight; neighbours lie far from one another, so that few of a block are not finite
  const [rows, columns] = [2 ** 16 / 16, 19]
  const pattern = (i: number) => (i * 7919) & 0xffff
  const words = Uint32Array.from(
    { length: (rows * columns) / 2 },
    (_, i) => (pattern(2 * i + 1) << 16) | pattern(2 * i),
  )
  const placed = (data: Float32Array | Int32Array | Uint32Array) => {
    const view = wholeView(backend.allocate(data.byteLength, 'half'))
    backend.write(view, data)
    return view
  }
  const index = Int32Array.from({ length: rows }, (_, row) => row)
  const views = [words, index, new Float32Array(rows * columns)].map(placed)
  const prepared = await backend.prepare([{ kernel: 'gather_rows_half', views }])
  backend.run(prepared, [{ rows, columns, accumulate: 0, format: 0 }])
  const found = new Float32Array(await backend.read(views[2]!))
  const numberOf = (bits: number) => {
    const [sign, exponent, mantissa] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023]
    if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY
    return sign * (exponent ? (1 + mantissa / 1024) * 2 ** (exponent - 15) : mantissa * 2 ** -24)
  }
  const wrong = found.findIndex((value, i) => !Object.is(value, numberOf(pattern(i))))
  assert.is(wrong, -1, `${pattern(wrong)} is widened to ${found[wrong]}`)
  // Of b (4, 8), all of it 1 but for an infinity: in a product of one row, which is computed in registers
  const b = new Uint16Array(32).fill(0x3c00)
  b[2 * 8 + 3] = 0xfc00
  const factors = [new Float32Array(8).fill(1), new Uint32Array(b.buffer), new Float32Array(4)].map(placed)
  const product = await backend.prepare([
    { kernel: 'matmul_half', views: [factors[0], factors[1], undefined, factors[2]] },
  ])
  const form = { transposeA: 0, transposeB: 1, accumulate: 0, hasBias: 0, alpha: 1, format: 0 }
  backend.run(product, [{ M: 1, N: 4, K: 8, ...form }])
  assert.equal([...new Float32Array(await backend.read(factors[2]!))], [8, 8, Number.NEGATIVE_INFINITY, 8])
  backend.close()
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
