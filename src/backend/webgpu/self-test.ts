// Some pairs of adapter and driver compute wrongly in silence. Before an adapter is used, a product and a sum are
// compared with the CPU's.
import { type Backend, wholeView } from '../backend.js'
import type { KernelName, Params } from '../kernels.js'

/** Rejects, naming the adapter, where a product or a reduction is wrong. */
export async function selfTest(backend: Backend, adapter: string): Promise<void> {
  const M = 37
  const N = 35
  const K = 41
  // Small whole numbers: every sum is exact in f32, in any order.
  const a = Float32Array.from({ length: M * K }, (_, i) => (i % 13) - 6)
  const b = Float32Array.from({ length: K * N }, (_, i) => (i % 7) - 3)
  const product = Float32Array.from({ length: M * N }, (_, i) => {
    const row = Math.floor(i / N)
    let sum = 0
    for (let k = 0; k < K; k++) sum += a[row * K + k]! * b[k * N + (i % N)]!
    return sum
  })
  const squares = product.reduce((sum, x) => sum + x * x, 0)

  const memories = [a, b, product, new Float32Array(1)].map((data, i) => {
    const memory = backend.allocate(data.byteLength, `self-test ${i}`)
    if (i < 2) backend.write(wholeView(memory), data)
    return wholeView(memory)
  })
  const [viewA, viewB, viewC, viewSum] = memories as [
    (typeof memories)[0],
    (typeof memories)[0],
    (typeof memories)[0],
    (typeof memories)[0],
  ]
  const multiply = { M, N, K, transposeA: 0, transposeB: 0, accumulate: 0, hasBias: 0, alpha: 1 }
  const prepared = await backend.prepare([
    { kernel: 'matmul' satisfies KernelName, views: [viewA, viewB, undefined, viewC] },
    { kernel: 'sum_of_squares' satisfies KernelName, views: [viewC, viewSum] },
  ])
  backend.run(prepared, [multiply, { count: M * N, first: 0 }] satisfies Params[])
  const found = new Float32Array(await backend.read(viewC))
  const total = new Float32Array(await backend.read(viewSum))[0]!
  prepared.release()
  for (const view of memories) backend.free(view.memory)

  const wrong = found.findIndex((x, i) => x !== product[i])
  if (wrong >= 0) throw refusal(adapter, `element ${wrong} of a matrix product`, product[wrong]!, found[wrong]!)
  if (total !== squares) throw refusal(adapter, 'a sum of squares', squares, total)
}

const refusal = (adapter: string, what: string, expected: number, found: number): Error =>
  new Error(
    `the WebGPU adapter ${adapter} computes wrongly: ${what} is ${found}, expected ${expected}; ` +
      'update its driver, choose another with --adapter, or use --backend wasm',
  )
