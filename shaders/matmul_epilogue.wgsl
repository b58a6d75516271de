// A product and what is made of it at once, see common/matmul.wgsl and common/epilogue.wgsl.

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

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>; // (N), optional
@group(0) @binding(3) var<storage, read> with0: array<f32>; // (M, N), or (M, rank); optional
@group(0) @binding(4) var<storage, read> with1: array<f32>; // (M, N), or (N, rank); optional
@group(0) @binding(5) var<storage, read_write> c: array<f32>; // (M, N), = or +=
@group(0) @binding(6) var<storage, read_write> beside: array<f32>; // (M, N), =, optional
@group(0) @binding(7) var<uniform> params: Params;

fn element_b(at: u32) -> f32 {
  return b[at];
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
