// y[r, c] = [y +] x[r, c] where c is a column of x, 0 behind the last: the first columns of a matrix, or more than it has.

struct Params {
  rows: u32,
  source: u32,
  columns: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // (rows, source)
@group(0) @binding(1) var<storage, read_write> y: array<f32>; // (rows, columns), = or +=
@group(0) @binding(2) var<uniform> params: Params;

override WORKGROUP_SIZE: u32 = 256;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP_SIZE + local;
  if (i >= params.rows * params.columns) {
    return;
  }
  let column = i % params.columns;
  var value = 0.0;
  if (column < params.source) {
    value = x[(i / params.columns) * params.source + column];
  }
  if (params.accumulate == 1u) {
    value += y[i];
  }
  y[i] = value;
}
