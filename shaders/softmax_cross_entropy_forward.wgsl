// targets (rows, 3) = (target, begin, end): losses = lse − scores[target], lse = log Σ exp over the columns [begin,
// end), the greatest score subtracted first. One workgroup a row.

struct Params {
  rows: u32,
  columns: u32,
}

@group(0) @binding(0) var<storage, read> scores: array<f32>; // (rows, columns)
@group(0) @binding(1) var<storage, read> targets: array<i32>; // (rows, 3)
@group(0) @binding(2) var<storage, read_write> losses: array<f32>; // (rows), =
@group(0) @binding(3) var<storage, read_write> lse: array<f32>; // (rows), =
@group(0) @binding(4) var<uniform> params: Params;

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
  let start = row * params.columns;
  let begin = u32(targets[3u * row + 1u]);
  let end = u32(targets[3u * row + 2u]);
  var greatest = LOWEST;
  for (var c = begin + local; c < end; c += WORKGROUP_SIZE) {
    greatest = max(greatest, scores[start + c]);
  }
  greatest = workgroup_max(local, greatest);
  var sum = 0.0;
  for (var c = begin + local; c < end; c += WORKGROUP_SIZE) {
    sum += exp(scores[start + c] - greatest);
  }
  sum = workgroup_sum(local, sum);
  if (local == 0u) {
    // (greatest − target) first: exact where the two are near, whatever their size.
    losses[row] = greatest - scores[start + u32(targets[3u * row])] + log(sum);
    lse[row] = greatest + log(sum);
  }
}
