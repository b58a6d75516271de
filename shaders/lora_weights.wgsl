// dA (rank, columns) += ddownᵀ (x · mask · scale), dB (outputs, rank) += alpha · dyᵀ down. A workgroup has 32 columns of x or of dy, 8 ranks, and its share
// of the rows; an invocation two neighbouring columns of every 16th row. With SPLITS > 1 the shares are left in `partials` (SPLITS, rank · (columns +
// outputs)), which lora_weights_sum.wgsl adds up.

struct Params {
  rows: u32,
  columns: u32,
  outputs: u32,
  rank: u32,
  down_columns: u32,
  down_first: u32,
  alpha: f32,
  threshold: u32,
  scale: f32,
  key0: u32,
  key1: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<f32>; // (rows, outputs)
@group(0) @binding(1) var<storage, read> down: array<f32>; // (rows, down_columns), its columns from down_first on
@group(0) @binding(2) var<storage, read> ddown: array<f32>; // (rows, rank)
@group(0) @binding(3) var<storage, read> x: array<f32>; // (rows, columns)
@group(0) @binding(4) var<storage, read> keys: array<u32>; // (rows), optional
@group(0) @binding(5) var<storage, read_write> dA: array<f32>; // (rank, columns), +=
@group(0) @binding(6) var<storage, read_write> dB: array<f32>; // (outputs, rank), +=
@group(0) @binding(7) var<uniform> params: Params;
@group(0) @binding(8) var<storage, read_write> partials: array<f32>; // (SPLITS, rank · columns + outputs · rank)

const COLUMNS = 32u;
const RANKS = 8u;
const LANES = 16u;

var<workgroup> shared_sums: array<vec2<f32>, 256>; // (LANES, COLUMNS / 2)

fn wide(columns: u32) -> u32 {
  return (columns + COLUMNS - 1u) / COLUMNS;
}

// Two neighbours of a row of x under its mask, or of dy.
fn values_at(row: u32, column: u32, of_a: bool) -> vec2<f32> {
  var values = vec2(0.0);
  let columns = select(params.outputs, params.columns, of_a);
  for (var i = 0u; i < 2u; i++) {
    if (column + i < columns) {
      let at = row * columns + column + i;
      if (of_a) {
        values[i] = x[at];
      } else {
        values[i] = params.alpha * dy[at];
      }
    }
  }
  if (!of_a) {
    return values;
  }
  if (params.threshold == 0u) {
    return values * params.scale;
  }
  return values * dropout_pair(vec2(keys[row], column / 2u), vec2(params.key0, params.key1), params.threshold, params.scale);
}

fn store(part: u32, of_a: bool, rank: u32, column: u32, value: f32) {
  if (rank >= params.rank || column >= select(params.outputs, params.columns, of_a)) {
    return;
  }
  let at = select(column * params.rank + rank, rank * params.columns + column, of_a);
  if (SPLITS > 1u) {
    let first = part * params.rank * (params.columns + params.outputs) + select(params.rank * params.columns, 0u, of_a);
    partials[first + at] = value;
  } else if (of_a) {
    dA[at] += value;
  } else {
    dB[at] += value;
  }
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let index = group.y * groups.x + group.x;
  let part = index % SPLITS;
  let column_groups = wide(params.columns) + wide(params.outputs);
  let column_group = (index / SPLITS) % column_groups;
  let first_rank = RANKS * (index / SPLITS / column_groups);
  if (first_rank >= params.rank) {
    return;
  }
  let of_a = column_group < wide(params.columns);
  let first_column = COLUMNS * select(column_group - wide(params.columns), column_group, of_a);
  let column = first_column + 2u * (local % LANES);
  let span = (params.rows + SPLITS - 1u) / SPLITS;
  let end = min((part + 1u) * span, params.rows);
  var sums: array<vec2<f32>, RANKS>;
  for (var row = part * span + local / LANES; row < end; row += LANES) {
    let values = values_at(row, column, of_a);
    for (var r = 0u; r < RANKS; r++) {
      let rank = min(first_rank + r, params.rank - 1u);
      var other = 0.0;
      if (of_a) {
        other = ddown[row * params.rank + rank];
      } else {
        other = down[row * params.down_columns + params.down_first + rank];
      }
      sums[r] += values * other;
    }
  }
  for (var r = 0u; r < RANKS; r++) {
    shared_sums[local] = sums[r];
    workgroupBarrier();
    if (local < LANES) {
      var sum = vec2(0.0);
      for (var lane = 0u; lane < LANES; lane++) {
        sum += shared_sums[lane * LANES + local];
      }
      store(part, of_a, first_rank + r, column, sum.x);
      store(part, of_a, first_rank + r, column + 1u, sum.y);
    }
    workgroupBarrier();
  }
}
