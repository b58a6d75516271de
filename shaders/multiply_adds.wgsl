// out[i] = Σ of 48 chains x ← x · factor + term: nothing but multiply-adds in registers. One element an invocation.

struct Params {
  count: u32,
  rounds: u32,
  factor: f32,
  term: f32,
}

@group(0) @binding(0) var<storage, read_write> out: array<f32>; // (count), =
@group(0) @binding(1) var<uniform> params: Params;

override WORKGROUP_SIZE: u32 = 256;

const CHAINS = 48.0;

fn start(element: u32, chain: u32) -> vec4<f32> {
  return f32(element % 64u) + (f32(chain) + vec4(0.0, 1.0, 2.0, 3.0)) / CHAINS;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP_SIZE + local;
  if (i >= params.count) {
    return;
  }
  let factor = vec4(params.factor);
  let term = vec4(params.term);
  var x0 = start(i, 0u);
  var x1 = start(i, 4u);
  var x2 = start(i, 8u);
  var x3 = start(i, 12u);
  var x4 = start(i, 16u);
  var x5 = start(i, 20u);
  var x6 = start(i, 24u);
  var x7 = start(i, 28u);
  var x8 = start(i, 32u);
  var x9 = start(i, 36u);
  var x10 = start(i, 40u);
  var x11 = start(i, 44u);
  for (var r = 0u; r < params.rounds; r++) {
    x0 = fma(x0, factor, term);
    x1 = fma(x1, factor, term);
    x2 = fma(x2, factor, term);
    x3 = fma(x3, factor, term);
    x4 = fma(x4, factor, term);
    x5 = fma(x5, factor, term);
    x6 = fma(x6, factor, term);
    x7 = fma(x7, factor, term);
    x8 = fma(x8, factor, term);
    x9 = fma(x9, factor, term);
    x10 = fma(x10, factor, term);
    x11 = fma(x11, factor, term);
  }
  let sum = x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9 + x10 + x11;
  out[i] = sum.x + sum.y + sum.z + sum.w;
}
