// Φ, the distribution function of the standard normal, by erf: an odd polynomial below |x|/√2 = 1, the scaled
// complement e^{u²} erfc(u) as a polynomial in 1/(1 + u/2) above, both fitted at Chebyshev nodes; |error| ≤ 2e-7, and
// relatively small in the left tail too.

const SQRT_HALF = 0.7071067811865476;
const SQRT_2_OVER_PI = 0.7978845608028654;
const INVERSE_SQRT_2_PI = 0.3989422804014327;
const TANH_CUBIC = 0.044715; // GELU by tanh, Hendrycks and Gimpel 2016

fn normal_cdf(x: f32) -> f32 {
  let u = abs(x) * SQRT_HALF;
  if (u < 1.0) {
    let t = u * u;
    let p = ((((-0.0005648059864720507 * t + 0.004921762027707013) * t - 0.02671505423214776) * t + 0.11280316652502272) * t
      - 0.37612343775327667) * t + 1.1283791261787375;
    return 0.5 + 0.5 * sign(x) * u * p;
  }
  let t = 1.0 / (1.0 + 0.5 * u);
  let p = (((((0.04712837713144118 * t - 0.2499224345471402) * t + 0.27814919972094193) * t + 0.09669870389135614) * t
    + 0.2648660261668932) * t + 0.2799583356088728) * t + 0.28219776995615065;
  let tail = 0.5 * t * p * exp(-u * u);
  return select(1.0 - tail, tail, x < 0.0);
}

// (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2. By exp, bounded: the built-in tanh may overflow.
fn normal_cdf_tanh(x: f32) -> f32 {
  let u = clamp(SQRT_2_OVER_PI * (x + TANH_CUBIC * x * x * x), -40.0, 40.0);
  return 1.0 / (1.0 + exp(-2.0 * u));
}
