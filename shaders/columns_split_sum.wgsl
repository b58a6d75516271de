// The second half of columns_split.wgsl: the shares of the rows in their order. One column of cells an invocation.

override WORKGROUP_SIZE: u32 = 64;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let columns = params.columns / WIDTH;
  let column = (group.y * groups.x + group.x) * WORKGROUP_SIZE + local;
  if (column >= columns) {
    return;
  }
  var sum = Terms();
  for (var part = 0u; part < SPLITS; part++) {
    sum = plus(sum, partials[part * columns + column]);
  }
  add(column, sum);
}
