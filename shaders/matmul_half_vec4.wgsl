// The same product as matmul_half.wgsl in vectors of four, see common/matmul_vec4.wgsl. With SPLITS > 1 partial sums are left in `partials`, which
// matmul_sum.wgsl adds up.

struct Params {
  M: u32,
  N: u32,
  K: u32,
  transpose_a: u32,
  transpose_b: u32,
  accumulate: u32,
  has_bias: u32,
  alpha: f32,
  format: u32,
}

@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b: array<vec2<u32>>; // two numbers a word
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>; // (N), optional
@group(0) @binding(3) var<storage, read_write> c: array<vec4<f32>>; // (M, N), = or +=
@group(0) @binding(4) var<uniform> params: Params;
@group(0) @binding(5) var<storage, read_write> partials: array<vec4<f32>>; // (SPLITS, M, N)

fn store(m: u32, n: u32, part: u32, sum: vec4<f32>) {
  if (SPLITS == 1u) {
    write_vector(m, n, sum);
  } else if (m < params.M && n < params.N) {
    partials[((part * params.M + m) * params.N + n) / 4u] = sum;
  }
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  multiply(group.y * groups.x + group.x, local);
}
