// dgamma += Σ_rows dy · x̂; x̂ = z · rstd. Here are the terms; columns.wgsl and columns_split.wgsl sum
// them.

struct Params {
  rows: u32,
  columns: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<Cell>; // (rows, columns)
@group(0) @binding(1) var<storage, read> z: array<Cell>; // (rows, columns)
@group(0) @binding(2) var<storage, read> stats: array<f32>; // (rows) = rstd
@group(0) @binding(3) var<storage, read_write> dgamma: array<Cell>; // (columns), +=
@group(0) @binding(4) var<uniform> params: Params;
@group(0) @binding(5) var<storage, read_write> partials: array<Terms>; // (SPLITS, columns), where rows are split

alias Terms = Cell;

fn plus(a: Terms, b: Terms) -> Terms {
  return a + b;
}

fn terms(row: u32, column: u32) -> Terms {
  let at = row * (params.columns / WIDTH) + column;
  return dy[at] * z[at] * stats[row];
}

fn add(column: u32, sum: Terms) {
  dgamma[column] += sum;
}
