// dz = [dz +] rstd · (g − mean(g) − x̂ · mean(g · x̂)), g = dy · gamma, x̂ = (z − mean) · rstd. With a
// branch, of which z is the sum with a residual: dbranch = dz · mask · scale. One workgroup a row.

struct Params {
  rows: u32,
  columns: u32,
  accumulate: u32,
  has_branch: u32,
  threshold: u32,
  scale: f32,
  key0: u32,
  key1: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<f32>; // (rows, columns)
@group(0) @binding(1) var<storage, read> z: array<f32>; // (rows, columns)
@group(0) @binding(2) var<storage, read> stats: array<f32>; // (rows, 2) = (mean, rstd)
@group(0) @binding(3) var<storage, read> gamma: array<f32>; // (columns)
@group(0) @binding(4) var<storage, read_write> dz: array<f32>; // (rows, columns), = or +=
@group(0) @binding(5) var<storage, read> keys: array<u32>; // (rows), optional
@group(0) @binding(6) var<storage, read_write> dbranch: array<f32>; // (rows, columns), =, optional
@group(0) @binding(7) var<uniform> params: Params;

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
  let columns = f32(params.columns);
  let mean = stats[2u * row];
  let rstd = stats[2u * row + 1u];
  var g_sum = 0.0;
  var gx_sum = 0.0;
  for (var c = local; c < params.columns; c += WORKGROUP_SIZE) {
    let g = dy[start + c] * gamma[c];
    g_sum += g;
    gx_sum += g * (z[start + c] - mean) * rstd;
  }
  let g_mean = workgroup_sum(local, g_sum) / columns;
  let gx_mean = workgroup_sum(local, gx_sum) / columns;
  // Two neighbours an invocation: one counter gives both words of a mask.
  for (var pair = 2u * local; pair < params.columns; pair += 2u * WORKGROUP_SIZE) {
    var mask = vec2(0.0);
    if (params.has_branch == 1u) {
      mask = vec2(params.scale);
      if (params.threshold != 0u) {
        mask = dropout_pair(vec2(keys[row], pair / 2u), vec2(params.key0, params.key1), params.threshold, params.scale);
      }
    }
    for (var i = 0u; i < min(2u, params.columns - pair); i++) {
      let c = pair + i;
      let normalised = (z[start + c] - mean) * rstd;
      var gradient = dy[start + c] * gamma[c]; // term 1
      gradient -= g_mean; // term 2
      gradient -= normalised * gx_mean; // term 3
      gradient *= rstd;
      if (params.accumulate == 1u) {
        gradient += dz[start + c];
      }
      dz[start + c] = gradient;
      if (params.has_branch == 1u) {
        dbranch[start + c] = gradient * mask[i];
      }
    }
  }
}
