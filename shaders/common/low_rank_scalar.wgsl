// common/epilogue.wgsl over common/scalar.wgsl.

// Row m of with0 (M, rank) by row n of with1 (N, rank).
fn low_rank(m: u32, n: u32) -> f32 {
  var sum = 0.0;
  for (var r = 0u; r < params.rank; r++) {
    sum += with0[m * params.rank + r] * with1[n * params.rank + r];
  }
  return sum;
}
