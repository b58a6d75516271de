// y (2 · words): f16 bits two to a word, the first in its low half, as f32. One invocation a word.

override WORKGROUP_SIZE: u32 = 256;

struct Params {
  words: u32,
}

@group(0) @binding(0) var<storage, read> x: array<u32>; // (words)
@group(0) @binding(1) var<storage, read_write> y: array<f32>; // (2 · words), =
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP_SIZE + local;
  if (i >= params.words) {
    return;
  }
  let pair = unpack2x16float(x[i]);
  y[2u * i] = pair.x;
  y[2u * i + 1u] = pair.y;
}
