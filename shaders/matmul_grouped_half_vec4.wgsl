// Products of one a with up to three b_i of 16 bits a number in vectors of four, see common/grouped.wgsl and common/matmul_vec4.wgsl. All widths and ranks
// are multiples of four.

@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>; // (M, K)
@group(0) @binding(1) var<storage, read> b: array<vec2<u32>>; // b_i (N_i, K)
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>; // bias_i (N_i), optional
@group(0) @binding(3) var<storage, read> down: array<vec4<f32>>; // (M, Σ ranks), optional
@group(0) @binding(4) var<storage, read> up: array<vec4<f32>>; // up_i (N_i, rank_i), optional
@group(0) @binding(5) var<storage, read_write> c0: array<vec4<f32>>; // (M, N0), =
@group(0) @binding(6) var<storage, read_write> c1: array<vec4<f32>>; // (M, N1), =, optional
@group(0) @binding(7) var<storage, read_write> c2: array<vec4<f32>>; // (M, N2), =, optional
@group(0) @binding(8) var<uniform> params: Params;

fn stride_b() -> u32 {
  return params.K;
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
  let tile = group.y * groups.x + group.x;
  multiply(tile, local);
  finish_tile(tile, local);
}
