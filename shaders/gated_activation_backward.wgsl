// dgate = dy · up · act'(gate); dup = dy · act(gate). One cell an invocation.

struct Params {
  count: u32,
  kind: u32,
}

@group(0) @binding(0) var<storage, read> gate: array<Cell>; // (count)
@group(0) @binding(1) var<storage, read> up: array<Cell>; // (count)
@group(0) @binding(2) var<storage, read> dy: array<Cell>; // (count)
@group(0) @binding(3) var<storage, read_write> dgate: array<Cell>; // (count), =
@group(0) @binding(4) var<storage, read_write> dup: array<Cell>; // (count), =
@group(0) @binding(5) var<uniform> params: Params;

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
  let gradient = dy[i];
  let x = gate[i];
  dgate[i] = gradient * up[i] * activation_slopes(params.kind, x);
  dup[i] = gradient * activations(params.kind, x);
}
