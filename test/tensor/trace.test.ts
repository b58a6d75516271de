// The trace and its gradients' bookkeeping.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Tensor } from '../../src/tensor/tensor.js'
import {
  backward,
  call,
  createTrace,
  gradientTarget,
  input,
  onBackward,
  output,
  shareGradient,
  type Trace,
  temporary,
} from '../../src/tensor/trace.js'

const leaf = (name: string): Tensor => ({ ...temporary(name, ['T', 4]), needsGradient: true })

/** y = 2 x, as far as the trace is concerned: its backward adds to x's gradient by a call. */
function double(trace: Trace, x: Tensor, name: string): Tensor {
  const y = temporary(name, x.shape, [x])
  const params = { count: 8, kind: 0 }
  call(trace, 'activation_forward', { x, y }, params)
  onBackward(trace, y, dy => {
    const dx = temporary(`${name}.dx`, x.shape)
    call(trace, 'activation_backward', { x, dy, dx }, params)
    shareGradient(trace, x, dx)
  })
  return y
}

test('calls are recorded in the order of the table, absent tensors kept', () => {
  const trace = createTrace({ training: false })
  const x = input(trace, 'x', ['T', 4], 'f32')
  const y = temporary('y', ['T', 2])
  call(
    trace,
    'matmul',
    { c: y, a: x, bias: undefined, b: x },
    { M: 'T', N: 2, K: 4, transposeA: 0, transposeB: 1, accumulate: 0, hasBias: 0, alpha: 1 },
  )
  assert.equal(
    trace.calls[0]!.tensors.map(tensor => tensor?.name),
    ['x', 'x', undefined, 'y'],
  )
  assert.throws(() => input(trace, 'x', [1]), /input x is declared twice/)
  output(trace, 'y', y)
  assert.throws(() => output(trace, 'y', y), /output y is declared twice/)
})

test('backward runs the closures last to first, and only where a gradient arrives', () => {
  const trace = createTrace({ training: true })
  const x = leaf('x')
  const y = double(trace, double(trace, x, 'a'), 'b')
  double(trace, x, 'unused')
  backward(trace, y, temporary('dy', y.shape))
  const backwardCalls = trace.calls
    .filter(each => each.kernel === 'activation_backward')
    .map(each => each.tensors[2]!.name)
  assert.equal(backwardCalls, ['b.dx', 'a.dx'])
})

test('a tensor used twice has its second gradient added', () => {
  const trace = createTrace({ training: true })
  const x = leaf('x')
  const [a, b] = [double(trace, x, 'a'), double(trace, x, 'b')]
  trace.gradients.set(b, temporary('db', b.shape))
  backward(trace, a, temporary('da', a.shape))
  const added = trace.calls.filter(each => each.kernel === 'copy_rows')
  assert.is(added.length, 1)
  assert.is(added[0]!.params.accumulate, 1)
  assert.equal(gradientTarget(trace, x), { target: trace.gradients.get(x)!, accumulate: 1 })
})

test('nothing is recorded for what needs no gradient, nor in evaluation', () => {
  const frozen = createTrace({ training: true })
  double(frozen, temporary('x', ['T', 4]), 'y')
  assert.is(frozen.tape.length, 0)
  const evaluation = createTrace({ training: false })
  double(evaluation, leaf('x'), 'y')
  assert.is(evaluation.tape.length, 0)
})

test('a shared gradient that one side changed is not read by the other', () => {
  const trace = createTrace({ training: true })
  const [x, residual] = [leaf('x'), leaf('residual')]
  const early = double(trace, x, 'early')
  const shared = temporary('shared', ['T', 4])
  shareGradient(trace, early, shared)
  shareGradient(trace, residual, shared)
  // Something adds to the residual's gradient before the branch has read its own: the same memory.
  gradientTarget(trace, residual)
  const closure = trace.tape.at(-1)!
  assert.throws(closure, /the gradient of early was changed through residual before it was read/)
})
test.run()
