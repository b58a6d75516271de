// dquery = [dquery +] alpha · Σ over a query's own passages of dscores · passage. One invocation an element.

struct Params {
  rows: u32,
  columns: u32,
  width: u32,
  alpha: f32,
  accumulate: u32,
}

@group(0) @binding(0) var<storage, read> dscores: array<f32>; // (rows, columns)
@group(0) @binding(1) var<storage, read> passage: array<f32>; // (rows · columns, width)
@group(0) @binding(2) var<storage, read_write> dquery: array<f32>; // (rows, width), = or +=
@group(0) @binding(3) var<uniform> params: Params;

override WORKGROUP_SIZE: u32 = 256;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP_SIZE + local;
  if (i >= params.rows * params.width) {
    return;
  }
  let row = i / params.width;
  var sum = 0.0;
  for (var j = row * params.columns; j < (row + 1u) * params.columns; j++) {
    sum += dscores[j] * passage[j * params.width + i % params.width];
  }
  sum *= params.alpha;
  if (params.accumulate == 1u) {
    sum += dquery[i];
  }
  dquery[i] = sum;
}
