// y[to + i] = [y +] x[from + i] for i < rows. One cell an invocation.

struct Params {
  rows: u32,
  columns: u32,
  first_from: u32,
  first_to: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Cell>; // (≥ from + rows, columns)
@group(0) @binding(1) var<storage, read_write> y: array<Cell>; // (≥ to + rows, columns), = or +=
@group(0) @binding(2) var<uniform> params: Params;

override WORKGROUP_SIZE: u32 = 256;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP_SIZE + local;
  if (i >= params.rows * params.columns / WIDTH) {
    return;
  }
  let value = x[params.first_from * params.columns / WIDTH + i];
  let at = params.first_to * params.columns / WIDTH + i;
  if (params.accumulate == 1u) {
    y[at] += value;
  } else {
    y[at] = value;
  }
}
