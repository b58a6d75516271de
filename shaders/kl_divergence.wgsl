// Σ t (log t − log softmax(scores)) of each row, t = softmax(sharpness · teacher), and its gradient, p − t. One
// invocation a row: rows are short.

struct Params {
  rows: u32,
  columns: u32,
  sharpness: f32,
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
  var greatest = vec2(scores[start], params.sharpness * teacher[start]);
  for (var j = 1u; j < params.columns; j++) {
    greatest = max(greatest, vec2(scores[start + j], params.sharpness * teacher[start + j]));
  }
  var sums = vec2(0.0);
  for (var j = 0u; j < params.columns; j++) {
    sums += exp(vec2(scores[start + j], params.sharpness * teacher[start + j]) - greatest);
  }
  let logs = log(sums);
  var loss = 0.0;
  for (var j = 0u; j < params.columns; j++) {
    // Differences of near numbers first
    let log_pt = (vec2(scores[start + j], params.sharpness * teacher[start + j]) - greatest) - logs;
    let pt = exp(log_pt);
    loss += pt.y * (log_pt.y - log_pt.x);
    dscores[start + j] = weights[row] * (pt.x - pt.y);
  }
  losses[row] = loss;
}
