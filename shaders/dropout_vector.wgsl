// y = x · mask · scale over rows of whole vectors: dropout.wgsl, four neighbouring channels an invocation.

struct Params {
  rows: u32,
  columns: u32,
  threshold: u32,
  scale: f32,
  key0: u32,
  key1: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Cell>; // (rows, columns)
@group(0) @binding(1) var<storage, read> keys: array<u32>; // (rows)
@group(0) @binding(2) var<storage, read_write> y: array<Cell>; // (rows, columns), =
@group(0) @binding(3) var<uniform> params: Params;

override WORKGROUP_SIZE: u32 = 256;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let vectors = params.columns / WIDTH;
  let i = (group.y * groups.x + group.x) * WORKGROUP_SIZE + local;
  if (i >= params.rows * vectors) {
    return;
  }
  let key = vec2(params.key0, params.key1);
  y[i] = x[i] * dropout_four(keys[i / vectors], i % vectors, key, params.threshold, params.scale);
}
