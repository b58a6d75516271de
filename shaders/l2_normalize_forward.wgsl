// y = x / max(‖x‖, epsilon); norms = ‖x‖. One workgroup a row.

struct Params {
  rows: u32,
  columns: u32,
  epsilon: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // (rows, columns)
@group(0) @binding(1) var<storage, read_write> y: array<f32>; // (rows, columns), =
@group(0) @binding(2) var<storage, read_write> norms: array<f32>; // (rows), =
@group(0) @binding(3) var<uniform> params: Params;

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
  var squares = 0.0;
  for (var c = local; c < params.columns; c += WORKGROUP_SIZE) {
    squares += x[start + c] * x[start + c];
  }
  let norm = sqrt(workgroup_sum(local, squares));
  let divisor = max(norm, params.epsilon);
  for (var c = local; c < params.columns; c += WORKGROUP_SIZE) {
    y[start + c] = x[start + c] / divisor;
  }
  if (local == 0u) {
    norms[row] = norm;
  }
}
