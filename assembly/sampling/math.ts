// Logarithm and exponential from additions, multiplications and divisions alone, so that all runtimes give the same
// bits (JavaScript's Math.log does not promise that). About 15 digits.

const LN2: f64 = 0.6931471805599453

// ln((1 + s) / (1 − s)) for |s| < 0.2
function logarithmOfRatio(s: f64): f64 {
  let sum: f64 = 0
  for (let power = 23; power > 0; power -= 2) sum = sum * s * s + 1.0 / <f64>power
  return 2 * s * sum
}

/** ln x for normal x > 0. */
export function logarithm(x: f64): f64 {
  const bits = reinterpret<u64>(x)
  let exponent = <i32>(bits >> 52) - 1023
  let mantissa = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000)
  if (mantissa > 1.4142135623730951) {
    mantissa *= 0.5
    exponent++
  }
  return <f64>exponent * LN2 + logarithmOfRatio((mantissa - 1) / (mantissa + 1))
}

/** ln(1 − x) for 0 < x < 1, however small x. */
export function logarithmOfRest(x: f64): f64 {
  return x < 0.25 ? logarithmOfRatio(-x / (2 - x)) : logarithm(1 - x)
}

/** e^x for −700 < x ≤ 0; below, e^−700. */
export function exponential(x: f64): f64 {
  x = max<f64>(x, -700)
  const exponent = nearest<f64>(x / LN2)
  const rest = x - exponent * LN2
  let sum: f64 = 1
  for (let term = 18; term > 0; term--) sum = 1 + (sum * rest) / <f64>term
  return sum * reinterpret<f64>(<u64>(<i64>exponent + 1023) << 52)
}
