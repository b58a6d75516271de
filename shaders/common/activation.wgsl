// Activations and their slopes. GELU needs the distribution function of the standard normal:
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

fn sigmoid(x: f32) -> f32 {
  return 1.0 / (1.0 + exp(-clamp(x, -80.0, 80.0)));
}

// By a polynomial in x² (2.7e-8 relative) up to 0.625, by exp beyond; the built-in one may overflow.
fn hyperbolic_tangent(x: f32) -> f32 {
  if (abs(x) < 0.625) {
    let z = x * x;
    let p = (((-0.005932980131695858 * z + 0.02088131875072871) * z - 0.05382584835205244) * z + 0.13332601547787842) * z
      - 0.33333327260436746;
    return x + x * z * p;
  }
  return sign(x) * (1.0 - 2.0 / (1.0 + exp(min(2.0 * abs(x), 80.0))));
}

// ACTIVATIONS of the kernel table.
const GELU = 0u;
const GELU_TANH = 1u;
const SILU = 2u;
const RELU = 3u;

fn activation(kind: u32, x: f32) -> f32 {
  switch kind {
    case GELU: { return x * normal_cdf(x); }
    case GELU_TANH: { return x * normal_cdf_tanh(x); }
    case SILU: { return x * sigmoid(x); }
    case RELU: { return max(x, 0.0); }
    default: { return hyperbolic_tangent(x); }
  }
}

// Φ(x) + x · φ(x); by tanh, Φ̃(x) = 1/(1 + e^{−2u}) and Φ̃' = 2 Φ̃ (1 − Φ̃) u'; σ + x · σ (1 − σ); 0 or 1; 1 − tanh² =
// 4 e / (1 + e)², e = e^{−2|x|}.
fn activation_slope(kind: u32, x: f32) -> f32 {
  switch kind {
    case GELU: { return normal_cdf(x) + x * INVERSE_SQRT_2_PI * exp(-0.5 * x * x); }
    case GELU_TANH: {
      let cdf = normal_cdf_tanh(x);
      let du = SQRT_2_OVER_PI * (1.0 + 3.0 * TANH_CUBIC * x * x);
      // Far out the product underflows to 0 times a large du, never to a NaN: du stays finite below |x| = 1e18.
      return cdf + x * 2.0 * cdf * (1.0 - cdf) * du;
    }
    case SILU: {
      let s = sigmoid(x);
      return s + x * s * (1.0 - s);
    }
    case RELU: { return select(0.0, 1.0, x > 0.0); }
    default: {
      let e = exp(-min(2.0 * abs(x), 80.0));
      let d = 2.0 / (1.0 + e);
      return e * d * d;
    }
  }
}
