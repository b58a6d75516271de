// Four lanes of f32 at a time: exponential, normal distribution, tanh, sums. Errors are measured by test/backend/wasm.test.ts.

/**
 * eˣ = 2ⁿ · eʳ, n = round(x / ln 2), |r| ≤ ln 2 / 2, eʳ = 1 + r + r² · P₄(r) (minimax, 3e-9 relative). Relative error below 1.5e-7;
 * 0 below −87.7; above 88.37 it stays at e^88.37 (no caller needs more); NaN gives NaN.
 */
@inline
export function exp4(x: v128): v128 {
  // pmax(x, c) is c only where x < c: a NaN passes
  x = f32x4.pmin(f32x4.pmax(x, f32x4.splat(-88)), f32x4.splat(88.37))
  // Adding 1.5 · 2²³ rounds to an integer and leaves it in the low bits
  const shifted = f32x4.add(f32x4.mul(x, f32x4.splat(1.44269504)), f32x4.splat(12582912))
  const n = f32x4.sub(shifted, f32x4.splat(12582912))
  // ln 2 in two parts; the first has few bits, so that n · high is exact
  let r = f32x4.sub(x, f32x4.mul(n, f32x4.splat(0.693359375)))
  r = f32x4.add(r, f32x4.mul(n, f32x4.splat(2.12194440e-4)))
  let p = f32x4.splat(1.38146249e-3)
  p = multiplyAdd(p, r, 8.36871449e-3)
  p = multiplyAdd(p, r, 4.16683874e-2)
  p = multiplyAdd(p, r, 1.66665207e-1)
  p = multiplyAdd(p, r, 4.99999935e-1)
  p = f32x4.add(f32x4.mul(f32x4.mul(r, r), p), f32x4.add(r, f32x4.splat(1)))
  return f32x4.mul(p, i32x4.shl(i32x4.add(shifted, i32x4.splat(127)), 23))
}

/** p · x + c */
@inline
function multiplyAdd(p: v128, x: v128, c: f32): v128 {
  return f32x4.add(f32x4.mul(p, x), f32x4.splat(c))
}

/** exp(−x² / 2) */
@inline
export function gaussian4(x: v128): v128 {
  return exp4(f32x4.mul(f32x4.mul(x, x), f32x4.splat(-0.5)))
}

/**
 * Φ(x) = (1 + erf(x / √2)) / 2, given g = exp(−x² / 2): Φ(−|x|) = g · u · Q₈(u), u = 1 / (1 + 0.35 |x|) (minimax on |x| ≤ 13, 3.2e-8
 * relative; the form of Abramowitz and Stegun 7.1.26). Absolute error below 1.5e-7.
 */
@inline
export function normalCdf4(x: v128, g: v128): v128 {
  const one = f32x4.splat(1)
  const u = f32x4.div(one, f32x4.add(one, f32x4.mul(f32x4.abs(x), f32x4.splat(0.35))))
  let q = f32x4.splat(-0.02909509538)
  q = multiplyAdd(q, u, 0.1437195455)
  q = multiplyAdd(q, u, -0.2551822534)
  q = multiplyAdd(q, u, 0.1585523415)
  q = multiplyAdd(q, u, -0.02267081272)
  q = multiplyAdd(q, u, 0.1053169187)
  q = multiplyAdd(q, u, 0.1198827632)
  q = multiplyAdd(q, u, 0.1398547487)
  q = multiplyAdd(q, u, 0.1396218282)
  const tail = f32x4.mul(g, f32x4.mul(u, q))
  return v128.bitselect(f32x4.sub(one, tail), tail, f32x4.gt(x, f32x4.splat(0)))
}

/** 1 / (1 + e⁻ˣ) */
@inline
export function sigmoid4(x: v128): v128 {
  const one = f32x4.splat(1)
  return f32x4.div(one, f32x4.add(one, exp4(f32x4.neg(x))))
}

/**
 * tanh(x) = x + x³ · P₄(x²) (least squares, 2.7e-8 relative) up to 0.625, ±(1 − 2 / (e^2|x| + 1)) beyond: relative error below 2e-7.
 */
@inline
export function tanh4(x: v128): v128 {
  const z = f32x4.mul(x, x)
  let p = f32x4.splat(-0.005932980131695858)
  p = multiplyAdd(p, z, 0.02088131875072871)
  p = multiplyAdd(p, z, -0.05382584835205244)
  p = multiplyAdd(p, z, 0.13332601547787842)
  p = multiplyAdd(p, z, -0.33333327260436746)
  const small = f32x4.add(x, f32x4.mul(x, f32x4.mul(z, p)))
  const one = f32x4.splat(1)
  const size = f32x4.abs(x)
  const large = f32x4.sub(one, f32x4.div(f32x4.splat(2), f32x4.add(one, exp4(f32x4.add(size, size)))))
  const signs = v128.and(x, i32x4.splat(0x80000000))
  return v128.bitselect(small, v128.or(large, signs), f32x4.lt(size, f32x4.splat(0.625)))
}

/** The sum of four lanes, in f64. */
@inline
export function sum4(x: v128): f64 {
  const a = <f64>f32x4.extract_lane(x, 0) + <f64>f32x4.extract_lane(x, 2)
  const b = <f64>f32x4.extract_lane(x, 1) + <f64>f32x4.extract_lane(x, 3)
  return a + b
}

/** The largest of four lanes; NaN lanes may be passed over. */
@inline
export function max4(x: v128): f32 {
  const a = f32x4.pmax(x, i32x4.shuffle(x, x, 2, 3, 0, 1))
  return f32x4.extract_lane(f32x4.pmax(a, i32x4.shuffle(a, a, 1, 0, 3, 2)), 0)
}

/** Lanes 0 and 1 as f64. */
@inline
export function low64(x: v128): v128 {
  return f64x2.promote_low_f32x4(x)
}

/** Lanes 2 and 3 as f64. */
@inline
export function high64(x: v128): v128 {
  return f64x2.promote_low_f32x4(i32x4.shuffle(x, x, 2, 3, 2, 3))
}

/** The sum of two f64 lanes. */
@inline
export function sum2(x: v128): f64 {
  return f64x2.extract_lane(x, 0) + f64x2.extract_lane(x, 1)
}
