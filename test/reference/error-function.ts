// erf and erfc in f64: the series of positive terms (Abramowitz & Stegun 7.1.6) below 2, the continued fraction (7.1.14) from there on,
// so that erf is right to 1e-15 and erfc, which 1 − erf would ruin in the tail, to 1e-13 of its value.
const SERIES_END = 2

/** erf x = 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (1 · 3 · … · (2n+1)), |x| < 2 */
function erfSeries(x: number): number {
  let term = x
  let sum = x
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1)
    sum += term
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum
}

/** erfc x = e^(−x²)/√π · 1/(x + (1/2)/(x + (2/2)/(x + (3/2)/(x + …)))), x ≥ 2; 200 levels are far more than f64 needs */
function erfcFraction(x: number): number {
  let fraction = x
  for (let n = 200; n >= 1; n--) fraction = x + n / 2 / fraction
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction
}

export function erfc(x: number): number {
  if (x < 0) return 2 - erfc(-x)
  return x < SERIES_END ? 1 - erfSeries(x) : erfcFraction(x)
}

export const erf = (x: number): number =>
  Math.abs(x) < SERIES_END ? erfSeries(x) : Math.sign(x) * (1 - erfcFraction(Math.abs(x)))

/** Φ(x), the normal distribution function */
export const normalCdf = (x: number): number => 0.5 * erfc(-x / Math.SQRT2)
/** φ(x), the normal density */
export const normalDensity = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)
