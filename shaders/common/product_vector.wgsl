// A product's factor b in vectors of four, see product.wgsl.

fn vector_b(at: u32) -> vec4<f32> {
  return b[at / 4u];
}

// From one row of b as stored to the next.
fn stride_b() -> u32 {
  return select(params.N, params.K, turned_b());
}
