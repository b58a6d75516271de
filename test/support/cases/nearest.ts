// Products and the best of them in one: whole numbers, so that every score is exact and many are shared by several rows.
import { seededValues } from '../values.js'
import { caseOf, expectedTensors, type KernelCase } from './case.js'

const random = seededValues(411)

interface Sizes {
  readonly queries: number
  readonly rows: number
  readonly width: number
  readonly k: number
  readonly slices: number
}

const whole = (count: number, kinds: number) => Float32Array.from(random.integers(count, kinds), x => x - (kinds >> 1))
const vectors = ({ queries, rows, width }: Sizes, kinds: number) => ({
  query: whole(Math.max(1, queries * width), kinds),
  corpus: whole(Math.max(1, rows * width), kinds),
})

function fresh(name: string, sizes: Sizes, given: ReturnType<typeof vectors> = vectors(sizes, 5)): KernelCase {
  const results = Math.max(1, sizes.slices * sizes.queries * sizes.k)
  return caseOf('nearest', name, { ...sizes, first: 3, fresh: 1 }, { ...given, values: results, indices: results })
}

/** More rows after those of `before`. */
function later(name: string, before: KernelCase, rows: number, kinds: number): KernelCase {
  const sizes = { ...(before.params as unknown as Sizes), rows }
  const { values, indices } = expectedTensors('nearest', before, 0)
  const kept = { values: Float32Array.from(values!), indices: Int32Array.from(indices!) }
  const tensors = { ...vectors(sizes, kinds), query: before.tensors.query!, ...kept }
  return caseOf('nearest', name, { ...sizes, first: 5000, fresh: 0 }, tensors)
}

export function nearestCases(): KernelCase[] {
  const few = fresh('fewer rows than asked for', { queries: 3, rows: 5, width: 6, k: 9, slices: 2 })
  const full = fresh('12 of 203', { queries: 13, rows: 203, width: 7, k: 12, slices: 3 })
  const special = vectors({ queries: 9, rows: 70, width: 1, k: 1, slices: 1 }, 5)
  special.query.fill(1)
  special.corpus.forEach((_, i) => {
    if (i % 3 === 0) special.corpus[i] = [Number.NaN, -Infinity, Infinity, -0, 0][i % 5]!
  })
  const rising = { query: Float32Array.of(1, 0), corpus: Float32Array.from({ length: 1400 }, (_, i) => i) }
  return [
    fresh('one', { queries: 1, rows: 1, width: 1, k: 1, slices: 1 }),
    fresh('40 of 300, in one piece', { queries: 17, rows: 300, width: 20, k: 40, slices: 1 }),
    fresh('more slices than rows', { queries: 2, rows: 9, width: 5, k: 4, slices: 5 }),
    fresh('more queries than are packed at a time', { queries: 139, rows: 90, width: 9, k: 3, slices: 2 }),
    fresh('wide vectors', { queries: 19, rows: 41, width: 2050, k: 5, slices: 2 }),
    fresh('the widest', { queries: 9, rows: 6, width: 16384, k: 2, slices: 1 }),
    fresh('1024 of 1500', { queries: 2, rows: 1500, width: 3, k: 1024, slices: 1 }),
    fresh('rising', { queries: 1, rows: 700, width: 2, k: 33, slices: 2 }, rising),
    fresh('NaN and infinities', { queries: 9, rows: 70, width: 1, k: 65, slices: 1 }, special),
    few,
    full,
    later('into missing entries', few, 3, 5),
    later('later rows, as good', full, 150, 5),
    later('later rows, better', full, 150, 9),
    later('later rows, none as good', full, 33, 1),
    fresh('no rows', { queries: 3, rows: 0, width: 4, k: 2, slices: 2 }),
    fresh('no queries', { queries: 0, rows: 8, width: 4, k: 2, slices: 2 }),
  ]
}
