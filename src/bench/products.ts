// Matrix products: the shapes of a small BERT, checked against f64 at sampled entries, and timed beside the products of other libraries.
import type { Backend } from '../backend/backend.js'
import { kernelSpec, type Params } from '../backend/kernels.js'
import { createWasmBackend, type WasmBackend } from '../backend/wasm/backend.js'
import { counted } from '../data/counted.js'
import { temporaryFolder } from '../runtime/child.js'
import { join, readBytes } from '../runtime/files.js'
import { writeFile } from '../runtime/write.js'
import { type HostTensors, hostTensors, integersBelow, openCall } from './host.js'
import type { KernelCase } from './kernel-cases.js'
import { type Peer, type PeerOptions, withPeers } from './peers.js'
import { placeOf, type Report, rowBeside } from './row.js'
import { takeTurns } from './timing.js'

export type Form = 'NT' | 'NN' | 'TN'

/** NT: x Wᵀ, a linear layer; NN: dy W, its gradient by x; TN: dyᵀ x, its gradient by W. */
export const product = (form: Form, M: number, N: number, K: number): KernelCase => ({
  name: `matmul ${form}`,
  shape: `${M}×${K}×${N}`,
  kernel: 'matmul',
  params: {
    M,
    N,
    K,
    transposeA: form === 'TN' ? 1 : 0,
    transposeB: form === 'NT' ? 1 : 0,
    accumulate: 0,
    hasBias: 0,
    alpha: 1,
  },
  tensors: () => ({ bias: undefined }),
  check: checkProduct,
})

const SAMPLES = 256

/** The largest difference of sampled entries of c to sums in f64, as a part of the largest of them. */
export function checkProduct(before: HostTensors, after: HostTensors, p: Params): number {
  const { M, N, K, transposeA, transposeB } = p as Record<'M' | 'N' | 'K' | 'transposeA' | 'transposeB', number>
  const [a, b, c] = [before.a!, before.b!, after.c!]
  const rows = [0, M - 1, ...integersBelow(SAMPLES, M, 11)]
  const columns = [0, N - 1, ...integersBelow(SAMPLES, N, 12)]
  let [worst, largest] = [0, 0]
  rows.forEach((i, sample) => {
    const j = columns[sample]!
    let sum = 0
    for (let k = 0; k < K; k++) sum += a[transposeA ? k * M + i : i * K + k]! * b[transposeB ? j * K + k : k * N + j]!
    const error = Math.abs(c[i * N + j]! - sum)
    worst = Math.max(worst, error)
    largest = Math.max(largest, Math.abs(sum))
  })
  return worst / largest
}

/** Of f32 sums in any order. */
const TOLERANCE = 1e-5

export interface ComparisonOptions extends PeerOptions {
  readonly rounds: number
  readonly seconds: number
}

/** A row for each product and rival: ours and theirs take turns, with as many threads as the rival really uses. */
export async function compareProducts(
  backend: Backend,
  cases: readonly KernelCase[],
  options: ComparisonOptions,
  report: Report,
  say: (line: string) => void,
): Promise<void> {
  if (backend.kind !== 'wasm') return say('products are compared with other libraries on the wasm backend only')
  const { threads } = backend as WasmBackend
  await withPeers(options, 'matmul', { threads }, say, async peer => {
    const alike = peer.threads === threads ? backend : await createWasmBackend({ threads: peer.threads })
    if (alike !== backend) say(`${peer.name} uses ${counted(peer.threads, 'thread')} here, and so do we beside it`)
    try {
      for (const one of cases.filter(each => each.kernel === 'matmul' && (!isTfjs(peer) || each.name.endsWith('NN'))))
        await compareProduct(alike, one, peer, options, report)
    } finally {
      if (alike !== backend) alike.close()
    }
  })
}

// Its fast kernel takes no transposed operands.
const isTfjs = (peer: Peer): boolean => peer.name.startsWith('tfjs')

async function compareProduct(
  backend: Backend,
  { name, shape, kernel, params, tensors }: KernelCase,
  peer: Peer,
  { rounds, seconds }: ComparisonOptions,
  report: Report,
): Promise<void> {
  const before = hostTensors(kernel, params, tensors())
  const folder = await temporaryFolder()
  const paths = Object.fromEntries(['a', 'b', 'out'].map(file => [file, join(folder, `${file}.f32`)]))
  const call = await openCall(backend, kernel, params, before)
  try {
    for (const operand of ['a', 'b']) await writeFile(paths[operand]!, bytesOf(before[operand]!))
    const weight = !params.transposeA
    await peer.prepare({ task: 'matmul', ...params, weight, ...paths })
    const theirs = await readFloats(paths.out!)
    const agreement = { error: largestDifference(call.after.c as Float32Array, theirs), tolerance: TOLERANCE }
    const error = checkProduct(before, call.after, params)
    const turns = await takeTurns([() => call.time({ seconds }), () => peer.time(seconds)], rounds)
    const row = { name, shape, ...placeOf(backend), variant: 'simd', max_error: error, verified: error <= TOLERANCE }
    report(rowBeside(row, peer, turns, agreement, { flops: kernelSpec(kernel).flops!(params) }))
  } finally {
    call.release()
  }
}

export const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength)

export async function readFloats(path: string): Promise<Float32Array> {
  const bytes = await readBytes(path)
  return new Float32Array(bytes.slice().buffer)
}

/** As a part of the largest value; NaN where the lengths differ. */
export function largestDifference(ours: Float32Array, theirs: Float32Array): number {
  if (ours.length !== theirs.length) return Number.NaN
  let [worst, largest] = [0, 1e-30]
  for (let i = 0; i < ours.length; i++) {
    const error = Math.abs(ours[i]! - theirs[i]!)
    worst = Math.max(worst, error)
    largest = Math.max(largest, Math.abs(ours[i]!))
  }
  return worst / largest
}
