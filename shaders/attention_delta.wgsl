// delta = Σ_d dout · out: the term that the softmax's backward subtracts (FlashAttention, Dao et al. 2022, appendix B), behind lse in stats. One (row,
// head) an invocation.

struct Params {
  rows: u32,
  heads: u32,
  head_size: u32,
}

@group(0) @binding(0) var<storage, read> out: array<f32>; // (rows, heads · headSize)
@group(0) @binding(1) var<storage, read> dout: array<f32>; // (rows, heads · headSize)
@group(0) @binding(2) var<storage, read_write> stats: array<f32>; // lse and delta (rows, heads) each; delta =
@group(0) @binding(3) var<uniform> params: Params;

override WORKGROUP_SIZE: u32 = 64;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP_SIZE + local;
  if (i >= params.rows * params.heads) {
    return;
  }
  var delta = 0.0;
  for (var d = 0u; d < params.head_size; d++) {
    let at = i * params.head_size + d;
    delta += dout[at] * out[at];
  }
  stats[params.rows * params.heads + i] = delta;
}
