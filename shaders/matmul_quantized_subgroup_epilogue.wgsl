// The same by matrix units, see common/matmul_subgroup.wgsl, common/quantized_vector.wgsl and common/epilogue.wgsl.

struct Params {
  M: u32,
  N: u32,
  K: u32,
  transpose_a: u32,
  transpose_b: u32,
  accumulate: u32,
  has_bias: u32,
  alpha: f32,
  bits: u32,
  epilogue: u32,
  kind: u32,
  has_beside: u32,
  rank: u32,
  factor: f32,
}

@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b: array<u32>; // 4 or 8 codes a word
@group(0) @binding(2) var<storage, read> groups: array<u32>; // step and least as bf16, step in the lower half
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>; // (N), optional
@group(0) @binding(4) var<storage, read> with0: array<vec4<f32>>; // (M, N), or (M, rank); optional
@group(0) @binding(5) var<storage, read> with1: array<vec4<f32>>; // (M, N), or (N, rank); optional
@group(0) @binding(6) var<storage, read_write> c: array<vec4<f32>>; // (M, N), = or +=
@group(0) @binding(7) var<storage, read_write> beside: array<vec4<f32>>; // (M, N), =, optional
@group(0) @binding(8) var<uniform> params: Params;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let tile = group.y * workgroups.x + group.x;
  multiply(tile, local);
  finish_tile(tile, local);
}
