// y[row, to + j] = [y +] x[row, from + j] for j < columns. One cell an invocation.

struct Params {
  rows: u32,
  columns: u32,
  x_columns: u32,
  y_columns: u32,
  first_from: u32,
  first_to: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Cell>; // (rows, x_columns)
@group(0) @binding(1) var<storage, read_write> y: array<Cell>; // (rows, y_columns), = or +=
@group(0) @binding(2) var<uniform> params: Params;

override WORKGROUP_SIZE: u32 = 256;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP_SIZE + local;
  let columns = params.columns / WIDTH;
  if (i >= params.rows * columns) {
    return;
  }
  let row = i / columns;
  let column = i - row * columns;
  let value = x[(row * params.x_columns + params.first_from) / WIDTH + column];
  let at = (row * params.y_columns + params.first_to) / WIDTH + column;
  if (params.accumulate == 1u) {
    y[at] += value;
  } else {
    y[at] = value;
  }
}
