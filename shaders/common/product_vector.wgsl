// A product's rows in vectors of four, see product.wgsl.

// `column` is a multiple of four.
fn vector_a(row: u32, column: u32) -> vec4<f32> {
  return a[(row * select(params.K, params.M, turned_a()) + column) / 4u];
}

fn vector_b(at: u32) -> vec4<f32> {
  return b[at / 4u];
}

// From one row of b as stored to the next.
fn stride_b() -> u32 {
  return select(params.N, params.K, turned_b());
}
