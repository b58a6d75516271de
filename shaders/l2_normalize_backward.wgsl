// dx = (dy − y · (dy · y)) / ‖x‖; where ‖x‖ < epsilon the divisor was constant: dx = dy / epsilon. One workgroup a row.

struct Params {
  rows: u32,
  columns: u32,
  epsilon: f32,
}

@group(0) @binding(0) var<storage, read> y: array<f32>; // (rows, columns)
@group(0) @binding(1) var<storage, read> norms: array<f32>; // (rows)
@group(0) @binding(2) var<storage, read> dy: array<f32>; // (rows, columns)
@group(0) @binding(3) var<storage, read_write> dx: array<f32>; // (rows, columns), =
@group(0) @binding(4) var<uniform> params: Params;

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
  var products = 0.0;
  for (var c = local; c < params.columns; c += WORKGROUP_SIZE) {
    products += dy[start + c] * y[start + c];
  }
  let radial = workgroup_sum(local, products);
  let norm = norms[row];
  for (var c = local; c < params.columns; c += WORKGROUP_SIZE) {
    if (norm < params.epsilon) {
      dx[start + c] = dy[start + c] / params.epsilon;
    } else {
      dx[start + c] = (dy[start + c] - y[start + c] * radial) / norm;
    }
  }
}
