// A sum of up to three products with b_i of 16 bits a number in vectors of four, see common/grouped_sum.wgsl and common/matmul_vec4.wgsl. All counts of terms
// and N are multiples of four.

@group(0) @binding(0) var<storage, read> a0: array<vec4<f32>>; // (M, K0)
@group(0) @binding(1) var<storage, read> a1: array<vec4<f32>>; // (M, K1), optional
@group(0) @binding(2) var<storage, read> a2: array<vec4<f32>>; // (M, K2), optional
@group(0) @binding(3) var<storage, read> b: array<vec2<u32>>; // b_i (K_i, N)
@group(0) @binding(4) var<storage, read_write> c: array<vec4<f32>>; // (M, N), = or +=
@group(0) @binding(5) var<uniform> params: Params;

fn stride_b() -> u32 {
  return params.N;
}

fn store(m: u32, n: u32, part: u32, sum: vec4<f32>) {
  write_vector(m, n, sum);
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  multiply(group.y * groups.x + group.x, local);
}
