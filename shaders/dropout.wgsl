// y = x · mask · scale; the mask of (row, channel) is word (channel & 1) of threefry2x32((keys[row], channel >> 1),
// (key0, key1)). Two neighbouring channels an invocation: one counter gives both words.

struct Params {
  rows: u32,
  columns: u32,
  threshold: u32,
  scale: f32,
  key0: u32,
  key1: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // (rows, columns)
@group(0) @binding(1) var<storage, read> keys: array<u32>; // (rows)
@group(0) @binding(2) var<storage, read_write> y: array<f32>; // (rows, columns), =
@group(0) @binding(3) var<uniform> params: Params;

override WORKGROUP_SIZE: u32 = 256;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let pairs = (params.columns + 1u) / 2u;
  let i = (group.y * groups.x + group.x) * WORKGROUP_SIZE + local;
  if (i >= params.rows * pairs) {
    return;
  }
  let row = i / pairs;
  let channel = 2u * (i % pairs);
  let at = row * params.columns + channel;
  let mask = dropout_pair(vec2(keys[row], channel / 2u), vec2(params.key0, params.key1), params.threshold, params.scale);
  y[at] = x[at] * mask.x;
  if (channel + 1u < params.columns) {
    y[at + 1u] = x[at + 1u] * mask.y;
  }
}
