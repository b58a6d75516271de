// A group of products, see grouped.wgsl, in vectors of four: all widths and ranks are multiples of four.

fn vector_a(m: u32, k: u32) -> vec4<f32> {
  return a[(m * params.K + k) / 4u];
}

fn look(result: u32, at: u32) -> vec4<f32> {
  switch result {
    case 0u: { return c0[at]; }
    case 1u: { return c1[at]; }
    default: { return c2[at]; }
  }
}

fn put(result: u32, at: u32, value: vec4<f32>) {
  switch result {
    case 0u: { c0[at] = value; }
    case 1u: { c1[at] = value; }
    default: { c2[at] = value; }
  }
}

fn write_vector(m: u32, n: u32, sum: vec4<f32>) {
  if (m >= params.M || !has_column(n)) {
    return;
  }
  let place = place_of(n);
  var value = sum;
  if (params.has_bias == 1u) {
    value += bias[bias_of(place) / 4u];
  }
  put(target_of(place.product), (m * width_of(place.product) + place.column) / 4u, value);
}

// By rows n to n + 3 of up_i.
fn low_rank(product: u32, first: u32, m: u32, n: u32) -> vec4<f32> {
  let rank = rank_of(product);
  let left = (m * (params.rank0 + params.rank1 + params.rank2) + first) / 4u;
  let right = (of_product(product, vec3(params.up0, params.up1, params.up2)) + n * rank) / 4u;
  let count = rank / 4u;
  var sum = vec4(0.0);
  for (var r = 0u; r < count; r++) {
    let factor = down[left + r];
    for (var j = 0u; j < 4u; j++) {
      sum[j] += dot(factor, up[right + j * count + r]);
    }
  }
  return sum;
}
