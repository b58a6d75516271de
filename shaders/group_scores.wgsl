// scores (rows, columns) = alpha · query · passage: of each query against its own passages, rows · columns of them in
// turn. One workgroup a score.

struct Params {
  rows: u32,
  columns: u32,
  width: u32,
  alpha: f32,
}

@group(0) @binding(0) var<storage, read> query: array<f32>; // (rows, width)
@group(0) @binding(1) var<storage, read> passage: array<f32>; // (rows · columns, width)
@group(0) @binding(2) var<storage, read_write> scores: array<f32>; // (rows, columns), =
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = group.y * groups.x + group.x;
  if (i >= params.rows * params.columns) {
    return;
  }
  let row = i / params.columns;
  var sum = 0.0;
  for (var c = local; c < params.width; c += WORKGROUP_SIZE) {
    sum += query[row * params.width + c] * passage[i * params.width + c];
  }
  sum = workgroup_sum(local, sum);
  if (local == 0u) {
    scores[i] = params.alpha * sum;
  }
}
