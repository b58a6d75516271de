// A sum of up to three products, see common/grouped_sum.wgsl and common/matmul.wgsl.

@group(0) @binding(0) var<storage, read> a0: array<f32>; // (M, K0)
@group(0) @binding(1) var<storage, read> a1: array<f32>; // (M, K1), optional
@group(0) @binding(2) var<storage, read> a2: array<f32>; // (M, K2), optional
@group(0) @binding(3) var<storage, read> b: array<u32>; // b_i (K_i, N), f32 or two numbers a word
@group(0) @binding(4) var<storage, read_write> c: array<f32>; // (M, N), = or +=
@group(0) @binding(5) var<uniform> params: Params;

fn element_a(m: u32, k: u32) -> f32 {
  if (k < params.K0) {
    return a0[m * params.K0 + k];
  }
  if (k < params.K0 + params.K1) {
    return a1[m * params.K1 + k - params.K0];
  }
  return a2[m * params.K2 + k - params.K0 - params.K1];
}

fn element_b(at: u32) -> f32 {
  if (params.format == FLOAT) {
    return bitcast<f32>(b[at]);
  }
  return widen_at(b[at / 2u], at);
}

fn store(m: u32, n: u32, sum: f32) {
  if (m >= params.M || n >= params.N) {
    return;
  }
  var value = sum;
  if (params.accumulate == 1u) {
    value += c[m * params.N + n];
  }
  c[m * params.N + n] = value;
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  multiply(group.y * groups.x + group.x, local);
}
