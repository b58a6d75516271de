// A row of a product's factor a as stored in vectors of four, see product.wgsl.

// `column` is a multiple of four.
fn vector_a(row: u32, column: u32) -> vec4<f32> {
  return a[(row * select(params.K, params.M, turned_a()) + column) / 4u];
}
