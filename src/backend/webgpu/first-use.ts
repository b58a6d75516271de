// What is found out of an adapter when it is first used: which variants compute rightly on it, which of them are best for which sizes. Whoever opens the
// backend waits for it, so it ends when a budget of time is used up, what compiling takes included; what was left goes on at the next use. A variant whose test
// has not passed is not taken. Kernels that most models take come first.
import { coreCount } from '../../runtime/workers.js'
import type { Backend } from '../backend.js'
import { type KernelName, kernelSpec } from '../kernels.js'
import { attentionTests } from './attention-check.js'
import { type Product, productTests } from './product-check.js'
import { candidates, createProductTimer, type ProductTimer, type Shape, shapes } from './product-times.js'
import { streamTests } from './stream-check.js'
import { type Adapter, type KeptTuning, keepTuning, keptTuning, type Tuning, tuningKey, untuned } from './tuning.js'
import type { Target, Variant } from './variants.js'

export interface TunedBackend {
  readonly backend: Backend
  /** Takes this variant, by name, for all calls it can do; undefined: as the table of variants says. */
  force(name: string | undefined): void
  /** Those that this device can be given; default: all that there are. */
  wanted?(kernel: KernelName): readonly Variant[]
}

export type Allowed = (kernel: KernelName, name: string) => boolean

export interface FirstUse extends Required<TunedBackend> {
  readonly target: Target
  /** With the adapter's message where it does not compile here. */
  compile(kernel: KernelName, variant: Variant): Promise<{ readonly message?: string }>
  /** Lets variants be prepared beside those that are forced and each kernel's plain one; asked at every preparing. */
  allow(rule: Allowed): void
}

export interface VariantTest {
  readonly kernel: KernelName
  readonly variant: Variant
  readonly passes: () => Promise<boolean>
}

/** Milliseconds that whoever opens a backend waits for all of this. */
export const BUDGET = 3000
/** Pipelines that are compiled at a time, as far as there are cores. */
const MOST_AHEAD = 16
/** FLOPs of the products of layers; larger ones are timed where they are short. */
const LARGE = 2e10
const SHORT = 100 // milliseconds

export const testName = (kernel: KernelName, name: string): string => `${kernel} ${name}`

/** In the order in which they are made. `mixed`: products and attention with f16 factors first. */
export function variantTests(tuned: Required<TunedBackend>, mixed: boolean): readonly VariantTest[] {
  const narrow = (kernel: KernelName) => kernelSpec(kernel).needs === 'shader-f16'
  const able = withWanted(tuned, mixed)
  const others = [...attentionTests(able), ...streamTests(able)]
  return [
    ...(mixed ? productTests(tuned, 'matmul_f16') : []),
    ...others.filter(({ kernel }) => narrow(kernel)),
    ...productTests(tuned, 'matmul'),
    ...others.filter(({ kernel }) => !narrow(kernel)),
  ]
}

/** A device without shader-f16 has no variant of these kernels. */
const withWanted = (tuned: Required<TunedBackend>, mixed: boolean): Required<TunedBackend> => ({
  ...tuned,
  wanted: kernel => (mixed || !kernelSpec(kernel).needs ? tuned.wanted(kernel) : []),
})

/** Those that have no test, or have passed it and were refused by no other kernel's. */
function allowedBy(tests: readonly VariantTest[], passed: ReadonlySet<string>, refused: ReadonlySet<string>): Allowed {
  const tested = new Set(tests.map(({ kernel, variant }) => testName(kernel, variant.name)))
  return (kernel, name) => {
    const test = testName(kernel, name)
    return !refused.has(name) && (!tested.has(test) || passed.has(test))
  }
}

export interface TuningOptions {
  /** Of another process of this adapter and driver: taken as it is, so that results are the same to the bit. */
  readonly tuning?: KeptTuning | undefined
  /** Milliseconds for what is not found out yet. */
  readonly tuneMilliseconds?: number | undefined
  readonly mixed?: boolean | undefined
}

/** As it was given or kept, or what is left of it found out and kept. Allows what was found right. */
export async function findTuning(
  use: FirstUse,
  adapter: Adapter,
  { tuning: given, tuneMilliseconds: budget = BUDGET, mixed = false }: TuningOptions,
): Promise<KeptTuning> {
  const tests = variantTests(use, mixed)
  const key = tuningKey(
    adapter,
    tests.map(({ kernel, variant }) => testName(kernel, variant.name)),
  )
  let tuning = given?.key === key ? given : ((await keptTuning(key)) ?? untuned)
  if (!tuning.complete && tuning !== given) {
    tuning = await findOut(use, tests, tuning, budget, mixed)
    await keepTuning(key, tuning)
  }
  use.allow(allowedBy(tests, new Set(tuning.passed), new Set(tuning.refused)))
  return { ...tuning, key }
}

/** What is known with what could be found out within `budget` milliseconds. */
export async function findOut(
  use: FirstUse,
  tests: readonly VariantTest[],
  known: Tuning,
  budget: number,
  mixed: boolean,
): Promise<Tuning> {
  const clock = startClock(budget)
  const passed = new Set(known.passed)
  const refused = new Set(known.refused)
  const messages = { ...known.messages }
  const left = tests.filter(
    ({ kernel, variant }) => !passed.has(testName(kernel, variant.name)) && !refused.has(variant.name),
  )
  const measured = { choices: { ...known.choices }, gflops: Object.keys(known.choices).length > 0 ? known.gflops : 0 }
  use.allow(allowedBy(tests, passed, refused))
  const times = async (kernel: Product, count: number) => {
    const names = (name: string) => isTaken(use, passed, refused, kernel, name)
    return timeShapes(use, kernel, names, measured, clock, count)
  }
  try {
    const first = mixed ? 'matmul_f16' : 'matmul'
    const isFirst = ({ kernel }: VariantTest) => kernel === first
    const next = compiledAhead(left, use.compile, await coreCount())
    const run = (some: readonly VariantTest[], from: number) =>
      runTests(use, some, i => next(from + i), passed, refused, messages, clock)
    const own = left.filter(isFirst)
    // Of one product at once: by its rate long calls are split.
    const complete =
      (await run(own, 0)) &&
      (await times(first, 1)) &&
      (await run(
        left.filter(test => !isFirst(test)),
        own.length,
      )) &&
      (await times(first, Number.POSITIVE_INFINITY)) &&
      (!mixed || (await times('matmul', Number.POSITIVE_INFINITY)))
    const found = passed.size + refused.size + Object.keys(measured.choices).length
    const before = known.passed.length + known.refused.length + Object.keys(known.choices).length
    if (!complete && budget >= BUDGET && found === before && left[0]) {
      // Every later use would wait for the same compiler.
      const { name } = left[0].variant
      refused.add(name)
      messages[name] = `not compiled within ${budget / 1000} s`
    }
    return {
      ...{ choices: measured.choices, gflops: measured.gflops || known.gflops, complete },
      ...{ passed: [...passed].sort(), refused: [...refused].sort(), messages },
    }
  } finally {
    clock.stop()
    use.force(undefined)
  }
}

interface Clock {
  readonly late: () => boolean
  /** Resolves to undefined when the time is over. */
  readonly over: Promise<undefined>
  stop(): void
}

function startClock(budget: number): Clock {
  const end = performance.now() + budget
  let timer: ReturnType<typeof setTimeout> | undefined
  const over = new Promise<undefined>(resolve => {
    if (budget < 2 ** 31) timer = setTimeout(() => resolve(undefined), budget)
  })
  return { late: () => performance.now() >= end, over, stop: () => clearTimeout(timer) }
}

const isTaken = (
  { wanted }: FirstUse,
  passed: ReadonlySet<string>,
  refused: ReadonlySet<string>,
  kernel: KernelName,
  name: string,
): boolean => !refused.has(name) && (passed.has(testName(kernel, name)) || wanted(kernel).at(-1)!.name === name)

/** What is asked for is compiled, and what comes after it meanwhile. */
function compiledAhead(tests: readonly VariantTest[], compile: FirstUse['compile'], cores: number) {
  const begun: ReturnType<FirstUse['compile']>[] = []
  const ahead = Math.min(Math.max(cores, 2), MOST_AHEAD)
  return (i: number): ReturnType<FirstUse['compile']> => {
    while (begun.length < Math.min(tests.length, i + ahead)) {
      const { kernel, variant } = tests[begun.length]!
      begun.push(compile(kernel, variant))
    }
    return begun[i]!
  }
}

/** What is said beside the name, on one line. */
const shortened = (message: string): string =>
  message
    .replace(/^shader \S+ does not compile( on this device)?: /, '')
    .split('\n')[0]!
    .trim()

/** True when all are done. */
async function runTests(
  { backend }: FirstUse,
  tests: readonly VariantTest[],
  compiled: (i: number) => ReturnType<FirstUse['compile']>,
  passed: Set<string>,
  refused: Set<string>,
  messages: Record<string, string>,
  { late, over }: Clock,
): Promise<boolean> {
  for (const [i, { kernel, variant, passes }] of tests.entries()) {
    // What another kernel's form of it got wrong is not asked again.
    if (refused.has(variant.name)) continue
    const outcome = late() ? undefined : await Promise.race([compiled(i), over])
    if (outcome === undefined) return false
    const { message } = outcome
    // Of a lost device nothing is to be said.
    if (message !== undefined) await backend.finish()
    if (message === undefined && (await passes())) passed.add(testName(kernel, variant.name))
    else refused.add(variant.name)
    if (message !== undefined) messages[variant.name] = shortened(message)
  }
  return true
}

interface Measured {
  readonly choices: Record<string, string>
  gflops: number
}

/** The shapes that are not measured yet, `count` of them at most; true where all were. */
async function timeShapes(
  { backend, force, target }: FirstUse,
  kernel: Product,
  isTaken: (name: string) => boolean,
  measured: Measured,
  { late }: Clock,
  count: number,
): Promise<boolean> {
  const all = shapes(kernel).filter(({ name }) => !(name in measured.choices))
  let timer: ProductTimer | undefined
  try {
    for (const shape of all.slice(0, count)) {
      if (isLong(shape, measured.gflops)) continue
      if (late()) return false
      timer ??= await createProductTimer(backend, force, kernel)
      const best = await timer.fastest(shape, candidates(kernel, shape, target, isTaken), late)
      if (!best) return false
      measured.choices[shape.name] = best.name
      measured.gflops = Math.max(measured.gflops, roundedDown(flopsOf(shape) / best.milliseconds / 1e6))
    }
    return true
  } finally {
    timer?.close()
  }
}

const flopsOf = ({ params: { M, N, K } }: Shape): number => 2 * M! * N! * K!

const isLong = (shape: Shape, gflops: number): boolean =>
  flopsOf(shape) > LARGE && flopsOf(shape) / gflops / 1e6 > SHORT

const roundedDown = (gflops: number): number => 2 ** Math.floor(Math.log2(gflops))
