// In place: a tile's scores become their gradient, weights[row] · (p − [column = target]); the target's is −weights[row] ·
// Σ of the others' p; 0 where a column is no candidate. One invocation an element.

override WORKGROUP_SIZE: u32 = 256;

struct Params {
  rows: u32,
  columns: u32,
  first: u32,
  has_labels: u32,
}

@group(0) @binding(0) var<storage, read> targets: array<i32>; // (rows, 3) = (target, begin, end), of whole rows
@group(0) @binding(1) var<storage, read> labels: array<i32>; // of all columns, optional
@group(0) @binding(2) var<storage, read> weights: array<f32>; // (rows)
@group(0) @binding(3) var<storage, read> stats: array<f32>; // (rows, 3), of whole rows
@group(0) @binding(4) var<storage, read_write> scores: array<f32>; // (rows, columns)
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP_SIZE + local;
  if (i >= params.rows * params.columns) {
    return;
  }
  let row = i / params.columns;
  let column = params.first + i % params.columns;
  let label = u32(targets[3u * row]);
  let begin = u32(targets[3u * row + 1u]);
  let end = u32(targets[3u * row + 2u]);
  let greatest = stats[3u * row];
  let others = stats[3u * row + 1u];
  var total = others;
  if (label >= begin && label < end) {
    total += exp(stats[3u * row + 2u] - greatest);
  }
  var gradient = 0.0;
  if (column >= begin && column < end) {
    if (column == label) {
      gradient = -weights[row] * others / total;
    } else if (params.has_labels == 0u || labels[column] != labels[label]) {
      gradient = weights[row] / total * exp(scores[i] - greatest);
    }
  }
  scores[i] = gradient;
}
