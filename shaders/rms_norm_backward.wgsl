// dz = [dz +] rstd · (g − x̂ · mean(g · x̂)), g = dy · (gamma + plus), x̂ = z · rstd. With a branch, of which z is
// the sum with a residual: dbranch = dz · mask · scale. Here is what is the RMS norm's own; norm_backward.wgsl and
// norm_backward_vector.wgsl go over the rows.

struct Params {
  rows: u32,
  columns: u32,
  plus: f32,
  accumulate: u32,
  has_branch: u32,
  threshold: u32,
  scale: f32,
  key0: u32,
  key1: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<Cell>; // (rows, columns)
@group(0) @binding(1) var<storage, read> z: array<Cell>; // (rows, columns)
@group(0) @binding(2) var<storage, read> stats: array<f32>; // (rows) = rstd
@group(0) @binding(3) var<storage, read> gamma: array<Cell>; // (columns)
@group(0) @binding(4) var<storage, read_write> dz: array<Cell>; // (rows, columns), = or +=
@group(0) @binding(5) var<storage, read> keys: array<u32>; // (rows), optional
@group(0) @binding(6) var<storage, read_write> dbranch: array<Cell>; // (rows, columns), =, optional
@group(0) @binding(7) var<uniform> params: Params;

const CENTRED = false;

// (mean, rstd)
fn stats_of(row: u32) -> vec2<f32> {
  return vec2(0.0, stats[row]);
}

fn gain(column: u32) -> Cell {
  return gamma[column] + params.plus;
}
