// dtable[targets[u]] += Σ_{j = starts[u]}^{starts[u+1]−1} dout[order[j]], in that order. One cell of one target an
// invocation.

struct Params {
  count: u32,
  columns: u32,
}

@group(0) @binding(0) var<storage, read> dout: array<Cell>; // (any, columns)
@group(0) @binding(1) var<storage, read> order: array<i32>; // (starts[count])
@group(0) @binding(2) var<storage, read> starts: array<i32>; // (count + 1)
@group(0) @binding(3) var<storage, read> targets: array<i32>; // (count), distinct
@group(0) @binding(4) var<storage, read_write> dtable: array<Cell>; // (any, columns), +=
@group(0) @binding(5) var<uniform> params: Params;

override WORKGROUP_SIZE: u32 = 256;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP_SIZE + local;
  let columns = params.columns / WIDTH;
  if (i >= params.count * columns) {
    return;
  }
  let u = i / columns;
  let column = i % columns;
  var sum = Cell(0.0);
  for (var j = starts[u]; j < starts[u + 1u]; j++) {
    sum += dout[u32(order[j]) * columns + column];
  }
  dtable[u32(targets[u]) * columns + column] += sum;
}
