// y = sum · rstd · (gamma + plus), rstd = 1/√(mean sum² + epsilon); with a residual sum = residual + dropout(x), else the
// input is x and `sum` is not written. Zhang and Sennrich 2019. Here is what is the RMS norm's own; norm_forward.wgsl and
// norm_forward_vector.wgsl go over the rows.

struct Params {
  rows: u32,
  columns: u32,
  epsilon: f32,
  plus: f32,
  has_residual: u32,
  threshold: u32,
  scale: f32,
  key0: u32,
  key1: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Cell>; // (rows, columns)
@group(0) @binding(1) var<storage, read> residual: array<Cell>; // (rows, columns), optional
@group(0) @binding(2) var<storage, read> keys: array<u32>; // (rows), optional
@group(0) @binding(3) var<storage, read> gamma: array<Cell>; // (columns)
@group(0) @binding(4) var<storage, read_write> sum: array<Cell>; // (rows, columns), =, optional
@group(0) @binding(5) var<storage, read_write> y: array<Cell>; // (rows, columns), =
@group(0) @binding(6) var<storage, read_write> stats: array<f32>; // (rows) = rstd, =
@group(0) @binding(7) var<uniform> params: Params;

const CENTRED = false;

fn scaled(normal: Cell, column: u32) -> Cell {
  return normal * (gamma[column] + params.plus);
}

fn keep_stats(row: u32, _mean: f32, rstd: f32) {
  stats[row] = rstd;
}
