// out (sequences, columns): the mean of a sequence's rows (mode 0), or its first row (mode 1). One element an
// invocation.

struct Params {
  sequences: u32,
  columns: u32,
  mode: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // (T, columns)
@group(0) @binding(1) var<storage, read> offsets: array<i32>; // (sequences + 1)
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // (sequences, columns), =
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
  if (params.mode == 1u) {
    out[i] = x[begin * params.columns + column];
    return;
  }
  var sum = 0.0;
  for (var row = begin; row < end; row++) {
    sum += x[row * params.columns + column];
  }
  out[i] = sum / f32(max(end - begin, 1u));
}
