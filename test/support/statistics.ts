// Statistical tests with a fixed seed: always the same figures, so one that passes today passes tomorrow. Each is to be
// shown to refuse something that is not random.
import * as assert from 'uvu/assert'

/** ln Γ(x) for x ≥ 0.5: Stirling's series, beginning at 10 or more. */
function logGamma(x: number): number {
  let [shifted, product] = [x, 1]
  while (shifted < 10) product *= shifted++
  const inverse = 1 / (shifted * shifted)
  const series = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse / 1680))) / shifted
  return (shifted - 0.5) * Math.log(shifted) - shifted + 0.5 * Math.log(2 * Math.PI) + series - Math.log(product)
}

/**
 * The probability that χ² with `degrees` degrees of freedom exceeds `statistic`: the upper incomplete gamma function,
 * normalised.
 */
export function chiSquareTail(statistic: number, degrees: number): number {
  const [a, x] = [degrees / 2, statistic / 2]
  const front = Math.exp(a * Math.log(x) - x - logGamma(a))
  if (x <= 0) return 1
  if (x < a + 1) {
    let [term, sum] = [1 / a, 1 / a]
    for (let n = 1; term > sum * 1e-16; n++) {
      term *= x / (a + n)
      sum += term
    }
    return 1 - front * sum
  }
  // Continued fraction, from the back.
  let fraction = 0
  for (let n = Math.ceil(200 + 10 * Math.sqrt(a)); n > 0; n--) fraction = (n * (n - a)) / (x + 2 * n + 1 - a - fraction)
  return front / (x + 1 - a - fraction)
}

/** How probable counts as uneven as these are where each cell is as likely (or as likely as `weights` say). */
export function evenness(counts: ArrayLike<number>, degrees = counts.length - 1, weights?: ArrayLike<number>): number {
  const sum = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0)
  const scale = sum(counts) / (weights ? sum(weights) : counts.length)
  let statistic = 0
  for (let i = 0; i < counts.length; i++) {
    const expected = scale * (weights ? weights[i]! : 1)
    assert.ok(expected >= 5, `${expected} expected in cell ${i}: enough draws for χ²`)
    statistic += (counts[i]! - expected) ** 2 / expected
  }
  return chiSquareTail(statistic, degrees)
}

/** Less probable than this is refused: too uneven, or too even. */
const LEAST = 1e-6

export const plausible = (p: number): boolean => p > LEAST && p < 1 - LEAST

export const accept = (p: number, what: string): void =>
  assert.ok(plausible(p), `${what}: p = ${p}, expected ${LEAST} to 1 − ${LEAST}`)

export const refuse = (p: number, what: string): void =>
  assert.not.ok(plausible(p), `${what}: p = ${p}, which the test should refuse`)

/** How often each of `cells` values comes. */
export function tally(values: Iterable<number>, cells: number): Float64Array {
  const counts = new Float64Array(cells)
  for (const value of values) counts[value]!++
  return counts
}
