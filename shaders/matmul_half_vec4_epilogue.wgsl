// The same with b of 16 bits a number, in vectors of four, see common/matmul_vec4.wgsl and common/epilogue.wgsl.

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
  epilogue: u32,
  kind: u32,
  has_beside: u32,
  rank: u32,
  factor: f32,
}

@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b: array<vec2<u32>>; // two numbers a word
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>; // (N), optional
@group(0) @binding(3) var<storage, read> with0: array<vec4<f32>>; // (M, N), or (M, rank); optional
@group(0) @binding(4) var<storage, read> with1: array<vec4<f32>>; // (M, N), or (N, rank); optional
@group(0) @binding(5) var<storage, read_write> c: array<vec4<f32>>; // (M, N), = or +=
@group(0) @binding(6) var<storage, read_write> beside: array<vec4<f32>>; // (M, N), =, optional
@group(0) @binding(7) var<uniform> params: Params;

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
