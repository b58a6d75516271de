// out (1) = [out +] Σ x · weights. One workgroup.

struct Params {
  count: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // (count)
@group(0) @binding(1) var<storage, read> weights: array<f32>; // (count)
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // (1), = or +=
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(local_invocation_index) local: u32) {
  var sum = 0.0;
  for (var i = local; i < params.count; i += WORKGROUP_SIZE) {
    sum += x[i] * weights[i];
  }
  sum = workgroup_sum(local, sum);
  if (local == 0u) {
    if (params.accumulate == 1u) {
      sum += out[0];
    }
    out[0] = sum;
  }
}
