// y = [y +] factors[row] · x. One invocation an element.

override WORKGROUP_SIZE: u32 = 256;

struct Params {
  rows: u32,
  columns: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // (rows, columns)
@group(0) @binding(1) var<storage, read> factors: array<f32>; // (rows)
@group(0) @binding(2) var<storage, read_write> y: array<f32>; // (rows, columns), = or +=
@group(0) @binding(3) var<uniform> params: Params;

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
  var value = factors[i / params.columns] * x[i];
  if (params.accumulate == 1u) {
    value += y[i];
  }
  y[i] = value;
}
