// In place: scores becomes its gradient, weights[row] · (exp(scores − lse) − [column = target]); 0 outside [begin, end).
// One workgroup a row.

struct Params {
  rows: u32,
  columns: u32,
}

@group(0) @binding(0) var<storage, read> targets: array<i32>; // (rows, 3) = (target, begin, end)
@group(0) @binding(1) var<storage, read> weights: array<f32>; // (rows)
@group(0) @binding(2) var<storage, read> lse: array<f32>; // (rows)
@group(0) @binding(3) var<storage, read_write> scores: array<f32>; // (rows, columns)
@group(0) @binding(4) var<uniform> params: Params;

override WORKGROUP_SIZE: u32 = 128;

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
  let label = u32(targets[3u * row]);
  let begin = u32(targets[3u * row + 1u]);
  let end = u32(targets[3u * row + 2u]);
  for (var c = local; c < params.columns; c += WORKGROUP_SIZE) {
    var gradient = 0.0;
    if (c >= begin && c < end) {
      gradient = weights[row] * (exp(scores[start + c] - lse[row]) - select(0.0, 1.0, c == label));
    }
    scores[start + c] = gradient;
  }
}
