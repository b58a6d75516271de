// dgamma += Σ_rows dy · x̂; [dbeta += Σ_rows dy]; x̂ = (z − mean) · rstd. A workgroup sums COLUMNS neighbouring columns,
// each over LANES rows at a time, then the lanes in a fixed order.

struct Params {
  rows: u32,
  columns: u32,
  has_beta: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<f32>; // (rows, columns)
@group(0) @binding(1) var<storage, read> z: array<f32>; // (rows, columns)
@group(0) @binding(2) var<storage, read> stats: array<f32>; // (rows, 2) = (mean, rstd)
@group(0) @binding(3) var<storage, read_write> dgamma: array<f32>; // (columns), +=
@group(0) @binding(4) var<storage, read_write> dbeta: array<f32>; // (columns), +=, optional
@group(0) @binding(5) var<uniform> params: Params;

override COLUMNS: u32 = 8;
override LANES: u32 = 32;

var<workgroup> sums: array<vec2<f32>, COLUMNS * LANES>; // (LANES, COLUMNS) of (dgamma, dbeta)

@compute @workgroup_size(COLUMNS, LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
) {
  let column = (group.y * groups.x + group.x) * COLUMNS + local.x;
  var sum = vec2(0.0);
  if (column < params.columns) {
    for (var row = local.y; row < params.rows; row += LANES) {
      let at = row * params.columns + column;
      sum += vec2(dy[at] * (z[at] - stats[2u * row]) * stats[2u * row + 1u], dy[at]);
    }
  }
  sums[local.y * COLUMNS + local.x] = sum;
  workgroupBarrier();
  if (local.y == 0u && column < params.columns) {
    for (var lane = 1u; lane < LANES; lane++) {
      sum += sums[lane * COLUMNS + local.x];
    }
    dgamma[column] += sum.x;
    if (params.has_beta == 1u) {
      dbeta[column] += sum.y;
    }
  }
}
