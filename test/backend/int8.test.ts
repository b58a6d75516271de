// Products in 8 bits, bit for bit: the sum is the integer one, and f32 rounds where the kernel table says; for any number of threads. The conformance
// suite allows a tolerance, this does not.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Backend, wholeView } from '../../src/backend/backend.js'
import { INT8_COLUMNS, int8Words } from '../../src/backend/kernels.js'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { wholeProduct } from '../reference/int8.js'
import { failure } from '../support/temporary.js'
import { seededValues } from '../support/values.js'

const random = seededValues(17)
const shapes = [
  [7, 33, 45],
  [150, 35, 400],
  [301, 1, 17],
  [3, 200, 1536],
] as const

interface Inputs {
  readonly x: Float32Array // (M, K)
  readonly w: Float32Array // (N, K)
  readonly bias: Float32Array // (N)
}

interface Found {
  readonly a: Uint32Array
  readonly aScales: Float32Array
  readonly b: Uint32Array
  readonly bScales: Float32Array
  readonly c: Float32Array
}

/** Both sides quantised and multiplied in one run. */
async function product(backend: Backend, { x, w, bias }: Inputs, M: number, N: number, K: number): Promise<Found> {
  const place = (elements: number, data?: Float32Array) => {
    const view = wholeView(backend.allocate(4 * elements, 'int8 test'))
    if (data) backend.write(view, data)
    return view
  }
  const [xs, ws, offsets] = [place(M * K, x), place(N * K, w), place(N, bias)]
  const [a, aScales, b, bScales] = [place(M * int8Words(K)), place(M), place(N * int8Words(K)), place(N)]
  const c = place(M * N)
  const prepared = await backend.prepare([
    { kernel: 'quantize_rows', views: [xs, a, aScales] },
    { kernel: 'quantize_rows', views: [ws, b, bScales] },
    { kernel: 'matmul_int8', views: [a, aScales, b, bScales, offsets, c] },
  ])
  backend.run(prepared, [
    { rows: M, columns: K },
    { rows: N, columns: K },
    { M, N, K, hasBias: 1 },
  ])
  const [words, floats] = [
    [a, b],
    [aScales, bScales, c],
  ]
  const [left, right] = await Promise.all(words.map(async view => new Uint32Array(await backend.read(view))))
  const [ls, rs, out] = await Promise.all(floats.map(async view => new Float32Array(await backend.read(view))))
  for (const view of [xs, ws, offsets, ...words, ...floats]) backend.free(view.memory)
  return { a: left!, aScales: ls!, b: right!, bScales: rs!, c: out! }
}

const { fround } = Math

for (const threads of [1, 2, 3])
  test(`the integer product, then four roundings of f32: ${threads} threads`, async () => {
    const backend = await createWasmBackend({ threads, shareAll: true })
    for (const [M, N, K] of shapes) {
      const inputs = { x: random.normal(M * K), w: random.normal(N * K, 0.05), bias: random.normal(N) }
      const { a, aScales, b, bScales, c } = await product(backend, inputs, M, N, K)
      c.forEach((found, i) => {
        const [m, n] = [Math.floor(i / N), i % N]
        const sum = fround(wholeProduct(a, b, m, n, K))
        const expected = fround(fround(sum * fround(aScales[m]! * bScales[n]!)) + inputs.bias[n]!)
        assert.is(found, expected, `${M} x ${K} x ${N}, element ${m}, ${n}`)
      })
    }
    backend.close()
  })

test('more columns than scratch and sums hold are refused before anything runs', async () => {
  const backend = await createWasmBackend({ threads: 1 })
  const K = INT8_COLUMNS + 1
  const inputs = { x: new Float32Array(K), w: new Float32Array(K), bias: new Float32Array(1) }
  assert.match(await failure(product(backend, inputs, 1, 1, K)), /matmul_int8: K is 32769, at most 32768/)
  backend.close()
})

test('what is no number stays visible: a row of x with one gives no finite product, the other rows are untouched', async () => {
  const backend = await createWasmBackend({ threads: 1 })
  const [M, N, K] = [4, 3, 20]
  const inputs = { x: random.normal(M * K), w: random.normal(N * K), bias: random.normal(N) }
  const clean = await product(backend, inputs, M, N, K)
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    const x = inputs.x.slice()
    x[2 * K + 19] = bad
    const { c } = await product(backend, { ...inputs, x }, M, N, K)
    c.forEach((value, i) => {
      if (Math.floor(i / N) === 2) assert.not(Number.isFinite(value), `${bad}: ${value}`)
      else assert.is(value, clean.c[i])
    })
  }
  backend.close()
})

test.run()
