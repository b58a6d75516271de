// The second half of a product whose terms were split: c (M, N) = [c +] alpha · Σ of SPLITS partial sums [+ bias]. Four elements an invocation.

struct Params {
  M: u32,
  N: u32,
  K: u32,
  transpose_a: u32,
  transpose_b: u32,
  accumulate: u32,
  has_bias: u32,
  alpha: f32,
}

@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>; // (N), optional
@group(0) @binding(3) var<storage, read_write> c: array<vec4<f32>>; // (M, N), = or +=
@group(0) @binding(4) var<uniform> params: Params;
@group(0) @binding(5) var<storage, read_write> partials: array<vec4<f32>>; // (SPLITS, M, N)

override WORKGROUP_SIZE: u32 = 64;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP_SIZE + local;
  let count = params.M * params.N / 4u;
  if (i >= count) {
    return;
  }
  var sum = vec4(0.0);
  for (var part = 0u; part < SPLITS; part++) {
    sum += partials[part * count + i];
  }
  var value = params.alpha * sum;
  if (params.has_bias == 1u) {
    value += bias[i % (params.N / 4u)];
  }
  if (params.accumulate == 1u) {
    value += c[i];
  }
  c[i] = value;
}
