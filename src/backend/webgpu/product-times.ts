// How long the variants of a product take at the sizes of training and encoding, on this adapter.
import { type Backend, type Prepared, wholeView } from '../backend.js'
import type { Params } from '../kernels.js'
import { form, ofKernel, type Product } from './product-check.js'
import { shapeClass } from './tuning.js'
import { type Target, type Variant, variants } from './variants.js'

/** Products of one class, by one of them. */
export interface Shape {
  readonly name: string
  readonly params: Params
}

/** Products of training and encoding at common widths, the most work first; every form of them. */
export function shapes(kernel: Product): readonly Shape[] {
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
  list.push({ ...form, M: 4096, N: 4096, K: 4096, transposeA: 0, transposeB: 1 })
  const named = list.map((each): Shape => {
    const params = ofKernel(each, kernel)
    return { name: shapeClass(kernel, params)!, params }
  })
  return named.filter(({ name }, i) => named.findIndex(other => other.name === name) === i)
}

/** Calls of one submission: until they take LONG_ENOUGH milliseconds, so that handing over and hearing of the end weigh little. */
const REPEATS = [1, 16, 128] as const
const LONG_ENOUGH = 3
const RUNS = 2
/** Milliseconds more than the best by which a first run shows a variant to be hopeless, on a slow card. */
const HOPELESS = 20
/** Of the usual variant: where it takes so long the others are not tried, so that a slow card gets done. */
const SLOW = 300

export interface ProductTimer {
  /** The fastest of the named variants, and its milliseconds; undefined where `late` becomes true before all were timed. */
  fastest(
    shape: Shape,
    names: readonly string[],
    late: () => boolean,
  ): Promise<{ name: string; milliseconds: number } | undefined>
  close(): void
}

/** All variants that may be timed must be allowed when it is made. */
export async function createProductTimer(
  backend: Backend,
  force: (name: string) => void,
  kernel: Product,
): Promise<ProductTimer> {
  const list = shapes(kernel)
  const largest = (size: (p: Params) => number) => 4 * Math.max(...list.map(({ params }) => size(params)))
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
  const prepared: Prepared[] = []
  for (const repeats of REPEATS)
    prepared.push(await backend.prepare(new Array(repeats).fill({ kernel, views: [a, b, undefined, c] })))
  const run = async (params: Params, which: number) => {
    const began = performance.now()
    backend.run(prepared[which]!, new Array(REPEATS[which]!).fill(params))
    await backend.finish()
    return (performance.now() - began) / REPEATS[which]!
  }
  return {
    async fastest({ params }, names, late) {
      let best = { name: '', milliseconds: Number.POSITIVE_INFINITY }
      for (const name of names) {
        if (late()) return undefined
        force(name)
        const milliseconds = await least(which => run(params, which), best.milliseconds)
        if (milliseconds < best.milliseconds) best = { name, milliseconds }
        if (best.milliseconds > SLOW) break
      }
      return best
    },
    close() {
      for (const each of prepared) each.release()
      for (const memory of memories) backend.free(memory)
    },
  }
}

/** Milliseconds of a call. What a first run takes to get ready does not count; one that is far behind is not repeated. */
async function least(run: (which: number) => Promise<number>, best: number): Promise<number> {
  const first = await run(0)
  if (first > SLOW || (first > best + HOPELESS && first > 4 * best)) return first
  let which = 0
  let found = await run(which)
  while (which + 1 < REPEATS.length && found * REPEATS[which]! < LONG_ENOUGH) found = await run(++which)
  for (let runs = 1; runs < RUNS && found < 1.5 * best; runs++) found = Math.min(found, await run(which))
  return found
}

/** Of the variants that do such a call, the one that is taken where nothing was measured comes first: the others need not be far behind it to be left. */
export function candidates(
  kernel: Product,
  { params }: Shape,
  target: Target,
  passed: (name: string) => boolean,
): readonly string[] {
  const able = (variants[kernel] as readonly Variant[]).filter(
    ({ name, can }) => passed(name) && (can?.(params) ?? true),
  )
  const usual = able.find(({ when }) => when?.(params, target) ?? true)
  return [...(usual ? [usual.name] : []), ...able.filter(each => each !== usual).map(({ name }) => name)]
}
