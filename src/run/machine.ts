// How fast this machine's backend is, measured in a moment beside a run: what the run's times must be read against.
import type { Backend } from '../backend/backend.js'
import { hostTensors, openCall } from '../bench/host.js'

/** For the report: a matrix product of a small encoder's shape. */
export async function measureMachine(backend: Backend): Promise<Record<string, string>> {
  const [M, N, K] = [2048, 384, 384]
  const params = { M, N, K, transposeA: 0, transposeB: 1, accumulate: 0, hasBias: 0, alpha: 1 }
  const call = await openCall(backend, 'matmul', params, hostTensors('matmul', params, { bias: undefined }))
  try {
    const milliseconds = await call.time({ seconds: 0.2 })
    const rate = (2 * M * N * K) / milliseconds / 1e6
    return { 'matrix products, measured': `${rate.toPrecision(3)} GFLOP/s (${M} × ${K} × ${N}, f32)` }
  } finally {
    call.release()
  }
}
