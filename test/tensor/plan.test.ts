// Plans: lifetimes, buffers dealt, limits, figures.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { callParams, checkLimits, createPlan, dealBuffers, flopCount, memoryFigure } from '../../src/tensor/plan.js'
import { plus, type Tensor } from '../../src/tensor/tensor.js'
import { call, createTrace, input, output, type Trace, temporary } from '../../src/tensor/trace.js'

const plain = { transposeA: 0, transposeB: 1, accumulate: 0, hasBias: 0, alpha: 1 }
const product = (trace: Trace, x: Tensor, width: number, from: number, name: string): Tensor => {
  const y = temporary(name, ['T', width])
  call(trace, 'matmul', { a: x, b: x, bias: undefined, c: y }, { ...plain, M: 'T', N: width, K: from })
  return y
}

/** x → a → b → c → d, each read by the next alone; d is kept. */
function chain() {
  const trace = createTrace({ training: false })
  const x = input(trace, 'x', ['T', 64], 'f32')
  const a = product(trace, x, 64, 64, 'a')
  const b = product(trace, a, 128, 64, 'b')
  const c = product(trace, b, 64, 128, 'c')
  const d = product(trace, c, 32, 64, 'd')
  output(trace, 'd', d)
  return { plan: createPlan('chain', trace), tensors: { x, a, b, c, d } }
}

test('a buffer serves one live tensor at a time, and is used again', () => {
  const { plan, tensors } = chain()
  const { bufferOf, bufferBytes } = dealBuffers(plan, { T: 10 })
  assert.is.not(bufferOf.get(tensors.a), bufferOf.get(tensors.b))
  assert.is.not(bufferOf.get(tensors.b), bufferOf.get(tensors.c))
  assert.is(bufferOf.get(tensors.a), bufferOf.get(tensors.c))
  assert.is(bufferOf.get(tensors.d), undefined, 'an output has memory of its own')
  assert.equal(bufferBytes, [10 * 64 * 4, 10 * 128 * 4])
})

test('no call reads and writes one buffer, whatever the lifetimes', () => {
  const trace = createTrace({ training: false })
  const x = input(trace, 'x', ['T', 8], 'f32')
  const live: Tensor[] = [x]
  for (let i = 0; i < 60; i++)
    live.push(product(trace, live[(i * 7) % live.length]!, 8 + ((i * 13) % 5) * 8, 8, `t${i}`))
  const plan = createPlan('random', trace)
  const { bufferOf } = dealBuffers(plan, { T: 3 })
  const spans = plan.temporaries
  for (const one of spans)
    for (const other of spans) {
      if (one === other || one.last < other.first || other.last < one.first) continue
      assert.is.not(bufferOf.get(one.tensor), bufferOf.get(other.tensor), `${one.tensor.name} and ${other.tensor.name}`)
    }
})

test('figures: memory with and without sharing, products', () => {
  const { plan } = chain()
  const figure = memoryFigure(plan, { T: 10 })
  assert.equal(figure, { temporaries: 7680, unshared: 10_240, inputs: 2560, outputs: 1280 })
  assert.is(flopCount(plan, { T: 10 }).get('matmul'), 2 * 10 * (64 * 64 + 128 * 64 + 64 * 128 + 32 * 64))
})

test('what does not fit one binding is refused before anything runs, with names and figures', () => {
  const { plan } = chain()
  const limits = { binding: 4096, memory: 1 << 20, alignment: 256 }
  checkLimits(plan, { T: 8 }, limits)
  assert.throws(
    () => checkLimits(plan, { T: 9 }, limits),
    /plan chain: b \(T, 128\) needs 0\.0 MiB, more than the 0\.0 MiB .*chunk_size/,
  )
})

test('sizes are expressions in the batch; one without a value is named', () => {
  const trace = createTrace({ training: false })
  const x = input(trace, 'offsets', [plus('B', 1)])
  call(
    trace,
    'gather_rows',
    { table: x, index: x, out: temporary('y', ['B', 2]) },
    { rows: 'B', columns: values => values.B! * 2, accumulate: 0 },
  )
  const plan = createPlan('sizes', trace)
  assert.equal(callParams(plan, { B: 5 }), [{ rows: 5, columns: 10, accumulate: 0 }])
  assert.is(memoryFigure(plan, { B: 127 }).inputs, 512)
  assert.throws(() => callParams(plan, { T: 5 }), /size B has no value; given: T/)
})

test('reading what nothing has written is an error of the plan', () => {
  const trace = createTrace({ training: false })
  product(trace, temporary('ghost', ['T', 8]), 8, 8, 'y')
  assert.throws(() => createPlan('broken', trace), /call 0 \(matmul\) reads ghost, which nothing has written/)
})
test.run()
