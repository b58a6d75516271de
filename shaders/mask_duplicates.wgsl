// scores[row, c] = the lowest f32 where labels[c] is that of the row's target column and c is another column: no candidate. One workgroup a row.

struct Params {
  rows: u32,
  columns: u32,
}

@group(0) @binding(0) var<storage, read> targets: array<i32>; // (rows, 3) = (target, begin, end)
@group(0) @binding(1) var<storage, read> labels: array<i32>; // (columns)
@group(0) @binding(2) var<storage, read_write> scores: array<f32>; // (rows, columns), in place
@group(0) @binding(3) var<uniform> params: Params;

const LOWEST = -3.4028234e38;

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
  let own = u32(targets[3u * row]);
  for (var c = local; c < params.columns; c += WORKGROUP_SIZE) {
    if (labels[c] == labels[own] && c != own) {
      scores[row * params.columns + c] = LOWEST;
    }
  }
}
