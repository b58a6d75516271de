// common/epilogue.wgsl an element at a time.

const WIDTH = 1u;

fn activations(kind: u32, x: f32) -> f32 {
  return activation(kind, x);
}

fn slopes(kind: u32, x: f32) -> f32 {
  return activation_slope(kind, x);
}

// Row m of with0 (M, rank) by row n of with1 (N, rank).
fn low_rank(m: u32, n: u32) -> f32 {
  var sum = 0.0;
  for (var r = 0u; r < params.rank; r++) {
    sum += with0[m * params.rank + r] * with1[n * params.rank + r];
  }
  return sum;
}
