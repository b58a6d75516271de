// Which variant of the product is best for which sizes on this adapter, measured once and kept in the user's cache. A variant that computes wrongly
// here is refused; what holds for no measured size is left to the table of variants.
import { readCached, writeCached } from '../../runtime/cache.js'
import { version } from '../../version.js'
import { type Backend, wholeView } from '../backend.js'
import { groupedColumns, groupedTerms } from '../grouped-kernels.js'
import { FLOAT_FORMAT, type KernelName, type Params } from '../kernels.js'
import type { Choice } from './pipelines.js'
import { type Variant, variants } from './variants.js'

export interface Tuning {
  /** Names of variants by class of calls. */
  readonly choices: Readonly<Record<string, string>>
  /** Names of variants that gave wrong results. */
  readonly refused: readonly string[]
  /** Of the fastest product, rounded down to a power of two: what long calls are split by. */
  readonly gflops: number
}

/** What a measurement holds for: the same names mean the same results. */
export interface Adapter {
  readonly name: string
  /** The driver, as far as it is told. */
  readonly description: string
}

export interface TunedBackend {
  readonly backend: Backend
  /** Takes this variant, by name, for all calls it can do; undefined: as the table of variants says. */
  force(name: string | undefined): void
}

/** Milliseconds for all measurements of a process; what is not reached is left to the table. */
export const BUDGET = 3000
/** Of a variant's runs for one size. */
const ENOUGH = { milliseconds: 8, runs: 3 }

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
  const size = (name: string) => Math.min(Math.max(Math.round(Math.log2(Math.max(p[name] ?? 1, 1)) / 2), 1), 7)
  const narrow = kernel === 'matmul_f16' ? `f16 ${p.format === FLOAT_FORMAT ? '' : 'half '}` : ''
  return `${narrow}${p.transposeA}${p.transposeB} ${size('M')},${size('N')},${size('K')}`
}

export const choiceOf =
  ({ choices }: Tuning): Choice =>
  (kernel, params) => {
    const shape = shapeClass(kernel, params)
    return shape === undefined ? undefined : choices[shape]
  }

/** From the cache, or measured and put there. */
export const tuned = (
  tunedBackend: TunedBackend,
  adapter: Adapter,
  budget = BUDGET,
  kernel: Product = 'matmul',
): Promise<Tuning> =>
  remembered(adapter, [...variants[kernel].map(({ name }) => name), `${budget} ms`], () =>
    tune(tunedBackend, budget, kernel),
  )

/** What an earlier process measured of these variants on this adapter, by this version; else `measure`. */
export async function remembered(
  adapter: Adapter,
  names: readonly string[],
  measure: () => Promise<Tuning>,
): Promise<Tuning> {
  const key = JSON.stringify([version, adapter.name, adapter.description, names])
  const file = `tuning-${fnv(key)}.json`
  const known = parse(await readCached(file), key)
  if (known) return known
  const measured = await measure()
  await writeCached(file, `${JSON.stringify({ key, ...measured }, undefined, 1)}\n`)
  return measured
}

function parse(text: string | undefined, key: string): Tuning | undefined {
  if (text === undefined) return undefined
  try {
    const { key: found, choices, refused, gflops } = JSON.parse(text) as Partial<Tuning & { key: string }>
    return found === key && choices && Array.isArray(refused) && gflops ? { choices, refused, gflops } : undefined
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

/** Products whose variants are measured. */
export type Product = 'matmul' | 'matmul_f16'

const form = { accumulate: 0, hasBias: 0, alpha: 1 }

const ofKernel = (params: Params, kernel: Product): Params =>
  kernel === 'matmul' ? params : { ...params, format: FLOAT_FORMAT }

/** Products of training and encoding at common widths, the most work first; every form of them. */
function shapes(): Params[] {
  const list: Params[] = []
  for (const tokens of [4096, 512])
    for (const width of [768, 384]) {
      const layers = [
        [width, width],
        [4 * width, width],
        [width, 4 * width],
        [8, width],
        [width, 8],
      ] as const
      for (const [outputs, inputs] of layers) {
        list.push({ ...form, M: tokens, N: outputs, K: inputs, transposeA: 0, transposeB: 1 })
        list.push({ ...form, M: tokens, N: inputs, K: outputs, transposeA: 0, transposeB: 0 })
        list.push({ ...form, M: outputs, N: inputs, K: tokens, transposeA: 1, transposeB: 0 })
      }
    }
  for (const queries of [64, 4]) list.push({ ...form, M: queries, N: 16384, K: 384, transposeA: 0, transposeB: 1 })
  return list
}

/** Two measurements as one. */
export const joinTunings = (a: Tuning, b: Tuning): Tuning => ({
  choices: { ...a.choices, ...b.choices },
  refused: [...a.refused, ...b.refused],
  gflops: a.gflops,
})

export async function tune(
  { backend, force }: TunedBackend,
  budget = BUDGET,
  kernel: Product = 'matmul',
): Promise<Tuning> {
  const start = performance.now()
  const refused: string[] = []
  let gflops = 0
  const choices: Record<string, string> = {}
  const list = shapes().map(params => ofKernel(params, kernel))
  const largest = (size: (p: Params) => number) => 4 * Math.max(...list.map(size))
  const memories = [
    backend.allocate(
      largest(p => p.M! * p.K!),
      'tuning a',
    ),
    backend.allocate(
      largest(p => p.K! * p.N!),
      'tuning b',
    ),
    backend.allocate(
      largest(p => p.M! * p.N!),
      'tuning c',
    ),
  ]
  const [a, b, c] = memories.map(wholeView)
  const prepared = await backend.prepare([{ kernel, views: [a, b, undefined, c] }])
  const timeOnce = async (params: Params) => {
    const began = performance.now()
    backend.run(prepared, [params])
    await backend.finish()
    return performance.now() - began
  }
  try {
    for (const { name } of variants[kernel] as readonly Variant[]) {
      force(name)
      if (!(await computesRightly(backend, name, kernel))) refused.push(name)
    }
    for (const params of list) {
      const shape = shapeClass(kernel, params)!
      if (shape in choices) continue
      const able = (variants[kernel] as readonly Variant[]).filter(
        ({ name, can }) => !refused.includes(name) && (can?.(params) ?? true),
      )
      let best = { name: '', time: Number.POSITIVE_INFINITY }
      for (const { name } of able) {
        if (performance.now() - start > budget) return { choices, refused, gflops: roundedDown(gflops) }
        force(name)
        const time = await fastest(() => timeOnce(params), best.time)
        if (time < best.time) best = { name, time }
        gflops = Math.max(gflops, (2 * params.M! * params.N! * params.K!) / time / 1e6)
      }
      choices[shape] = best.name
    }
    return { choices, refused, gflops: roundedDown(gflops) }
  } finally {
    force(undefined)
    prepared.release()
    for (const memory of memories) backend.free(memory)
  }
}

/** Of nothing measured: a slow card. */
const roundedDown = (gflops: number): number => (gflops > 0 ? 2 ** Math.floor(Math.log2(gflops)) : 64)

/** The first run, which may still compile, does not count; one that is far behind is not repeated. */
async function fastest(run: () => Promise<number>, best: number): Promise<number> {
  await run()
  let [least, sum] = [Number.POSITIVE_INFINITY, 0]
  for (let runs = 0; runs < ENOUGH.runs || (sum < ENOUGH.milliseconds && runs < 20); runs++) {
    const time = await run()
    least = Math.min(least, time)
    sum += time
    if (least > 2 * best) break
  }
  return least
}

/** Small whole numbers, whose sums are exact in any order, in every form that the variant can do. */
export async function computesRightly(backend: Backend, name: string, kernel: Product = 'matmul'): Promise<boolean> {
  const variant: Variant = (variants[kernel] as readonly Variant[]).find(each => each.name === name)!
  const [M, N, K] = [76, 140, 1020] // such that every share of split terms has some
  const a = Float32Array.from({ length: M * K }, (_, i) => (i % 13) - 6)
  const b = Float32Array.from({ length: K * N }, (_, i) => (i % 7) - 3)
  const views = [a, b, new Float32Array(M * N)].map(data => {
    const view = wholeView(backend.allocate(data.byteLength, 'tuning check'))
    backend.write(view, data)
    return view
  })
  const prepared = await backend.prepare([{ kernel, views: [views[0], views[1], undefined, views[2]] }])
  try {
    for (const [transposeA, transposeB] of [
      [0, 1],
      [0, 0],
      [1, 0],
      [1, 1],
    ] as const) {
      const params = ofKernel({ ...form, M, N, K, transposeA, transposeB }, kernel)
      if (variant.can && !variant.can(params)) continue
      backend.run(prepared, [params])
      const found = new Float32Array(await backend.read(views[2]!))
      if (!isProduct(found, a, b, params)) return false
    }
    return true
  } finally {
    prepared.release()
    for (const { memory } of views) backend.free(memory)
  }
}

/** At every 17th element. */
function isProduct(found: Float32Array, a: Float32Array, b: Float32Array, p: Params): boolean {
  const [M, N, K] = [p.M!, p.N!, p.K!]
  for (let i = 0; i < found.length; i += 17) {
    const [m, n] = [Math.floor(i / N), i % N]
    let sum = 0
    for (let k = 0; k < K; k++)
      sum += a[p.transposeA ? k * M + m : m * K + k]! * b[p.transposeB ? n * K + k : k * N + n]!
    if (found[i] !== sum) return false
  }
  return true
}
