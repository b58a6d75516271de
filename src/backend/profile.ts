// What each kernel call took, kept while a backend works, as totals by kernel and shape and as events of a trace. A backend that is given a profile
// runs call by call: the sum is longer than without.
import { type KernelName, kernelSpec, type Params } from './kernels.js'
import { tensorSizes } from './sizes.js'

export interface KernelTotal {
  /** The kernel, and of products the shape that does not depend on the batch. */
  readonly name: string
  calls: number
  milliseconds: number
  /** 0 where the table does not tell. */
  flops: number
  /** Of the tensors, each counted once; 0 where only data tell their sizes. */
  bytes: number
}

/** In the form of Chrome's trace events, which Perfetto opens; times in microseconds. */
export interface TraceEvent {
  readonly name: string
  readonly ph: 'X'
  readonly ts: number
  readonly dur: number
  readonly pid: 1
  /** 1: the host; 2: the device. */
  readonly tid: 1 | 2
  readonly args?: Params
}

export interface Profile {
  readonly totals: Map<string, KernelTotal>
  readonly events: TraceEvent[]
  /** Milliseconds of the host's: recording and handing over runs. */
  host: number
  runs: number
  /** What the backend can do at all: bytes copied, multiply-adds in registers. */
  limits?: { readonly gbps: number; readonly gflops: number }
  /** Nothing is recorded meanwhile: from the start until the backend is ready. */
  paused: boolean
  /** Times that a device has yet to tell. */
  readonly pending: Set<Promise<void>>
}

/** Of a long run the beginning is kept. */
const MOST_EVENTS = 200_000

export const createProfile = (): Profile => ({
  totals: new Map(),
  events: [],
  host: 0,
  runs: 0,
  paused: true,
  pending: new Set(),
})

/** `start` on the clock of performance.now(). */
export function recordCall(
  profile: Profile,
  kernel: KernelName,
  params: Params,
  start: number,
  milliseconds: number,
): void {
  const name = nameOf(kernel, params)
  const total = profile.totals.get(name) ?? { name, calls: 0, milliseconds: 0, flops: 0, bytes: 0 }
  profile.totals.set(name, total)
  total.calls++
  total.milliseconds += milliseconds
  total.flops += kernelSpec(kernel).flops?.(params) ?? 0
  total.bytes += bytesOf(kernel, params)
  recordEvent(profile, {
    name: kernel,
    ph: 'X',
    ts: start * 1000,
    dur: milliseconds * 1000,
    pid: 1,
    tid: 2,
    args: params,
  })
}

/** 0 where a tensor's size is in the data. */
function bytesOf(kernel: KernelName, params: Params): number {
  const sizes = tensorSizes(kernel, params)
  const known = Object.values(kernelSpec(kernel).tensors).every(({ optional }, i) => optional || sizes[i]! > 0)
  return known ? 4 * sizes.reduce((sum, size) => sum + size, 0) : 0
}

/** One run, recorded and handed over by the host. */
export function recordHost(profile: Profile, calls: number, start: number, milliseconds: number): void {
  profile.host += milliseconds
  profile.runs++
  const name = `run of ${calls} calls`
  recordEvent(profile, { name, ph: 'X', ts: start * 1000, dur: milliseconds * 1000, pid: 1, tid: 1 })
}

function recordEvent({ events }: Profile, event: TraceEvent): void {
  if (events.length < MOST_EVENTS) events.push(event)
}

function nameOf(kernel: KernelName, p: Params): string {
  if (!('M' in p)) return kernel
  const kind = `${p.transposeA ? 'T' : 'N'}${p.transposeB ? 'T' : 'N'}`
  // A gradient of a weight sums over the batch; every other product has the batch in its rows.
  return p.transposeA ? `${kernel} ${kind} ${p.M}×*×${p.N}` : `${kernel} ${kind} *×${p.K}×${p.N}`
}
