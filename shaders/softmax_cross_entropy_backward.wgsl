// In place: scores becomes its gradient, weights[row] · (p − [column = target]), p = exp(scores − lse) over its own
// sum: the rounding of a large lse does not count, and a row sums to 0. 0 outside [begin, end). One workgroup a row.

struct Params {
  rows: u32,
  columns: u32,
}

@group(0) @binding(0) var<storage, read> targets: array<i32>; // (rows, 3) = (target, begin, end)
@group(0) @binding(1) var<storage, read> weights: array<f32>; // (rows)
@group(0) @binding(2) var<storage, read> lse: array<f32>; // (rows)
@group(0) @binding(3) var<storage, read_write> scores: array<f32>; // (rows, columns)
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
  let label = u32(targets[3u * row]);
  let begin = u32(targets[3u * row + 1u]);
  let end = u32(targets[3u * row + 2u]);
  var partial = 0.0;
  for (var c = begin + local; c < end; c += WORKGROUP_SIZE) {
    if (c != label) {
      partial += exp(scores[start + c] - lse[row]);
    }
  }
  let others = workgroup_sum(local, partial);
  var own = 0.0;
  if (label >= begin && label < end) {
    own = exp(scores[start + label] - lse[row]);
  }
  workgroupBarrier(); // before the label's score is overwritten
  let factor = weights[row] / (others + own);
  for (var c = local; c < params.columns; c += WORKGROUP_SIZE) {
    var gradient = 0.0;
    if (c >= begin && c < end) {
      gradient = factor * exp(scores[start + c] - lse[row]);
      if (c == label) {
        gradient = -factor * others;
      }
    }
    scores[start + c] = gradient;
  }
}
