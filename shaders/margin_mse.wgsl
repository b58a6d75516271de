// The mean over a row's negatives of ((s_0 − s_j) − (t_0 − t_j))², and its gradient. One invocation a row: rows are
// short.

struct Params {
  rows: u32,
  columns: u32,
}

@group(0) @binding(0) var<storage, read> scores: array<f32>; // (rows, columns)
@group(0) @binding(1) var<storage, read> teacher: array<f32>; // (rows, columns)
@group(0) @binding(2) var<storage, read> weights: array<f32>; // (rows)
@group(0) @binding(3) var<storage, read_write> losses: array<f32>; // (rows), =
@group(0) @binding(4) var<storage, read_write> dscores: array<f32>; // (rows, columns), = weights · ∂loss/∂scores
@group(0) @binding(5) var<uniform> params: Params;

override WORKGROUP_SIZE: u32 = 64;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let row = (group.y * groups.x + group.x) * WORKGROUP_SIZE + local;
  if (row >= params.rows) {
    return;
  }
  let start = row * params.columns;
  let share = 1.0 / f32(params.columns - 1u);
  let factor = 2.0 * weights[row] * share;
  var loss = 0.0;
  var own = 0.0;
  for (var j = 1u; j < params.columns; j++) {
    let error = (scores[start] - scores[start + j]) - (teacher[start] - teacher[start + j]);
    loss += error * error;
    dscores[start + j] = -factor * error;
    own += factor * error;
  }
  dscores[start] = own;
  losses[row] = loss * share;
}
