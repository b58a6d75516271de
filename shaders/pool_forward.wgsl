// out (sequences, columns): the rows of a sequence from `starts` on as one: their mean, their sum over the root of their
// number, their mean by weights 1, 2, …, the greatest of each column, the last; or the sequence's first row. One element an
// invocation.

struct Params {
  sequences: u32,
  columns: u32,
  mode: u32,
  has_starts: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // (T, columns)
@group(0) @binding(1) var<storage, read> offsets: array<i32>; // (sequences + 1)
@group(0) @binding(2) var<storage, read> starts: array<i32>; // (sequences), optional
@group(0) @binding(3) var<storage, read_write> out: array<f32>; // (sequences, columns), =
@group(0) @binding(4) var<uniform> params: Params;

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
  let first = first_row(sequence, begin, end);
  if (first == end) {
    out[i] = 0.0;
    return;
  }
  if (params.mode == MAX) {
    var greatest = x[first * params.columns + column];
    for (var row = first + 1u; row < end; row++) {
      greatest = max(greatest, x[row * params.columns + column]);
    }
    out[i] = greatest;
    return;
  }
  if (params.mode != MEAN && params.mode != MEAN_SQRT && params.mode != WEIGHTED) {
    out[i] = x[select(end - 1u, first, params.mode == CLS) * params.columns + column];
    return;
  }
  var sum = 0.0;
  for (var row = first; row < end; row++) {
    sum += x[row * params.columns + column] * select(1.0, f32(row - begin + 1u), params.mode == WEIGHTED);
  }
  out[i] = sum / divisor(first - begin, end - first);
}
