// y = (sum − mean) · rstd · gamma [+ beta]; with a residual sum = residual + dropout(x), else the input is x and `sum` is
// not written. Ba et al. 2016. One workgroup a row; two passes, mean then variance, for accuracy. Two neighbouring
// channels an invocation (see dropout).

struct Params {
  rows: u32,
  columns: u32,
  epsilon: f32,
  has_residual: u32,
  has_beta: u32,
  threshold: u32,
  scale: f32,
  key0: u32,
  key1: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // (rows, columns)
@group(0) @binding(1) var<storage, read> residual: array<f32>; // (rows, columns), optional
@group(0) @binding(2) var<storage, read> keys: array<u32>; // (rows), optional
@group(0) @binding(3) var<storage, read> gamma: array<f32>; // (columns)
@group(0) @binding(4) var<storage, read> beta: array<f32>; // (columns), optional
@group(0) @binding(5) var<storage, read_write> sum: array<f32>; // (rows, columns), =, optional
@group(0) @binding(6) var<storage, read_write> y: array<f32>; // (rows, columns), =
@group(0) @binding(7) var<storage, read_write> stats: array<f32>; // (rows, 2) = (mean, rstd), =
@group(0) @binding(8) var<uniform> params: Params;

// The normalised input; from `sum` an invocation reads back only what it wrote itself.
fn input(at: u32) -> f32 {
  if (params.has_residual == 1u) {
    return sum[at];
  }
  return x[at];
}

fn add_residual(row: u32, local: u32) {
  let start = row * params.columns;
  for (var channel = 2u * local; channel < params.columns; channel += 2u * WORKGROUP_SIZE) {
    var mask = vec2(params.scale);
    if (params.threshold != 0u) {
      mask = dropout_pair(vec2(keys[row], channel / 2u), vec2(params.key0, params.key1), params.threshold, params.scale);
    }
    sum[start + channel] = residual[start + channel] + x[start + channel] * mask.x;
    if (channel + 1u < params.columns) {
      sum[start + channel + 1u] = residual[start + channel + 1u] + x[start + channel + 1u] * mask.y;
    }
  }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let row = group.y * groups.x + group.x;
  if (row >= params.rows) {
    return;
  }
  if (params.has_residual == 1u) {
    add_residual(row, local);
  }
  let start = row * params.columns;
  let columns = f32(params.columns);
  var total = 0.0;
  for (var pair = 2u * local; pair < params.columns; pair += 2u * WORKGROUP_SIZE) {
    for (var c = pair; c < min(pair + 2u, params.columns); c++) {
      total += input(start + c);
    }
  }
  let mean = workgroup_sum(local, total) / columns;
  var squares = 0.0;
  for (var pair = 2u * local; pair < params.columns; pair += 2u * WORKGROUP_SIZE) {
    for (var c = pair; c < min(pair + 2u, params.columns); c++) {
      let centred = input(start + c) - mean;
      squares += centred * centred;
    }
  }
  let rstd = 1.0 / sqrt(workgroup_sum(local, squares) / columns + params.epsilon);
  for (var pair = 2u * local; pair < params.columns; pair += 2u * WORKGROUP_SIZE) {
    for (var c = pair; c < min(pair + 2u, params.columns); c++) {
      let scaled = (input(start + c) - mean) * rstd * gamma[c];
      if (params.has_beta == 1u) {
        y[start + c] = scaled + beta[c];
      } else {
        y[start + c] = scaled;
      }
    }
  }
  if (local == 0u) {
    stats[2u * row] = mean;
    stats[2u * row + 1u] = rstd;
  }
}
