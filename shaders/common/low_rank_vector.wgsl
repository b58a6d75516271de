// common/epilogue.wgsl over common/vector.wgsl; a rank is a multiple of four.

// Row m of with0 (M, rank) by rows n to n + 3 of with1 (N, rank).
fn low_rank(m: u32, n: u32) -> vec4<f32> {
  let terms = params.rank / 4u;
  var sum = vec4(0.0);
  for (var r = 0u; r < terms; r++) {
    let left = with0[m * terms + r];
    for (var j = 0u; j < 4u; j++) {
      sum[j] += dot(left, with1[(n + j) * terms + r]);
    }
  }
  return sum;
}
