// Stats of rows of which a tile of columns is seen, first … first + columns − 1: stats (rows, 3) = (greatest score, Σ
// exp(score − greatest) over the candidates but the target, the target's score). One workgroup a row.

struct Params {
  rows: u32,
  columns: u32,
  first: u32,
  has_labels: u32,
  fresh: u32,
}

@group(0) @binding(0) var<storage, read> scores: array<f32>; // (rows, columns)
@group(0) @binding(1) var<storage, read> targets: array<i32>; // (rows, 3) = (target, begin, end), of whole rows
@group(0) @binding(2) var<storage, read> labels: array<i32>; // of all columns, optional
@group(0) @binding(3) var<storage, read_write> stats: array<f32>; // (rows, 3), = where fresh
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
  let label = u32(targets[3u * row]);
  let begin = u32(targets[3u * row + 1u]);
  let end = min(u32(targets[3u * row + 2u]), params.first + params.columns);
  let skipped = max(begin, params.first) - params.first;
  var same = 0;
  if (params.has_labels == 1u) {
    same = labels[label];
  }
  var before = vec3(LOWEST, 0.0, 0.0);
  if (params.fresh == 0u) {
    before = vec3(stats[3u * row], stats[3u * row + 1u], stats[3u * row + 2u]);
  }
  var greatest = before.x;
  for (var c = skipped + local; params.first + c < end; c += WORKGROUP_SIZE) {
    let column = params.first + c;
    if (params.has_labels == 0u || column == label || labels[column] != same) {
      greatest = max(greatest, scores[start + c]);
    }
  }
  greatest = workgroup_max(local, greatest);
  var others = 0.0;
  for (var c = skipped + local; params.first + c < end; c += WORKGROUP_SIZE) {
    let column = params.first + c;
    if (column != label && (params.has_labels == 0u || labels[column] != same)) {
      others += exp(scores[start + c] - greatest);
    }
  }
  others = workgroup_sum(local, others);
  if (local == 0u) {
    var own = before.z;
    if (label >= params.first && label < params.first + params.columns) {
      own = scores[start + label - params.first];
    }
    stats[3u * row] = greatest;
    stats[3u * row + 1u] = others + before.y * exp(before.x - greatest);
    stats[3u * row + 2u] = own;
  }
}
