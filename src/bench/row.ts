// What a benchmark reports: a row for each thing measured, and one more for each rival it was measured against.
import type { Backend } from '../backend/backend.js'
import type { WasmBackend } from '../backend/wasm/backend.js'
import type { WebGpuBackend } from '../backend/webgpu/backend.js'
import { processorName } from '../runtime/child.js'
import { commit } from '../version.js'
import type { Turns } from './timing.js'

export interface BenchRow {
  readonly name: string
  readonly shape: string
  readonly backend: 'webgpu' | 'wasm' | 'none'
  readonly variant: string
  readonly verified: boolean
  /** Against the f64 reference: as a part of the largest value, or of a vector's length; of ids, the part that is wrong. */
  readonly max_error: number
  /** The median. */
  readonly milliseconds: number
  readonly gflops?: number
  readonly gbps?: number
  readonly tokens_per_second?: number
  readonly queries_per_second?: number
  /** Of sampling. */
  readonly rows_per_second?: number
  /** Its rate by what the same run measured as the machine's own, multiply-adds or copying: of the two the one that it is nearer to. */
  readonly of_limit?: number
  /** Which of the two that is. */
  readonly limit?: 'multiply-add' | 'copy'
  /** Of a training step's gradient: the slope along it, by differences of the loss. */
  readonly gradient_error?: number
  /** Of the wasm backend, and of the rival. */
  readonly threads?: number
  /** Cores that we kept busy: well below our threads where something else was running. */
  readonly cores?: number
  /** Name and version of the rival that took turns with ours for this row. */
  readonly peer?: string
  readonly peer_milliseconds?: number
  /** Cores that the rival kept busy while it was timed. */
  readonly peer_cores?: number
  readonly peer_gflops?: number
  readonly peer_tokens_per_second?: number
  /** Between our result and the rival's. */
  readonly peer_error?: number
  /** Our speed by the rival's: above 1 ours is faster. */
  readonly ratio?: number
  /** Why a row is not verified, or what is to be known about it. */
  readonly note?: string
  readonly adapter: string
  readonly commit: string
}

/** What a row says of where it was measured. */
export interface Place {
  readonly backend: 'webgpu' | 'wasm'
  readonly adapter: string
  readonly commit: string
  readonly threads?: number
}

export function placeOf(backend: Backend): Place {
  if (backend.kind === 'wasm')
    return { backend: 'wasm', adapter: processorName(), commit, threads: (backend as WasmBackend).threads }
  return { backend: 'webgpu', adapter: (backend as WebGpuBackend).adapterInfo.name, commit }
}

/** As rivals are started beside a backend. */
export const settingsBeside = (backend: Backend): { threads: number; device: 'cpu' | 'gpu' } => ({
  threads: placeOf(backend).threads ?? 1,
  device: backend.kind === 'webgpu' && !isSoftware(backend) ? 'gpu' : 'cpu',
})

/** Small shapes are for these. */
export const isSoftware = (backend: Backend): boolean =>
  backend.kind === 'webgpu' && (backend as WebGpuBackend).adapterInfo.software

export type Report = (row: BenchRow) => void

const rounded = (value: number | undefined, digits: number, unit: string): string | undefined =>
  value === undefined ? undefined : `${value.toFixed(digits)} ${unit}`

type Rates = Pick<BenchRow, 'gflops' | 'gbps' | 'tokens_per_second' | 'rows_per_second'>

export const rateText = ({ gflops, gbps, tokens_per_second: tokens, rows_per_second: rows }: Rates): string =>
  rounded(gflops, 1, 'GFLOP/s') ??
  rounded(gbps, 1, 'GB/s') ??
  rounded(tokens, 0, 'tokens/s') ??
  rounded(rows && rows / 1e6, 1, 'M rows/s') ??
  ''

export const timeText = ({ milliseconds }: BenchRow): string => `${milliseconds.toFixed(milliseconds < 100 ? 3 : 0)} ms`

/** Of a row with a limit. */
export const partText = ({ of_limit = 0, limit }: BenchRow): string =>
  `${Math.round(100 * of_limit)} % of ${limit ?? 'the limit'}`

/** What one call does: for rates. */
export interface Work {
  readonly tokens?: number
  readonly flops?: number
}

export const ratesOf = ({ tokens, flops }: Work, milliseconds: number) => ({
  ...(tokens !== undefined && { tokens_per_second: (tokens / milliseconds) * 1000 }),
  ...(flops !== undefined && { gflops: flops / milliseconds / 1e6 }),
})

/** Our row beside a rival that took turns with us. `error`: between its result and ours, at most `tolerance`. */
export function rowBeside(
  row: Omit<BenchRow, 'milliseconds'>,
  peer: { readonly name: string; busyCores(): number },
  { medians, cores }: Turns,
  { error, tolerance }: { readonly error: number; readonly tolerance: number },
  work: Work,
): BenchRow {
  const [ours, theirs] = [medians[0]!, medians[1]!]
  const rates = Object.entries(ratesOf(work, theirs)).map(([name, rate]) => [`peer_${name}`, rate])
  return {
    ...row,
    verified: row.verified && error <= tolerance,
    milliseconds: ours,
    ...ratesOf(work, ours),
    cores,
    peer: peer.name,
    peer_milliseconds: theirs,
    ...Object.fromEntries(rates),
    peer_cores: peer.busyCores(),
    peer_error: error,
    ratio: theirs / ours,
  }
}

/** A line of the table. */
export function formatRow(row: BenchRow): string {
  const mark = row.verified ? `error ${row.max_error.toExponential(1)}` : 'NOT VERIFIED'
  const ours = `${`${row.name} ${row.shape}`.padEnd(46)} ${timeText(row).padStart(11)} ${rateText(row).padStart(16)}`
  const part = row.of_limit === undefined ? '' : `, ${partText(row)}`
  const busy = row.cores === undefined ? '' : `, ${row.cores} cores`
  const note = row.note ? `  (${row.note})` : ''
  if (!row.peer) return `${ours}  ${`${row.variant}${busy}${part}`.padEnd(18)} ${mark}${note}`
  const { peer_gflops: gflops, peer_tokens_per_second: tokens_per_second } = row
  const theirs = rateText({
    ...(gflops !== undefined && { gflops }),
    ...(tokens_per_second !== undefined && { tokens_per_second }),
  })
  return `${ours}${busy}  ${(row.ratio ?? 0).toFixed(2)} × ${row.peer} (${theirs}, ${row.peer_cores} cores)  ${mark}${note}`
}
