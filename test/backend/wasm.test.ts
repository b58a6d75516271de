// The wasm backend: its heap, growth, and what it refuses.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Backend, type BoundCall, wholeView } from '../../src/backend/backend.js'
import type { KernelName, Params } from '../../src/backend/kernels.js'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { createHeap } from '../../src/backend/wasm/heap.js'
import { hasRelaxedSimd } from '../../src/backend/wasm/module.js'
import { normalCdf } from '../reference/error-function.js'
import { seededValues } from '../support/values.js'

const MEBIBYTE = 2 ** 20
const backend = await createWasmBackend()

/** Memory with this content. */
function filled(on: Backend, data: ArrayBufferView, label: string) {
  const memory = on.allocate(data.byteLength, label)
  on.write(wholeView(memory), data)
  return memory
}
const floats = async (on: Backend, view: Parameters<Backend['read']>[0]) => new Float32Array(await on.read(view))
const message = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    return (error as Error).message
  }
  return 'no error'
}
const rejection = (run: Promise<unknown>): Promise<string> =>
  run.then(
    () => 'no error',
    error => error.message,
  )

const relaxed = hasRelaxedSimd()
if (!relaxed) console.log('skipped: fused products, for which this runtime must know relaxed SIMD (Node 22 or newer)')
;(relaxed ? test : test.skip)('fused and plain products agree but for rounding, and say which they are', async () => {
  const random = seededValues(3)
  const [data, weights] = [random.normal(37 * 400), random.normal(45 * 400)]
  const [M, N, K] = [37, 45, 400]
  const params = { M, N, K, transposeA: 0, transposeB: 1, accumulate: 0, hasBias: 0, alpha: 1 }
  const results: Float32Array[] = []
  for (const fused of [false, true]) {
    const on = await createWasmBackend({ threads: 1, fused })
    assert.is(on.numerics, fused ? 'wasm, fused products' : 'wasm')
    const [a, b] = [filled(on, data, 'a'), filled(on, weights, 'b')]
    const c = on.allocate(M * N * 4, 'c')
    const views = [wholeView(a), wholeView(b), undefined, wholeView(c)]
    on.run(await on.prepare([{ kernel: 'matmul', views }]), [params])
    results.push(await floats(on, wholeView(c)))
    on.close()
  }
  const worst = results[0]!.reduce((most, value, i) => Math.max(most, Math.abs(value - results[1]![i]!)), 0)
  assert.ok(worst > 0 && worst < 1e-4, String(worst))
})

test('the heap deals the first fit, aligned, and joins what is freed', () => {
  const heap = createHeap(100, 4096, () => undefined)
  const [a, b, c] = [heap.allocate(1)!, heap.allocate(256)!, heap.allocate(257)!]
  assert.equal([a.start, b.start, c.start], [256, 512, 768])
  assert.is(heap.held(), 1024)
  heap.free(a.start)
  heap.free(c.start)
  assert.is(heap.allocate(300)!.start, 768, 'the gap of 256 at 256 is too small')
  heap.free(768)
  heap.free(b.start)
  assert.is(heap.held(), 0)
  assert.is(heap.allocate(3840)!.start, 256, 'all joined again')
  assert.is(heap.allocate(1), undefined)
})

test('the heap says how much of a block may hold old data', () => {
  const heap = createHeap(256, 4096, () => undefined)
  assert.equal(heap.allocate(512), { start: 256, dirty: 0 })
  heap.free(256)
  assert.equal(heap.allocate(1024), { start: 256, dirty: 512 })
})

test('the heap grows by what is missing', () => {
  const asked: number[] = []
  const heap = createHeap(256, 1024, atLeast => {
    asked.push(atLeast)
    return atLeast > 8192 ? undefined : 4096
  })
  heap.allocate(512)
  assert.is(heap.allocate(1024)!.start, 768, 'the free end is used')
  assert.equal(asked, [1792])
  assert.is(heap.allocate(10000), undefined)
  assert.is(heap.allocate(2304)!.start, 1792, 'a refusal changes nothing')
})

test('a random series of allocations never overlaps', () => {
  const random = seededValues(1)
  const heap = createHeap(0, 2 ** 16, atLeast => Math.ceil(atLeast / 65536) * 65536)
  const live = new Map<number, number>()
  for (const step of random.integers(2000, 4000)) {
    const starts = [...live.keys()]
    if (step % 5 < 2 && starts.length > 0) {
      const start = starts[step % starts.length]!
      heap.free(start)
      live.delete(start)
      continue
    }
    const { start } = heap.allocate(step)!
    for (const [other, length] of live)
      assert.ok(start + step <= other || other + length <= start, `${start} in ${other}`)
    live.set(start, step)
  }
  for (const start of live.keys()) heap.free(start)
  assert.is(heap.held(), 0)
})

test('freeing twice is an error', () => {
  const memory = backend.allocate(16, 'once')
  backend.free(memory)
  assert.match(
    message(() => backend.free(memory)),
    /memory once is not of this backend, or was freed/,
  )
})

test('memory is zeroed when it is dealt again', async () => {
  const memory = filled(backend, new Float32Array(1000).fill(7), 'old')
  backend.free(memory)
  const again = backend.allocate(5000, 'new')
  assert.ok((await floats(backend, wholeView(again))).every(value => value === 0))
  backend.free(again)
})

test('growth keeps contents, and later writes reach the grown memory', async () => {
  const before = filled(backend, Float32Array.of(1, 2, 3), 'before')
  const large = backend.allocate(64 * MEBIBYTE, 'large')
  assert.equal(await floats(backend, wholeView(before)), Float32Array.of(1, 2, 3))
  backend.write({ memory: large, offset: 63 * MEBIBYTE, bytes: 8 }, Float32Array.of(4, 5))
  assert.equal(await floats(backend, { memory: large, offset: 63 * MEBIBYTE, bytes: 8 }), Float32Array.of(4, 5))
  const call: BoundCall = { kernel: 'fill', views: [wholeView(large)] }
  const prepared = await backend.prepare([call])
  backend.allocate(64 * MEBIBYTE, 'more')
  backend.run(prepared, [{ count: 3, value: 9 }])
  assert.equal((await floats(backend, wholeView(large))).subarray(0, 4), Float32Array.of(9, 9, 9, 0))
})

test('read gives a copy', async () => {
  const memory = filled(backend, Float32Array.of(1), 'copied')
  const copy = await floats(backend, wholeView(memory))
  backend.write(wholeView(memory), Float32Array.of(2))
  assert.is(copy[0], 1)
})

test('memory that cannot grow says what was asked, held and allowed', async () => {
  const small = await createWasmBackend({ maximumBytes: 16 * MEBIBYTE })
  small.allocate(4 * MEBIBYTE, 'kept')
  const text = message(() => small.allocate(20 * MEBIBYTE, 'activations'))
  assert.match(
    text,
    /cannot allocate 20\.0 MiB for activations: the wasm memory holds 4\.0 MiB and may grow to 16\.0 MiB/,
  )
  assert.is(small.allocate(MEBIBYTE, 'still works').bytes, MEBIBYTE)
  assert.match(await rejection(createWasmBackend({ maximumBytes: 1000 })), /maximumBytes is 1000/)
})

test('calls that do not fit the table are refused', async () => {
  const memory = backend.allocate(1024, 'x')
  const view = wholeView(memory)
  const refused = (call: BoundCall) => rejection(backend.prepare([call]))
  assert.match(await refused({ kernel: 'fill', views: [] }), /fill takes 1 tensors \(x\), found 0/)
  assert.match(await refused({ kernel: 'fill', views: [undefined] }), /tensor x is missing and not optional/)
  assert.match(
    await refused({ kernel: 'fill', views: [{ ...view, offset: 4, bytes: 4 }] }),
    /expected a multiple of 256/,
  )
  assert.match(
    await refused({ kernel: 'fill', views: [{ ...view, bytes: 2000 }] }),
    /bytes 0 to 2000 of x, which has 1024/,
  )
  assert.match(await refused({ kernel: 'nothing' as 'fill', views: [view] }), /unknown kernel nothing/)
  const freed = backend.allocate(16, 'gone')
  backend.free(freed)
  assert.match(await refused({ kernel: 'fill', views: [wholeView(freed)] }), /memory gone .* freed/)
})

test('parameters are checked against the tensors before anything runs', async () => {
  const view = wholeView(backend.allocate(1024, 'x'))
  const prepared = await backend.prepare([{ kernel: 'matmul', views: [view, view, undefined, view] }])
  const params = { M: 16, N: 16, K: 16, transposeA: 0, transposeB: 0, accumulate: 0, hasBias: 0, alpha: 1 }
  backend.run(prepared, [params])
  const refused = (change: object) => message(() => backend.run(prepared, [{ ...params, ...change }]))
  assert.match(refused({ K: 17 }), /matmul: tensor a needs 1088 bytes, found 1024 bytes \(M 16, N 16, K 17/)
  assert.match(refused({ hasBias: 1 }), /tensor bias needs 64 bytes, found none/)
  assert.match(refused({ alpha: undefined }), /parameter alpha is missing/)
  assert.match(
    message(() => backend.run(prepared, [])),
    /1 calls were prepared, but 0 parameter records/,
  )
})

test('writes beyond a view are refused', () => {
  const memory = backend.allocate(8, 'short')
  assert.match(
    message(() => backend.write(wholeView(memory), new Float32Array(3))),
    /cannot write 12 bytes to short: the view holds 8/,
  )
})

/** The last tensor of a call after it has run. */
async function last(kernel: KernelName, tensors: ArrayBufferView[], params: Params): Promise<Float32Array> {
  const memories = tensors.map((data, i) => filled(backend, data, `${kernel} ${i}`))
  const prepared = await backend.prepare([{ kernel, views: memories.map(wholeView) }])
  backend.run(prepared, [params])
  const result = await floats(backend, wholeView(memories.at(-1)!))
  for (const memory of memories) backend.free(memory)
  return result
}

test('the vectorised exponential is right to 1.5e-7, before two more roundings', async () => {
  const columns = 20001
  // Scores from 0 down; the target lies outside the range, so that the results are in the ratio of the exponentials
  const x = Float32Array.from({ length: columns }, (_, i) => (i < 2 ? 0 : -80 * (i / columns)))
  const tensors = [Int32Array.of(0, 1, columns), Float32Array.of(1), Float32Array.of(0), x]
  const result = await last('softmax_cross_entropy_backward', tensors, { rows: 1, columns })
  let worst = 0
  for (let i = 1; i < columns; i++) worst = Math.max(worst, Math.abs(result[i]! / result[1]! / Math.exp(x[i]!) - 1))
  assert.ok(worst < 2.7e-7, `relative error ${worst}`)
})

test('the exponential of −∞ is 0 and that of NaN is NaN', async () => {
  const params = { rows: 1, columns: 4 }
  const run = (score: number) =>
    last(
      'softmax_cross_entropy_backward',
      [Int32Array.of(0, 1, 4), Float32Array.of(1), Float32Array.of(0), Float32Array.of(0, score, 0, 0)],
      params,
    )
  assert.equal(await run(Number.NEGATIVE_INFINITY), Float32Array.of(0, 0, 0.5, 0.5))
  assert.ok(Number.isNaN((await run(Number.NaN))[1]))
})

test('the normal distribution is right to 1.5e-7, the rounding of its product included', async () => {
  const count = 20000
  const x = Float32Array.from({ length: count }, (_, i) => (i + 0.5 - count / 2) / 750)
  const y = await last('activation_forward', [x, new Float32Array(count)], { count, kind: 0 })
  const errors = Array.from(x, (value, i) => Math.abs(y[i]! / value - normalCdf(value)))
  assert.ok(Math.max(...errors) < 1.5e-7, `absolute error ${Math.max(...errors)}`)
})

test('a closed backend is an error', async () => {
  const closing = await createWasmBackend()
  const memory = closing.allocate(8, 'x')
  closing.close()
  assert.match(
    message(() => closing.allocate(8, 'y')),
    /closed/,
  )
  assert.match(await rejection(closing.read(wholeView(memory))), /closed/)
})

test.run()
