// A sum of products, see grouped_sum.wgsl, in vectors of four: N and all counts of terms are multiples of four.

fn vector_a(m: u32, k: u32) -> vec4<f32> {
  if (k < params.K0) {
    return a0[(m * params.K0 + k) / 4u];
  }
  if (k < params.K0 + params.K1) {
    return a1[(m * params.K1 + k - params.K0) / 4u];
  }
  return a2[(m * params.K2 + k - params.K0 - params.K1) / 4u];
}

fn write_vector(m: u32, n: u32, sum: vec4<f32>) {
  if (m >= params.M || n >= params.N) {
    return;
  }
  let at = (m * params.N + n) / 4u;
  var value = sum;
  if (params.accumulate == 1u) {
    value += c[at];
  }
  c[at] = value;
}
