// What this backend can do at all, measured in the same run as the kernels: bytes copied and multiply-adds in registers. Their rates are shown as
// parts of these.
import type { Backend } from '../backend/backend.js'
import { CHAINS, type KernelName, kernelSpec, type Params } from '../backend/kernels.js'
import { type HostTensors, openCall, uniformValues } from './host.js'
import { type BenchRow, isSoftware, placeOf, type Report } from './row.js'

export interface Limits {
  /** Bytes read and written by a copy that no cache holds, GB/s. */
  readonly gbps: number
  /** Multiplications and additions of f32, GFLOP/s. */
  readonly gflops: number
}

/** Of sums of 48 numbers after a thousand roundings each. */
const TOLERANCE = 1e-4
const COLUMNS = 4096

export async function measureLimits(backend: Backend, seconds: number, report: Report): Promise<Limits> {
  const hardware = backend.kind === 'webgpu' && !isSoftware(backend)
  // 256 MiB, or what a binding holds.
  const most = Math.floor(backend.limits.binding / (4 * COLUMNS))
  const gbps = await measureCopy(backend, Math.min(hardware ? 16384 : 4096, most), seconds, report)
  const gflops = await measureMultiplyAdds(backend, hardware ? 2 ** 21 : 2 ** 12, seconds, report)
  return { gbps, gflops }
}

/** The row with its rate as a part of the limit that it is nearer to. */
export function withLimit(row: BenchRow, limits: Limits): BenchRow {
  if (row.gflops === undefined && row.gbps === undefined) return row
  const [sums, copies] = [(row.gflops ?? 0) / limits.gflops, (row.gbps ?? 0) / limits.gbps]
  return { ...row, of_limit: Math.max(sums, copies), limit: sums > copies ? 'multiply-add' : 'copy' }
}

async function measureCopy(backend: Backend, rows: number, seconds: number, report: Report): Promise<number> {
  const params = { rows, columns: COLUMNS, from: 0, to: 0, accumulate: 0 }
  const x = uniformValues(rows * COLUMNS, 1)
  const bytes = 2 * x.byteLength
  const shape = `${Math.round(x.byteLength / 2 ** 20)} MiB`
  const wrong = ({ y }: HostTensors) => (x.every((value, i) => y![i] === value) ? 0 : 1)
  const time = await measure(backend, 'copy_rows', params, { x, y: new Float32Array(x.length) }, wrong, seconds)
  const gbps = bytes / time.milliseconds / 1e6
  report({ name: 'limit: copy', shape, ...time, gbps, ...placeOf(backend) })
  return gbps
}

async function measureMultiplyAdds(backend: Backend, count: number, seconds: number, report: Report): Promise<number> {
  const params = { count, rounds: 1024, factor: 0.5, term: 1 }
  // Every chain has arrived at term / (1 − factor) = 2 long before.
  const error = ({ out }: HostTensors) =>
    Math.max(...[0, count >> 1, count - 1].map(i => Math.abs(out![i]! - 2 * CHAINS)))
  const time = await measure(backend, 'multiply_adds', params, { out: new Float32Array(count) }, error, seconds)
  const gflops = kernelSpec('multiply_adds').flops!(params) / time.milliseconds / 1e6
  report({ name: 'limit: multiply-add', shape: 'f32, in registers', ...time, gflops, ...placeOf(backend) })
  return gflops
}

async function measure(
  backend: Backend,
  kernel: KernelName,
  params: Params,
  tensors: HostTensors,
  errorOf: (after: HostTensors) => number,
  seconds: number,
) {
  const call = await openCall(backend, kernel, params, tensors)
  try {
    const max_error = errorOf(call.after)
    // The fastest of some medians: what else the machine does must not lower a limit.
    const times: number[] = []
    while (times.length < 3) times.push(await call.time({ seconds: seconds / 2 }))
    const milliseconds = Math.min(...times)
    return { variant: kernel, verified: max_error <= TOLERANCE, max_error, milliseconds }
  } finally {
    call.release()
  }
}
