// dpassage = [dpassage +] alpha · dscores · query, of each passage and the query it belongs to. One invocation an
// element.

struct Params {
  rows: u32,
  columns: u32,
  width: u32,
  alpha: f32,
  accumulate: u32,
}

@group(0) @binding(0) var<storage, read> dscores: array<f32>; // (rows, columns)
@group(0) @binding(1) var<storage, read> query: array<f32>; // (rows, width)
@group(0) @binding(2) var<storage, read_write> dpassage: array<f32>; // (rows · columns, width), = or +=
@group(0) @binding(3) var<uniform> params: Params;

override WORKGROUP_SIZE: u32 = 256;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP_SIZE + local;
  if (i >= params.rows * params.columns * params.width) {
    return;
  }
  let passage = i / params.width;
  var value = params.alpha * dscores[passage] * query[(passage / params.columns) * params.width + i % params.width];
  if (params.accumulate == 1u) {
    value += dpassage[i];
  }
  dpassage[i] = value;
}
