// dx (T, columns) = [dx +] the gradient of pool_forward: dout / length for every row (mode 0); dout for the first row,
// 0 for the others (mode 1). One column of one sequence an invocation.

struct Params {
  sequences: u32,
  columns: u32,
  mode: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<storage, read> dout: array<f32>; // (sequences, columns)
@group(0) @binding(1) var<storage, read> offsets: array<i32>; // (sequences + 1)
@group(0) @binding(2) var<storage, read_write> dx: array<f32>; // (T, columns), = or +=
@group(0) @binding(3) var<uniform> params: Params;

override WORKGROUP_SIZE: u32 = 64;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP_SIZE + local;
  if (i >= params.sequences * params.columns) {
    return;
  }
  let sequence = i / params.columns;
  let column = i % params.columns;
  let begin = u32(offsets[sequence]);
  let end = u32(offsets[sequence + 1u]);
  for (var row = begin; row < end; row++) {
    var gradient = dout[i];
    if (params.mode == 0u) {
      gradient /= f32(end - begin);
    } else if (row != begin) {
      gradient = 0.0;
    }
    let at = row * params.columns + column;
    if (params.accumulate == 1u) {
      gradient += dx[at];
    }
    dx[at] = gradient;
  }
}
