// The gradient of a norm over rows of whole vectors, behind layer_norm_backward.wgsl or rms_norm_backward.wgsl: memory is
// read once, HELD vectors of the row stay with each invocation. One workgroup a row.

// The same bound, hidden from a compiler that would take seconds over the unrolled loop (params.rows is never 0).
fn rolled(count: u32) -> u32 {
  return select(count, count * min(params.rows, 1u), ROLLED);
}

fn mask_of(row: u32, vector: u32) -> Cell {
  if (params.threshold == 0u) {
    return Cell(params.scale);
  }
  return dropout_four(keys[row], vector, vec2(params.key0, params.key1), params.threshold, params.scale);
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
  let vectors = params.columns / WIDTH;
  let columns = f32(params.columns);
  let mean = stats_of(row).x;
  let rstd = stats_of(row).y;
  var g = array<Cell, HELD>();
  var normalised = array<Cell, HELD>();
  var g_sum = Cell(0.0);
  var gx_sum = Cell(0.0);
  for (var i = 0u; i < rolled(HELD); i++) {
    let vector = local + i * WORKGROUP_SIZE;
    if (vector < vectors) {
      g[i] = dy[row * vectors + vector] * gain(vector);
      normalised[i] = (z[row * vectors + vector] - mean) * rstd;
      g_sum += g[i];
      gx_sum += g[i] * normalised[i];
    }
  }
  var g_mean = 0.0;
  if (CENTRED) {
    g_mean = workgroup_sum(local, cell_sum(g_sum)) / columns;
  }
  let gx_mean = workgroup_sum(local, cell_sum(gx_sum)) / columns;
  for (var i = 0u; i < rolled(HELD); i++) {
    let vector = local + i * WORKGROUP_SIZE;
    if (vector < vectors) {
      let at = row * vectors + vector;
      var gradient = (g[i] - g_mean - normalised[i] * gx_mean) * rstd;
      if (params.accumulate == 1u) {
        gradient += dz[at];
      }
      dz[at] = gradient;
      if (params.has_branch == 1u) {
        dbranch[at] = gradient * mask_of(row, vector);
      }
    }
  }
}
