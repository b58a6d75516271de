// A product's elements one by one, see product.wgsl.

fn element_a(m: u32, k: u32) -> f32 {
  if (turned_a()) {
    return a[k * params.M + m];
  }
  return a[m * params.K + k];
}

fn store(m: u32, n: u32, sum: f32) {
  if (m >= params.M || n >= params.N) {
    return;
  }
  var value = params.alpha * sum;
  if (params.has_bias == 1u) {
    value += bias[n];
  }
  if (params.accumulate == 1u) {
    value += c[m * params.N + n];
  }
  c[m * params.N + n] = value;
}
