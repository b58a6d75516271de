// Every check of a kernel accepts what the kernel computes, and notices where it is wrong.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { type Data, type HostTensors, hostTensors, openCall, uniformValues } from '../../src/bench/host.js'
import { kernelCases } from '../../src/bench/kernel-cases.js'
import { largestDifference } from '../../src/bench/products.js'
import { erf, gelu } from '../../src/bench/reference-transformer.js'

const backend = await createWasmBackend({ threads: 1 })

/** Each result a thousandth larger, or an index one further. */
const spoiled = (after: HostTensors): HostTensors => {
  const spoil = (data: Data): Data => (data instanceof Float32Array ? data.map(x => x * 1.001) : data.map(i => i + 1))
  return Object.fromEntries(Object.entries(after).map(([name, data]) => [name, spoil(data)]))
}

for (const { name, shape, kernel, params, tensors, check } of kernelCases(256)) {
  test(`${name} ${shape}`, async () => {
    const before = hostTensors(kernel, params, tensors())
    const call = await openCall(backend, kernel, params, before)
    try {
      const error = check(before, call.after, params)
      assert.ok(error < 1e-5, `error ${error}`)
      assert.ok(check(before, spoiled(call.after), params) > 5e-4, 'a wrong result is noticed')
      const nothing = Object.fromEntries(Object.entries(call.after).map(([key, data]) => [key, data.map(() => NaN)]))
      assert.not.ok(check(before, nothing as HostTensors, params) < 1e-5, 'and one that is no number')
      assert.ok((await call.time({ seconds: 0 })) > 0)
    } finally {
      call.release()
    }
  })
}

test('attention: a wrong row of the middle of a sequence is noticed where it is looked at', async () => {
  const one = kernelCases(256).find(each => each.name === 'attention_backward_kv dropout')!
  const before = hostTensors(one.kernel, one.params, one.tensors())
  const call = await openCall(backend, one.kernel, one.params, before)
  call.release()
  const withoutDropout = { ...one.params, threshold: 0, scale: 1 }
  assert.ok(one.check(before, call.after, withoutDropout) > 1e-2, 'the mask counts')
})

test('erf and gelu', () => {
  const known: [number, number][] = [
    [0, 0],
    [0.5, 0.5204998778130465],
    [2.4, 0.9993114861033549],
    [3, 0.9999779095030014],
    [-1, -0.8427007929497149],
    [7, 1],
  ]
  for (const [x, value] of known) assert.ok(Math.abs(erf(x) - value) < 1e-14, `erf(${x}) is ${erf(x)}`)
  assert.ok(Math.abs(gelu(1, false) - 0.8413447460685429) < 1e-14)
  assert.ok(Math.abs(gelu(1, true) - 0.8411919906082768) < 1e-12)
})

test('values: in (−1, 1), the same for a seed, others for another', () => {
  const values = uniformValues(10_000, 7)
  assert.equal(values, uniformValues(10_000, 7))
  assert.not.equal(values, uniformValues(10_000, 8))
  assert.ok(values.every(value => value >= -1 && value <= 1))
  assert.ok(Math.abs(values.reduce((sum, value) => sum + value, 0) / values.length) < 0.02)
})

test('differences to a rival: of the largest value; none are good where lengths differ', () => {
  assert.is(largestDifference(Float32Array.of(1, -4), Float32Array.of(1, -3)), 0.25)
  assert.ok(Number.isNaN(largestDifference(Float32Array.of(1), Float32Array.of(1, 2))))
  assert.ok(Number.isNaN(largestDifference(Float32Array.of(1, 2), Float32Array.of(Number.NaN, 2))))
})

test.after(() => backend.close())
test.run()
