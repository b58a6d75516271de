// Which variants this adapter is to use: what their tests found, and which is best for which sizes. Found out once by first-use.ts and kept in the user's
// cache folder; what holds for no measured size is left to the table of variants.
import { readCached, writeCached } from '../../runtime/cache.js'
import { version } from '../../version.js'
import { groupedColumns, groupedTerms } from '../grouped-kernels.js'
import { FLOAT_FORMAT, type KernelName, type Params } from '../kernels.js'

/** The name of the variant that is best for a call, where that is known; else the first that does it for its `when` is taken. */
export type Choice = (kernel: KernelName, params: Params) => string | undefined

export interface Tuning {
  /** Names of variants by class of calls. */
  readonly choices: Readonly<Record<string, string>>
  /** `kernel variant`, of those whose test has passed. */
  readonly passed: readonly string[]
  /** Names of variants that do not compile here or gave wrong results, whatever the kernel. */
  readonly refused: readonly string[]
  /** Of those that do not compile the adapter's message, by name. */
  readonly messages: Readonly<Record<string, string>>
  /** Of the fastest product, rounded down to a power of two: what long calls are split by. */
  readonly gflops: number
  /** Whether nothing is left to test or to measure. */
  readonly complete: boolean
}

/** With what it holds for. */
export interface KeptTuning extends Tuning {
  readonly key: string
}

/** What a measurement holds for: the same names mean the same results. */
export interface Adapter {
  readonly name: string
  /** The driver, as far as it is told. */
  readonly description: string
}

/** A slow card. */
const UNMEASURED = 64 // GFLOP/s

export const untuned: Tuning = {
  choices: {},
  passed: [],
  refused: [],
  messages: {},
  gflops: UNMEASURED,
  complete: false,
}

/** Calls for which one choice serves: products by their transposes and their sizes, each to the nearest power of 4, whatever is made of them. */
export function shapeClass(called: KernelName, p: Params): string | undefined {
  const { format = FLOAT_FORMAT } = p
  // A group, and a sum of products, as one product.
  if (called === 'matmul_grouped' || called === 'matmul_f16_grouped') {
    const whole = { M: p.M!, N: groupedColumns(p), K: p.K!, transposeA: 0, transposeB: 1, format }
    return shapeClass(called === 'matmul_grouped' ? 'matmul' : 'matmul_f16', whole)
  }
  if (called === 'matmul_grouped_sum' || called === 'matmul_f16_grouped_sum') {
    const whole = { M: p.M!, N: p.N!, K: groupedTerms(p), transposeA: 0, transposeB: 0, format }
    return shapeClass(called === 'matmul_grouped_sum' ? 'matmul' : 'matmul_f16', whole)
  }
  const kernel = called.replace('_epilogue', '')
  if (kernel !== 'matmul' && kernel !== 'matmul_f16') return undefined
  const size = (name: string) => Math.min(Math.max(Math.round(Math.log2(Math.max(p[name] ?? 1, 1)) / 2), 1), 6)
  const narrow = kernel === 'matmul_f16' ? `f16 ${p.format === FLOAT_FORMAT ? '' : 'half '}` : ''
  return `${narrow}${p.transposeA}${p.transposeB} ${size('M')},${size('N')},${size('K')}`
}

export const choiceOf =
  ({ choices }: Pick<Tuning, 'choices'>): Choice =>
  (kernel, params) => {
    const shape = shapeClass(kernel, params)
    return shape === undefined ? undefined : choices[shape]
  }

/** `tests`: all that there are on this adapter. Another version may have changed a shader. */
export const tuningKey = ({ name, description }: Adapter, tests: readonly string[]): string =>
  JSON.stringify([version, name, description, fnv(tests.join())])

const fileOf = (key: string): string => `tuning-${fnv(key)}.json`

/** What earlier processes found out, as far as they came. */
export async function keptTuning(key: string): Promise<Tuning | undefined> {
  const kept = parseTuning(await readCached(fileOf(key)))
  return kept?.key === key ? kept : undefined
}

export const keepTuning = (key: string, tuning: Tuning): Promise<void> =>
  writeCached(fileOf(key), tuningText({ ...tuning, key }))

export const tuningText = (tuning: KeptTuning): string => `${JSON.stringify(tuning, undefined, 1)}\n`

/** Undefined where it is none. */
export function parseTuning(text: string | undefined): KeptTuning | undefined {
  if (text === undefined) return undefined
  try {
    const { key, choices, passed, refused, messages, gflops, complete } = JSON.parse(text) as Partial<KeptTuning>
    if (!key || !choices || !Array.isArray(passed) || !Array.isArray(refused) || !gflops) return undefined
    return { key, choices, passed, refused, messages: messages ?? {}, gflops, complete: complete === true }
  } catch {
    return undefined
  }
}

/** FNV-1a, 32 bits, in hexadecimal. */
export function fnv(text: string): string {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193)
  return (hash >>> 0).toString(16).padStart(8, '0')
}
