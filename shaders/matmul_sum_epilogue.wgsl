// The second half of a product whose terms were split, and its epilogue: v = [c +] alpha · Σ of SPLITS partial sums [+ bias], see common/epilogue.wgsl. Four
// elements an invocation.

struct Params {
  M: u32,
  N: u32,
  K: u32,
  transpose_a: u32,
  transpose_b: u32,
  accumulate: u32,
  has_bias: u32,
  alpha: f32,
  epilogue: u32,
  kind: u32,
  has_beside: u32,
  rank: u32,
  factor: f32,
}

@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>; // (N), optional
@group(0) @binding(3) var<storage, read> with0: array<vec4<f32>>; // (M, N), or (M, rank); optional
@group(0) @binding(4) var<storage, read> with1: array<vec4<f32>>; // (M, N), or (N, rank); optional
@group(0) @binding(5) var<storage, read_write> c: array<vec4<f32>>; // (M, N), = or +=
@group(0) @binding(6) var<storage, read_write> beside: array<vec4<f32>>; // (M, N), =, optional
@group(0) @binding(7) var<uniform> params: Params;
@group(0) @binding(8) var<storage, read_write> partials: array<vec4<f32>>; // (SPLITS, M, N)

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
  let row = params.N / 4u;
  write_vector(i / row, 4u * (i % row), sum);
  finish(i / row, 4u * (i % row));
}
