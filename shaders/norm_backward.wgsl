// The gradient of a norm over rows of any width, behind layer_norm_backward.wgsl or rms_norm_backward.wgsl. One workgroup
// a row.

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let row = group.y * groups.x + group.x;
  if (row >= params.rows) {
    return;
  }
  let start = row * params.columns;
  let columns = f32(params.columns);
  let mean = stats_of(row).x;
  let rstd = stats_of(row).y;
  var g_sum = 0.0;
  var gx_sum = 0.0;
  for (var c = local; c < params.columns; c += WORKGROUP_SIZE) {
    let g = dy[start + c] * gain(c);
    g_sum += g;
    gx_sum += g * (z[start + c] - mean) * rstd;
  }
  var g_mean = 0.0;
  if (CENTRED) {
    g_mean = workgroup_sum(local, g_sum) / columns;
  }
  let gx_mean = workgroup_sum(local, gx_sum) / columns;
  // Two neighbours an invocation: one counter gives both words of a mask.
  for (var pair = 2u * local; pair < params.columns; pair += 2u * WORKGROUP_SIZE) {
    var mask = vec2(0.0);
    if (params.has_branch == 1u) {
      mask = vec2(params.scale);
      if (params.threshold != 0u) {
        mask = dropout_pair(vec2(keys[row], pair / 2u), vec2(params.key0, params.key1), params.threshold, params.scale);
      }
    }
    for (var i = 0u; i < min(2u, params.columns - pair); i++) {
      let c = pair + i;
      let normalised = (z[start + c] - mean) * rstd;
      var gradient = dy[start + c] * gain(c); // term 1
      gradient -= g_mean; // term 2
      gradient -= normalised * gx_mean; // term 3
      gradient *= rstd;
      if (params.accumulate == 1u) {
        gradient += dz[start + c];
      }
      dz[start + c] = gradient;
      if (params.has_branch == 1u) {
        dbranch[start + c] = gradient * mask[i];
      }
    }
  }
}
