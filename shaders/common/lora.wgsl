// What the kernels of low-rank updates share. A kernel declares params with rank0, rank1, rank2, threshold, scale and key0 … key5, and `keys`.

fn rank_of(product: u32) -> u32 {
  return select(select(params.rank2, params.rank1, product == 1u), params.rank0, product == 0u);
}

// The factors of the two channels of `pair` in the dropout of one product's input.
fn mask_of(product: u32, row: u32, pair: u32) -> vec2<f32> {
  if (params.threshold == 0u) {
    return vec2(params.scale);
  }
  var key = vec2(params.key0, params.key1);
  if (product == 1u) {
    key = vec2(params.key2, params.key3);
  }
  if (product == 2u) {
    key = vec2(params.key4, params.key5);
  }
  return dropout_pair(vec2(keys[row], pair), key, params.threshold, params.scale);
}
