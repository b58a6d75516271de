// dx = dy · (Φ(x) + x · φ(x)); by tanh, Φ̃(x) = 1/(1 + e^{−2u}) and Φ̃' = 2 Φ̃ (1 − Φ̃) u'. One element an invocation.

struct Params {
  count: u32,
  approximate: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // (count)
@group(0) @binding(1) var<storage, read> dy: array<f32>; // (count)
@group(0) @binding(2) var<storage, read_write> dx: array<f32>; // (count), =
@group(0) @binding(3) var<uniform> params: Params;

override WORKGROUP_SIZE: u32 = 256;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP_SIZE + local;
  if (i >= params.count) {
    return;
  }
  let value = x[i];
  var slope: f32;
  if (params.approximate == 1u) {
    let cdf = normal_cdf_tanh(value);
    let du = SQRT_2_OVER_PI * (1.0 + 3.0 * TANH_CUBIC * value * value);
    // Far out the product underflows to 0 times a large du, never to a NaN: du stays finite below |x| = 1e18.
    slope = cdf + value * 2.0 * cdf * (1.0 - cdf) * du;
  } else {
    slope = normal_cdf(value) + value * INVERSE_SQRT_2_PI * exp(-0.5 * value * value);
  }
  dx[i] = dy[i] * slope;
}
