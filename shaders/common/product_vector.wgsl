// A product's factor b in vectors of four, see product.wgsl.

// From one row of b as stored to the next.
fn stride_b() -> u32 {
  return select(params.N, params.K, turned_b());
}
