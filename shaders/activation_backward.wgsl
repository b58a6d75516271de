// dx = dy · act'(x), the activation by its number. One cell an invocation.

struct Params {
  count: u32,
  kind: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Cell>; // (count)
@group(0) @binding(1) var<storage, read> dy: array<Cell>; // (count)
@group(0) @binding(2) var<storage, read_write> dx: array<Cell>; // (count), =
@group(0) @binding(3) var<uniform> params: Params;

override WORKGROUP_SIZE: u32 = 256;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP_SIZE + local;
  if (i >= params.count / WIDTH) {
    return;
  }
  dx[i] = dy[i] * activation_slopes(params.kind, x[i]);
}
