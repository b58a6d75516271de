// Four elements of c of a product in vectors, from their sum.
fn write_vector(m: u32, n: u32, sum: vec4<f32>) {
  if (m >= params.M || n >= params.N) {
    return;
  }
  var value = params.alpha * sum;
  if (params.has_bias == 1u) {
    value += bias[n / 4u];
  }
  if (params.accumulate == 1u) {
    value += c[(m * params.N + n) / 4u];
  }
  c[(m * params.N + n) / 4u] = value;
}
