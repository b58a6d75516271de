// losses = log Σ exp(score) − the target's score, from stats (rows, 3) = (greatest score, Σ exp(score − greatest) over
// the candidates but the target, the target's score).

override WORKGROUP_SIZE: u32 = 64;

struct Params {
  rows: u32,
}

@group(0) @binding(0) var<storage, read> targets: array<i32>; // (rows, 3) = (target, begin, end)
@group(0) @binding(1) var<storage, read> stats: array<f32>; // (rows, 3)
@group(0) @binding(2) var<storage, read_write> losses: array<f32>; // (rows), =
@group(0) @binding(3) var<uniform> params: Params;

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
  let label = targets[3u * row];
  let greatest = stats[3u * row];
  let own = stats[3u * row + 2u];
  var total = stats[3u * row + 1u];
  if (label >= targets[3u * row + 1u] && label < targets[3u * row + 2u]) {
    total += exp(own - greatest);
  }
  // (greatest − own) first: exact where the two are near, whatever their size.
  losses[row] = greatest - own + log(total);
}
