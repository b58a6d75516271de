// The forward pass of a norm over rows of whole vectors, behind layer_norm_forward.wgsl or rms_norm_forward.wgsl: memory is
// read once, HELD vectors of the row stay with each invocation. One workgroup a row; mean first, then variance.

// The same bound, hidden from a compiler that would take seconds over the unrolled loop (params.rows is never 0).
fn rolled(count: u32) -> u32 {
  return select(count, count * min(params.rows, 1u), ROLLED);
}

// The normalised input.
fn input(row: u32, vector: u32) -> Cell {
  let at = row * (params.columns / WIDTH) + vector;
  if (params.has_residual == 0u) {
    return x[at];
  }
  var mask = Cell(params.scale);
  if (params.threshold != 0u) {
    mask = dropout_four(keys[row], vector, vec2(params.key0, params.key1), params.threshold, params.scale);
  }
  let value = residual[at] + x[at] * mask;
  sum[at] = value;
  return value;
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
  var held = array<Cell, HELD>();
  var total = Cell(0.0);
  for (var i = 0u; i < rolled(HELD); i++) {
    let vector = local + i * WORKGROUP_SIZE;
    if (vector < vectors) {
      held[i] = input(row, vector);
      total += held[i];
    }
  }
  var mean = 0.0;
  if (CENTRED) {
    mean = workgroup_sum(local, cell_sum(total)) / columns;
  }
  var squares = Cell(0.0);
  for (var i = 0u; i < rolled(HELD); i++) {
    if (local + i * WORKGROUP_SIZE < vectors) {
      let centred = held[i] - mean;
      squares += centred * centred;
    }
  }
  let rstd = 1.0 / sqrt(workgroup_sum(local, cell_sum(squares)) / columns + params.epsilon);
  for (var i = 0u; i < rolled(HELD); i++) {
    let vector = local + i * WORKGROUP_SIZE;
    if (vector < vectors) {
      y[row * vectors + vector] = scaled((held[i] - mean) * rstd, vector);
    }
  }
  if (local == 0u) {
    keep_stats(row, mean, rstd);
  }
}
