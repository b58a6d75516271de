// Is one run better than another, or did the choice of queries decide? Over the per-query values of a measure: a
// percentile bootstrap interval of the mean (Efron 1979), the paired randomisation test and the paired t-test (Smucker,
// Allan & Carterette 2007). Seeded, so that they rerun.

/** u32 words from a seed: a Weyl sequence through MurmurHash3's finaliser. */
function randomWords(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let word = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
    word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35)
    return (word ^ (word >>> 16)) >>> 0
  }
}

const mean = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length

export interface BootstrapInterval {
  readonly mean: number
  readonly low: number
  readonly high: number
}

export interface BootstrapOptions {
  readonly confidence?: number
  readonly rounds?: number
  readonly seed?: number
}

/** The percentile interval of the mean over queries: `rounds` resamples with replacement. */
export const bootstrapInterval = (values: readonly number[], options: BootstrapOptions = {}): BootstrapInterval =>
  stratifiedInterval([values], options)

/** The same for a mean of means over several test sets: each is resampled on its own. */
export function stratifiedInterval(
  strata: readonly (readonly number[])[],
  { confidence = 0.95, rounds = 1000, seed = 1 }: BootstrapOptions = {},
): BootstrapInterval {
  if (strata.length === 0 || strata.some(values => values.length === 0))
    throw new Error('a bootstrap interval needs at least one query')
  if (!(confidence > 0 && confidence < 1)) throw new Error(`confidence must lie between 0 and 1, found ${confidence}`)
  const next = randomWords(seed)
  const means = new Float64Array(rounds)
  for (let round = 0; round < rounds; round++) {
    for (const values of strata) {
      let sum = 0
      for (let i = 0; i < values.length; i++) sum += values[Math.floor((next() / 2 ** 32) * values.length)]!
      means[round]! += sum / values.length / strata.length
    }
  }
  means.sort()
  const tail = (1 - confidence) / 2
  return { mean: mean(strata.map(mean)), low: quantile(means, tail), high: quantile(means, 1 - tail) }
}

/** Linear interpolation between order statistics (Hyndman & Fan's type 7). */
function quantile(sorted: Float64Array, fraction: number): number {
  const at = fraction * (sorted.length - 1)
  const below = sorted[Math.floor(at)]!
  return below + (sorted[Math.ceil(at)]! - below) * (at - Math.floor(at))
}

/** The values of one measure for two runs over the same queries, side by side. Fails where the queries differ. */
export function pairedValues(
  a: Record<string, Record<string, number>>,
  b: Record<string, Record<string, number>>,
  measure: string,
): { a: number[]; b: number[] } {
  const queries = Object.keys(a)
  const other = new Set(Object.keys(b))
  const lonely = queries.find(query => !other.has(query)) ?? [...other].find(query => !Object.hasOwn(a, query))
  if (lonely !== undefined || queries.length === 0)
    throw new Error(
      `two runs can only be compared over the same queries; ${lonely === undefined ? 'there are none' : `${JSON.stringify(lonely)} is in one only`}; evaluate both with complete`,
    )
  const column = (rows: Record<string, Record<string, number>>) =>
    queries.map(query => {
      const value = rows[query]![measure]
      if (value === undefined)
        throw new Error(`the measure ${measure} was not computed for query ${JSON.stringify(query)}`)
      return value
    })
  return { a: column(a), b: column(b) }
}

function differences(a: readonly number[], b: readonly number[]): Float64Array {
  if (a.length !== b.length)
    throw new Error(`a paired test needs as many values on both sides, found ${a.length} and ${b.length}`)
  if (a.length < 2) throw new Error(`a paired test needs at least two queries, found ${a.length}`)
  return Float64Array.from(a, (value, i) => value - b[i]!)
}

/**
 * The two-sided p of the mean difference when each query's two values may as well have been swapped: the share of sign
 * assignments whose mean is at least as far from 0. All of them where there are no more than `rounds`, else `rounds`
 * random ones and the observed one.
 */
export function pairedRandomisation(
  a: readonly number[],
  b: readonly number[],
  { rounds = 10_000, seed = 1 }: { rounds?: number; seed?: number } = {},
): { difference: number; p: number } {
  const d = differences(a, b)
  const sum = d.reduce((total, value) => total + value, 0)
  // Sums that are equal on paper differ in their last bits with the order of their terms.
  const least = Math.abs(sum) - 1e-12 * d.reduce((total, value) => total + Math.abs(value), 0)
  const exact = 2 ** d.length <= rounds
  const total = exact ? 2 ** d.length : rounds
  const next = randomWords(seed)
  let extreme = 0
  for (let round = 0; round < total; round++) {
    let flipped = 0
    let signs = round
    for (let i = 0; i < d.length; i++) {
      if (!exact && i % 32 === 0) signs = next()
      flipped += (signs >>> (i % 32)) & 1 ? -d[i]! : d[i]!
    }
    if (Math.abs(flipped) >= least) extreme++
  }
  return { difference: sum / d.length, p: exact ? extreme / total : (extreme + 1) / (total + 1) }
}

/** Student's paired t-test, two-sided. Equal values everywhere give t = 0, p = 1. */
export function pairedTTest(
  a: readonly number[],
  b: readonly number[],
): { difference: number; t: number; degrees: number; p: number } {
  const d = differences(a, b)
  const difference = mean(d)
  const degrees = d.length - 1
  const variance = d.reduce((sum, value) => sum + (value - difference) ** 2, 0) / degrees
  if (difference === 0) return { difference, t: 0, degrees, p: 1 }
  const t = difference / Math.sqrt(variance / d.length)
  return {
    difference,
    t,
    degrees,
    p: variance === 0 ? 0 : incompleteBeta(degrees / 2, 0.5, degrees / (degrees + t * t)),
  }
}

/**
 * The regularised incomplete beta function I_x(a, b) by its continued fraction (modified Lentz); P(|T| > t) =
 * I_{ν/(ν+t²)}(ν/2, 1/2).
 */
function incompleteBeta(a: number, b: number, x: number): number {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1
  // The fraction converges fast below this point only; beyond it the mirrored one does.
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(b, a, 1 - x)
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a
  const away = (value: number) => (Math.abs(value) < 1e-300 ? 1e-300 : value)
  let c = 1
  let d = 1 / away(1 - ((a + b) * x) / (a + 1))
  let fraction = d
  for (let m = 1; m <= 1000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    const before = fraction
    for (const term of [even, odd]) {
      d = 1 / away(1 + term * d)
      c = away(1 + term / c)
      fraction *= c * d
    }
    if (Math.abs(fraction - before) <= 1e-15 * Math.abs(fraction)) break
  }
  return front * fraction
}

/** ln Γ(x) for x > 0: Stirling's series, shifted up to x ≥ 10. */
function logGamma(x: number): number {
  let shift = 0
  for (; x < 10; x++) shift += Math.log(x)
  const inverse = 1 / (x * x)
  const series = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse / 1680))) / x
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series - shift
}
