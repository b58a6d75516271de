// The forward pass of a norm over rows of any width, behind layer_norm_forward.wgsl or rms_norm_forward.wgsl. One workgroup
// a row; mean first, then variance, for accuracy. Two neighbouring channels an invocation: one counter gives both words
// of a mask (see dropout).

// The normalised input; from `sum` an invocation reads back only what it wrote itself.
fn input(at: u32) -> f32 {
  if (params.has_residual == 1u) {
    return sum[at];
  }
  return x[at];
}

fn add_residual(row: u32, local: u32) {
  let start = row * params.columns;
  for (var channel = 2u * local; channel < params.columns; channel += 2u * WORKGROUP_SIZE) {
    var mask = vec2(params.scale);
    if (params.threshold != 0u) {
      mask = dropout_pair(vec2(keys[row], channel / 2u), vec2(params.key0, params.key1), params.threshold, params.scale);
    }
    sum[start + channel] = residual[start + channel] + x[start + channel] * mask.x;
    if (channel + 1u < params.columns) {
      sum[start + channel + 1u] = residual[start + channel + 1u] + x[start + channel + 1u] * mask.y;
    }
  }
}

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
  if (params.has_residual == 1u) {
    add_residual(row, local);
  }
  let start = row * params.columns;
  let columns = f32(params.columns);
  var mean = 0.0;
  if (CENTRED) {
    var total = 0.0;
    for (var pair = 2u * local; pair < params.columns; pair += 2u * WORKGROUP_SIZE) {
      for (var c = pair; c < min(pair + 2u, params.columns); c++) {
        total += input(start + c);
      }
    }
    mean = workgroup_sum(local, total) / columns;
  }
  var squares = 0.0;
  for (var pair = 2u * local; pair < params.columns; pair += 2u * WORKGROUP_SIZE) {
    for (var c = pair; c < min(pair + 2u, params.columns); c++) {
      let centred = input(start + c) - mean;
      squares += centred * centred;
    }
  }
  let rstd = 1.0 / sqrt(workgroup_sum(local, squares) / columns + params.epsilon);
  for (var pair = 2u * local; pair < params.columns; pair += 2u * WORKGROUP_SIZE) {
    for (var c = pair; c < min(pair + 2u, params.columns); c++) {
      y[start + c] = scaled((input(start + c) - mean) * rstd, c);
    }
  }
  if (local == 0u) {
    keep_stats(row, mean, rstd);
  }
}
