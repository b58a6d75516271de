// dx (T, columns) = [dx +] the gradient of pool_forward: the share that each row has in its sequence's vector. One column of
// one sequence an invocation.

struct Params {
  sequences: u32,
  columns: u32,
  mode: u32,
  has_starts: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // (T, columns), for the greatest only
@group(0) @binding(1) var<storage, read> dout: array<f32>; // (sequences, columns)
@group(0) @binding(2) var<storage, read> offsets: array<i32>; // (sequences + 1)
@group(0) @binding(3) var<storage, read> starts: array<i32>; // (sequences), optional
@group(0) @binding(4) var<storage, read_write> dx: array<f32>; // (T, columns), = or +=
@group(0) @binding(5) var<uniform> params: Params;

// The first row of those with the greatest value of a column.
fn greatest_row(first: u32, end: u32, column: u32) -> u32 {
  var best = first;
  for (var row = first + 1u; row < end; row++) {
    if (x[row * params.columns + column] > x[best * params.columns + column]) {
      best = row;
    }
  }
  return best;
}

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
  let by = divisor(first - begin, end - first);
  var chosen = select(end - 1u, first, params.mode == CLS);
  if (params.mode == MAX) {
    chosen = greatest_row(first, end, column);
  }
  for (var row = begin; row < end; row++) {
    var gradient = 0.0;
    if (row >= first) {
      switch params.mode {
        case MEAN, MEAN_SQRT: { gradient = dout[i] / by; }
        case WEIGHTED: { gradient = dout[i] * f32(row - begin + 1u) / by; }
        default: { gradient = select(0.0, dout[i], row == chosen); }
      }
    }
    let at = row * params.columns + column;
    if (params.accumulate == 1u) {
      gradient += dx[at];
    }
    dx[at] = gradient;
  }
}
