// The mean over a row's negatives of log(1 + exp(s_j − s_0)), the softmax of each pair, and its gradient. One invocation
// a row: rows are short.

struct Params {
  rows: u32,
  columns: u32,
}

@group(0) @binding(0) var<storage, read> scores: array<f32>; // (rows, columns)
@group(0) @binding(1) var<storage, read> weights: array<f32>; // (rows)
@group(0) @binding(2) var<storage, read_write> losses: array<f32>; // (rows), =
@group(0) @binding(3) var<storage, read_write> dscores: array<f32>; // (rows, columns), = weights · ∂loss/∂scores
@group(0) @binding(4) var<uniform> params: Params;

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
  let share = 1.0 / f32(params.columns - 1u);
  let factor = weights[row] * share;
  var loss = 0.0;
  var own = 0.0;
  for (var j = 1u; j < params.columns; j++) {
    let gap = scores[start + j] - scores[start];
    let small = exp(-abs(gap));
    // log(1 + x) by its series where 1 + x would lose x
    loss += max(gap, 0.0) + select(log(1.0 + small), small * (1.0 - small * (0.5 - small / 3.0)), small < 0.01);
    let p = select(small, 1.0, gap > 0.0) / (1.0 + small);
    dscores[start + j] = factor * p;
    own -= factor * p;
  }
  dscores[start] = own;
  losses[row] = loss * share;
}
