// dz = [dz +] rstd · (g − x̂ · mean(g · x̂)), g = dy · (gamma + plus), x̂ = z · rstd. One workgroup a row.

struct Params {
  rows: u32,
  columns: u32,
  plus: f32,
  accumulate: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<f32>; // (rows, columns)
@group(0) @binding(1) var<storage, read> z: array<f32>; // (rows, columns)
@group(0) @binding(2) var<storage, read> stats: array<f32>; // (rows) = rstd
@group(0) @binding(3) var<storage, read> gamma: array<f32>; // (columns)
@group(0) @binding(4) var<storage, read_write> dz: array<f32>; // (rows, columns), = or +=
@group(0) @binding(5) var<uniform> params: Params;

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
  let rstd = stats[row];
  var gx_sum = 0.0;
  for (var c = local; c < params.columns; c += WORKGROUP_SIZE) {
    gx_sum += dy[start + c] * (gamma[c] + params.plus) * z[start + c] * rstd;
  }
  let gx_mean = workgroup_sum(local, gx_sum) / f32(params.columns);
  for (var c = local; c < params.columns; c += WORKGROUP_SIZE) {
    var gradient = dy[start + c] * (gamma[c] + params.plus); // term 1
    gradient -= z[start + c] * rstd * gx_mean; // term 2
    gradient *= rstd;
    if (params.accumulate == 1u) {
      gradient += dz[start + c];
    }
    dz[start + c] = gradient;
  }
}
